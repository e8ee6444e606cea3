"""From what is spoken to the pieces that go out: messages, one picture, or one bundle of forwarded messages."""

import base64
from typing import Protocol

import msgspec
import structlog
from msgspec import Struct

from onebot_bot.chat.reply import form_of, split_bundle, split_reply
from onebot_bot.chat.tags import plainly
from onebot_bot.errors import RenderError
from onebot_bot.protocol.actions import Action
from onebot_bot.protocol.segments import Image, Reply, Segment, Text
from onebot_bot.rendering.themes import ThemeName
from onebot_bot.sections.chat import ChatConfig
from onebot_bot.sections.sending import RenderConfig

log = structlog.get_logger(__name__)


class Draws(Protocol):
    """What draws pictures of texts."""

    async def paint(self, markdown: str, theme: ThemeName, timeout: float) -> bytes:  # noqa: ASYNC109 - of the drawing
        """A PNG; raises RenderError when there is none."""


class Piece(Struct, frozen=True):
    """One message that goes out: plain words, unless there is a picture of them or a bundle made of them."""

    text: str
    """What goes on record, and what the model sees later."""
    picture: bytes = b""
    """PNG, or a sticker of any format."""
    bundle: tuple[str, ...] = ()
    sticker: str = ""
    """The name of the sticker that `picture` is; empty: it is none."""
    parts: tuple[Segment, ...] = ()
    """The words with what stands among them; empty: words alone."""
    gesture: Action | None = None
    """It is no message but this."""
    quoted: int | None = None
    """The message that it quotes, where the model said which."""


def segments_of(piece: Piece, quoted: int | None) -> tuple[Segment, ...]:
    """What a piece is on the wire, unless it is a bundle; with a quote of the message that it answers."""
    quote = (Reply(str(quoted)),) if quoted is not None else ()
    if piece.picture:
        data = f"base64://{base64.b64encode(piece.picture).decode()}"
        label = f"[{piece.sticker}]" if piece.sticker else ""
        return (*quote, Image(file=data, summary=label, sub_type=1 if piece.sticker else 0))
    return (*quote, *(piece.parts or (Text(piece.text),)))


def plain_segments_of(piece: Piece, quoted: int | None) -> tuple[Segment, ...]:
    """What to send where QQ refuses the piece for what stands among its words; empty when nothing does."""
    return segments_of(msgspec.structs.replace(piece, parts=plainly(piece.parts)), quoted) if piece.parts else ()


async def compose(said: str, chat: ChatConfig, render: RenderConfig, painter: Draws | None) -> list[Piece]:
    """The pieces of an answer, in order; what cannot be drawn is sent as words."""
    form = form_of(said, render)
    if form == "bundle":
        return [Piece(said, bundle=tuple(split_bundle(said)))]
    if form == "picture" and painter is not None:
        try:
            return [Piece(said, picture=await painter.paint(said, render.theme, render.timeout))]
        except RenderError as error:
            log.warning("An answer is sent as text, not as a picture.", cause=str(error))
    return [Piece(text) for text in split_reply(said, chat.max_bubbles)]
