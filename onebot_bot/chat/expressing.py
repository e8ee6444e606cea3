"""What one chat's answers may hold besides words: told to the model, read from what it wrote, made into messages."""

import random
from collections.abc import Callable

import msgspec

from onebot_bot.chat.composing import Draws, Piece, compose
from onebot_bot.chat.conversation import tongue
from onebot_bot.chat.reply import form_of
from onebot_bot.chat.settings import Settings
from onebot_bot.chat.stickers import Stickers
from onebot_bot.chat.tags import Person, Scene, Tagged, defused, guide, read_tags, segments_in, untagged, written
from onebot_bot.chat.turn import Turn
from onebot_bot.engine.request import Conversation, EngineStatus, Text
from onebot_bot.engine.request import Turn as Said
from onebot_bot.memory.history import History
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.sections.chat import ChatConfig
from onebot_bot.sections.sending import RenderConfig
from onebot_bot.sections.tags import TagKind, TagsConfig

CAPABLE = 1_000_000_000
"""Parameters from which a model keeps to a syntax that it was only told of."""
IN_GROUPS: frozenset[TagKind] = frozenset({"at", "react"})


class Expressions:
    """One chat's."""

    def __init__(
        self,
        chat: ChatId,
        history: History,
        stickers: Stickers | None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._draw = draw  # evenly from 0 to 1
        self._chat = chat
        self._history = history
        self._stickers = stickers

    async def tell(self, conversation: Conversation, settings: Settings, status: EngineStatus) -> Conversation:
        """The conversation with the model told of its tags, and with people's words fit to be repeated by it."""
        kinds = self._kinds(settings.tags, status)
        if not kinds:
            return conversation
        names = {"face": tuple(settings.tags.faces), "sticker": tuple(await self._names(kinds))}
        return told(conversation, guide(tongue(settings.bot), kinds, settings.tags.per_answer, names))

    async def read(self, said: str, turn: Turn, settings: Settings, status: EngineStatus, emotion: str = "") -> Tagged:
        """What the model wrote with its tags understood; as it is where it may use none.

        Where it felt something and chose no sticker, it may get one of that name.
        """
        kinds = self._kinds(settings.tags, status)
        if not kinds:
            return untagged(said)
        asked = turn.items[-1].entry
        names = frozenset(await self._names(kinds) if "[" in said or emotion else ())
        scene = Scene(
            account=self._chat.account,
            group=self._chat.peer if self._chat.kind == "group" else 0,
            kinds=kinds,
            limit=settings.tags.per_answer,
            answered=Person(asked.user_id, asked.name, asked.message_id),
            people=await self._people() if "[" in said else (),
            stickers=names,
            recalled=turn.recalled,
        )
        tagged, felt = read_tags(said, scene), emotion.casefold()
        if tagged.sticker is not None or felt not in names or self._draw() >= settings.tags.emotion_stickers:
            return tagged
        return msgspec.structs.replace(tagged, sticker=(f"[表情包:{emotion}]", felt))

    async def pieces(
        self, tagged: Tagged, chat: ChatConfig, render: RenderConfig, painter: Draws | None
    ) -> list[Piece]:
        """What goes out, in order: gestures, the words, a sticker."""
        bubbles = form_of(tagged.text, render) == "bubbles"
        made = await compose(tagged.text if bubbles else tagged.bare, chat, render, painter)
        spoken = [_dressed(piece, tagged) for piece in made]
        if tagged.sticker is not None and self._stickers is not None:
            tag, name = tagged.sticker
            picture = await self._stickers.read(name)
            spoken += [Piece(tag, picture=picture, sticker=name)] if picture else []
        if spoken and tagged.quoted is not None:
            spoken[0] = msgspec.structs.replace(spoken[0], quoted=tagged.quoted)
        return [*(Piece(gesture.written, gesture=gesture.action) for gesture in tagged.gestures), *spoken]

    def _kinds(self, config: TagsConfig, status: EngineStatus) -> frozenset[TagKind]:
        capable = config.mode == "on" or (config.mode == "auto" and status.parameters >= CAPABLE)
        kinds = frozenset(config.kinds if capable else ())
        return kinds if self._chat.kind == "group" else kinds - IN_GROUPS

    async def _names(self, kinds: frozenset[TagKind]) -> list[str]:
        return await self._stickers.names() if self._stickers is not None and "sticker" in kinds else []

    async def _people(self) -> tuple[Person, ...]:
        return tuple(Person(*row) for row in await self._history.speakers(self._chat))


def told(conversation: Conversation, words: str) -> Conversation:
    """The conversation with `words` at the end of its system turn; what looks like a tag of people's is none."""
    system = [turn for turn in conversation.turns if turn.role == "system"]
    before = (*system[0].parts, Text("\n")) if system else ()
    others = [_harmless(turn) for turn in conversation.turns if turn.role != "system"]
    turns = (Said("system", (*before, Text(words))), *others)
    return msgspec.structs.replace(conversation, turns=turns)


def _harmless(turn: Said) -> Said:
    if turn.role != "user":
        return turn
    parts = tuple(Text(defused(part.text)) if isinstance(part, Text) else part for part in turn.parts)
    return Said(turn.role, parts)


def _dressed(piece: Piece, tagged: Tagged) -> Piece:
    """A piece of the text with its tags as segments; on record they stay as the model wrote them."""
    parts = segments_in(piece.text, tagged)
    return msgspec.structs.replace(piece, text=written(piece.text, tagged), parts=parts) if parts else piece
