"""What goes out: messages, a picture, or a bundle."""

import pytest

from onebot_bot.chat.composing import Piece, compose
from onebot_bot.errors import RenderError
from onebot_bot.sections.chat import ChatConfig
from onebot_bot.sections.sending import RenderConfig

TABLE = "| a | b |\n|---|---|\n| 1 | 2 |"
CHAT, PINK = ChatConfig(), RenderConfig(theme="pink")


class Drawn:
    """Draws what a test says, or refuses."""

    def __init__(self, refusal: RenderError | None = None) -> None:
        self.asked: list[tuple[str, str, float]] = []
        self.refusal = refusal

    async def paint(self, markdown: str, theme: str, timeout: float) -> bytes:  # noqa: ASYNC109 - the real one's
        """Note it."""
        self.asked.append((markdown, theme, timeout))
        if self.refusal is not None:
            raise self.refusal
        return b"PNG"


async def test_a_table_is_drawn_with_the_theme() -> None:
    """And stays on record as it was written."""
    painter = Drawn()
    assert await compose(TABLE, CHAT, PINK, painter) == [Piece(TABLE, picture=b"PNG")]
    assert painter.asked == [(TABLE, "pink", 20.0)]


async def test_what_cannot_be_drawn_is_sent_as_words() -> None:
    """Nothing of the answer is lost."""
    assert await compose(TABLE, CHAT, PINK, Drawn(RenderError("no font"))) == [Piece(TABLE)]


async def test_talk_is_not_drawn() -> None:
    """It is split into messages as ever."""
    painter = Drawn()
    assert await compose("Hello! How are you?", CHAT, PINK, painter) == [Piece("Hello! How are you?")]
    assert painter.asked == []


@pytest.mark.parametrize("said", ["很长。" * 1000, TABLE * 200])
async def test_what_is_too_long_for_a_picture_is_a_bundle(said: str) -> None:
    """All of it, in one piece, also where pictures are switched off."""
    for render in (PINK, RenderConfig(enabled=False)):
        (piece,) = await compose(said, CHAT, render, Drawn())
        assert (piece.text, piece.picture) == (said, b"")
        assert "".join("".join(piece.bundle).split()) == "".join(said.split())
        assert len(piece.bundle) > 1
