"""The whole application on the echo engine: files and links that come through NapCat, as the model is told of them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Self

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from documents import pdf

from onebot_bot.app import App
from onebot_bot.engine.request import Generation, GenerationRequest, Text
from onebot_bot.protocol.segments import File, Reply, Segment
from onebot_bot.protocol.segments import Text as Words
from onebot_bot.transport.client import Answer, Call, OneBotClient, ok
from onebot_bot.transport.client import failed as refused

CONFIG = """version = 1
[server]
port = {port}
[model]
path = "echo"
[chat]
merge_window = 0
typing_speed = 0
[reading]
wait = 60.0
timeout = 60.0
[log]
file = ""
"""
PATIENCE = 60.0
"""Seconds: a process is started for each file, on whatever machine this is."""


class Watched(App):
    """A bot that keeps what its engine was asked."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.asked: asyncio.Queue[GenerationRequest] = asyncio.Queue()
        submit = self.engine.submit

        def watched(request: GenerationRequest) -> Generation:
            self.asked.put_nowait(request)
            return submit(request)

        self.engine.submit = watched  # type: ignore[method-assign]  # what goes through it is what is to be seen
        return self

    async def next(self) -> str:
        """What the model was shown of the last turn."""
        request = await asyncio.wait_for(self.asked.get(), PATIENCE)
        return "".join(part.text for part in request.conversation.turns[-1].parts if isinstance(part, Text))


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Watched]:
    """A running bot that waits for what it reads as long as it takes here."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(port=port), encoding="utf-8")
    async with Watched(path) as running:
        yield running


@pytest.fixture
async def site(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[str], str]]:
    """A web server on loopback that passes as public; gives the URL of a path."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<title>新闻</title><p>猫会弹琴了", content_type="text/html")

    async def report(request: web.Request) -> web.Response:
        return web.Response(body=pdf("会议在三楼"))

    app = web.Application()
    app.router.add_get("/page", page)
    app.router.add_get("/report", report)
    async with TestServer(app) as server:
        monkeypatch.setattr("onebot_bot.transport.media.is_public", lambda host: host == server.host)
        yield lambda path: str(server.make_url(path))


async def test_a_file_and_a_link_are_read_quoted_and_kept(bot: Watched, site: Callable[[str], str]) -> None:
    """The file's address is asked of NapCat, once; the words outlast the address, and another chat never has them."""
    asked: list[Any] = []

    def obey(call: Call) -> Answer | None:
        if call.action == "get_private_file_url":
            asked.append(call.params["file_id"])
            return ok({"url": site("/report")}) if len(asked) == 1 else refused(1200, "expired")
        return client.succeed(call)

    async with OneBotClient(bot.url, 10000, bot.token, on_call=obey) as client:

        async def tell(user: int, *segments: Segment) -> tuple[str, str]:
            event = client.private_message(user, segments)
            await client.send_event(event)
            return str(event["message_id"]), await bot.next()

        number, shown = await tell(5, File(file="报告.pdf", file_id="/id"))
        assert shown.splitlines()[1:] == ["> 会议在三楼", "[文件：报告.pdf]"]
        assert "文件“报告.pdf”的内容，共 1 页" in shown
        _, shown = await tell(5, Reply(number), Words(f"对吗？{site('/page')}"))
        assert [line for line in shown.splitlines() if line.startswith(">")] == [
            "> 会议在三楼",
            "> 新闻",
            "> 猫会弹琴了",
        ]
        _, shown = await tell(6, Reply(number), Words("给我看"))
        assert shown == "给我看"
    assert asked == ["/id"]


async def test_a_link_into_the_private_network_stays_shut(bot: Watched, site: Callable[[str], str]) -> None:
    """Whatever a stranger writes: the model is told, and answers."""
    port = site("/").rpartition(":")[2]
    async with OneBotClient(bot.url, 10000, bot.token) as client:
        link = f"http://127.0.0.2:{port}page http://10.0.0.1:{port}page"
        await client.send_event(client.private_message(5, link))
        shown = await bot.next()
    assert shown.count("：打不开，没读]") == 2
