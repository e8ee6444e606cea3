"""From the start of the process to the connection."""

import asyncio
import time

import pytest
from e2e.bot_process import BRIEF, ENDLESS, OWNER, PATIENCE, Bot, NapCat

from onebot_bot.errors import NotConnected
from onebot_bot.transport.client import OPEN_TIMEOUT, OneBotClient

pytestmark = pytest.mark.model


async def test_handshake_while_loading(own_bot: Bot, account: int) -> None:
    """The socket answers before NapCat's patience ends, and commands work, while the model still loads."""
    own_bot.kill()
    own_bot.start()
    began = time.monotonic()
    async with own_bot.dial(account) as napcat:
        assert time.monotonic() - began < OPEN_TIMEOUT
        assert "trial（加载中）" in await napcat.command("/status")


async def test_handshake_while_writing(bot: Bot, napcat: NapCat, account: int) -> None:
    """The socket answers as fast while the model's thread is busy with a long answer."""
    await napcat.configure(ENDLESS)
    await napcat.tell(OWNER, "Tell me a very long story.")
    await napcat.status("正在写 1")
    began = time.monotonic()
    async with bot.dial(account + 500):
        assert time.monotonic() - began < OPEN_TIMEOUT
    await napcat.status("正在写 1")
    await napcat.configure(BRIEF)
    await napcat.command("/stop")


async def test_banner(bot: Bot, account: int) -> None:
    """What the start prints is all that NapCat needs: here, into a pipe, where the token is and not what it is."""
    url = bot.started.partition("URL ")[2].split()[0]
    assert str(bot.folder / "memory_store" / "token") in bot.started
    assert bot.token not in bot.started
    async with OneBotClient(url, account, bot.token) as client:
        await client.send_event(client.private_message(OWNER, "/sid"))
        assert f"{account}/private/{OWNER}" in str((await client.next_call("send_private_msg")).params)


async def test_wrong_token(bot: Bot, account: int) -> None:
    """A client with another token is refused with 401 and told where the right one is."""
    with pytest.raises(NotConnected, match=r"401.*memory_store/token"):
        async with OneBotClient(bot.url, account, "wrong"):
            pass


async def test_wrong_path(bot: Bot, account: int) -> None:
    """A client with another path is refused with 404 and told the right one."""
    with pytest.raises(NotConnected, match=r"404.*/onebot/v11/ws"):
        async with OneBotClient(bot.url.replace("/ws", "/wss"), account, bot.token):
            pass


async def test_heartbeats(napcat: NapCat) -> None:
    """Heartbeats are taken note of: that QQ is offline, and that it is back."""
    await napcat.send_heartbeat(online=False)
    await napcat.logged(rf"WARNING.*QQ itself is offline.*account={napcat.self_id}")
    await napcat.send_heartbeat(online=True)
    await napcat.logged(rf"QQ is back online.*account={napcat.self_id}")


async def test_second_bot(bot: Bot) -> None:
    """A second bot on the same folder ends at once, with one line that says who has it."""
    second = await asyncio.create_subprocess_exec(*bot.command, stderr=asyncio.subprocess.PIPE)
    _, said = await asyncio.wait_for(second.communicate(), PATIENCE)
    assert second.returncode == 1
    assert "in use by another bot" in said.decode()
    assert "Traceback" not in said.decode()
