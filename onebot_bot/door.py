"""The door: the socket that clients dial into, open before there is anything else of the bot."""

from contextlib import AsyncExitStack
from pathlib import Path

from onebot_bot.config import Config
from onebot_bot.errors import ConfigError
from onebot_bot.memory.lock import refuse_second
from onebot_bot.transport.server import OneBotServer
from onebot_bot.transport.token import read_token

LOCK = Path("memory_store") / "memory.lock"
"""Held by the bot of a folder."""


async def open_door(stack: AsyncExitStack, config: Config, folder: Path) -> OneBotServer:
    """Let clients in from now on, until the stack is left; what they send waits until somebody hears.

    Args:
        stack: shuts it.
        config: its [server] counts.
        folder: of config.toml; the token is made there if there is none.

    Raises:
        ConfigError: the address cannot be listened on, or the token cannot be had.
        StoreError: the address is taken by another bot of the same folder.
    """
    server = OneBotServer(config.server, read_token(config.server, folder, create=True))
    try:
        return await stack.enter_async_context(server)
    except ConfigError:
        refuse_second(folder / LOCK)
        raise
