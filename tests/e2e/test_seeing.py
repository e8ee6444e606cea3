"""The whole bot with a tiny model that sees, on the real engine: from NapCat's event to the model's prompt."""

import asyncio
import base64
import io
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import pytest
from e2e.bot_process import PATIENCE
from PIL import Image as Pillow
from tiny_vl import make_tiny_vl

from onebot_bot.app import App
from onebot_bot.engine.request import Generation, GenerationRequest, Picture, Text, Usage
from onebot_bot.engine.worker import EngineWorker
from onebot_bot.protocol.segments import Image, Reply, Segment
from onebot_bot.protocol.segments import Text as Words
from onebot_bot.transport.client import OneBotClient

pytestmark = pytest.mark.model

CONFIG = """version = 1
[server]
port = {port}
[model]
path = "model"
dtype = "float32"
[generation]
temperature = 0.0
max_new_tokens = 4
[chat]
merge_window = 0
typing_speed = 0
[learning]
enabled = false
extract = "off"
refine_idle = false
[log]
file = ""
"""
TOKENS = 6
"""That the model takes for one picture of 96 x 64 pixels."""


class Watched(App):
    """A bot that keeps what its engine was asked, and what came of it."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.asked: asyncio.Queue[Generation] = asyncio.Queue()
        engine = self.engine
        assert isinstance(engine, EngineWorker)
        submit = engine.submit

        def watched(request: GenerationRequest) -> Generation:
            generation = submit(request)
            self.asked.put_nowait(generation)
            return generation

        engine.submit = watched  # type: ignore[method-assign]  # what goes through it is what is to be seen
        return self

    async def next(self) -> tuple[str, Usage]:
        """What the model was shown of the chat, pictures as `<>`, and what that took."""
        async with asyncio.timeout(PATIENCE):
            generation = await self.asked.get()
            result = await generation.result()
        turns = [turn for turn in generation.request.conversation.turns if turn.role == "user"]
        return "|".join("".join(_shown(part) for part in turn.parts) for turn in turns), result.usage

    @property
    def pictures(self) -> int:
        """How many are on the disk."""
        return len(list((self.folder / "memory_store" / "pictures").glob("*.jpg")))


def _shown(part: object) -> str:
    if isinstance(part, Text):
        return part.text
    assert isinstance(part, Picture)
    with Pillow.open(io.BytesIO(part.data)) as image:
        return f"<{image.width}x{image.height}>"


@pytest.fixture
async def bot(tmp_path: Path, qwen_tokenizer_folder: Path) -> AsyncIterator[Watched]:
    """A running bot whose tiny model is being loaded: what is said now is seen too."""
    make_tiny_vl(tmp_path / "model", qwen_tokenizer_folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "config.toml").write_text(CONFIG.format(port=port), encoding="utf-8")
    async with Watched(tmp_path / "config.toml") as running:
        yield running


async def test_a_picture_is_seen_quoted_remembered_and_recalled(bot: Watched, picture: bytes) -> None:
    """By the model of the chat where it was sent, until it is recalled there; another chat's never sees it."""
    async with OneBotClient(bot.url, 10000, bot.token) as napcat:

        async def tell(user: int, *segments: Segment) -> tuple[int, str, Usage]:
            event: dict[str, Any] = napcat.private_message(user, segments)
            await napcat.send_event(event)
            shown, usage = await bot.next()
            while (await asyncio.wait_for(napcat.next_call(), PATIENCE)).action != "send_private_msg":
                pass
            return event["message_id"], shown, usage

        sent = Image(file="a.png", url=f"base64://{base64.b64encode(picture).decode()}")
        number, shown, usage = await tell(1, sent, Words("what is it?"))
        assert shown == "<96x64>what is it?"
        _, shown, other = await tell(2, Words("what is it?"))
        assert shown == "what is it?"
        assert usage.prompt_tokens == other.prompt_tokens + TOKENS + 2  # where vision starts and ends
        _, shown, _ = await tell(1, Reply(str(number)), Words("this?"))
        assert shown.startswith("<96x64>what is it?|<96x64>（回复 1：")
        _, shown, _ = await tell(1, Words("and now?"))
        assert shown.count("<96x64>") == 2
        assert bot.pictures == 1
        recall = {"post_type": "notice", "notice_type": "friend_recall", "user_id": 1, "message_id": number}
        await napcat.send_event({"time": 2, "self_id": 10000, **recall})
        _, shown, _ = await tell(2, Reply(str(number)), Words("show me"))
        assert "<" not in shown
        _, shown, _ = await tell(1, Words("gone?"))
        assert "<" not in shown
        assert bot.pictures == 0
