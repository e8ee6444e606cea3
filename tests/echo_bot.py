"""A whole bot in the test's own process: its configuration, and what it says."""

import asyncio
import socket
from pathlib import Path

from onebot_bot.transport.client import OneBotClient

CONFIG = """version = 1
[bot]
owners = [1]
[server]
port = {port}
[model]
path = "{model}"
[chat]
merge_window = 0
exchanges_per_minute = 0
typing_speed = 0
[log]
file = ""
"""
PATIENCE = 60.0
"""Seconds for one message: where the model is loaded, torch is imported first, on whatever machine this is."""


def write_config(folder: Path, model: str = "echo") -> Path:
    """A config.toml on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = folder / "config.toml"
    path.write_text(CONFIG.format(port=port, model=model), encoding="utf-8")
    return path


async def said(client: OneBotClient) -> tuple[int, str]:
    """To whom the next message goes, and its words."""
    while True:
        call = await asyncio.wait_for(client.next_call(), PATIENCE)
        if call.action == "send_private_msg":
            return call.params["user_id"], call.params["message"][-1]["data"]["text"]
