"""The configuration of a whole bot in the test's own process."""

import socket
from pathlib import Path

CONFIG = """version = 1
[bot]
owners = [1]
[server]
port = {port}
[model]
path = "{model}"
[chat]
merge_window = 0
typing_speed = 0
[log]
file = ""
"""


def write_config(folder: Path, model: str = "echo") -> Path:
    """A config.toml on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = folder / "config.toml"
    path.write_text(CONFIG.format(port=port, model=model), encoding="utf-8")
    return path
