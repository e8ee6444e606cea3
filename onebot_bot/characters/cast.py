"""Who the bot is in each chat, and in what mood: personas as they were chosen, rendered for one answer."""

import asyncio
import random
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from onebot_bot.characters.feelings import Feeling, faded, in_words, moved, take_emotion
from onebot_bot.characters.library import SHIPPED, Library
from onebot_bot.characters.persona import CHANCE, CHANGING, PERSONAL, Persona, later, plain_persona, told
from onebot_bot.characters.scene import Scene, one_line, variables
from onebot_bot.characters.templates import Budget, Template
from onebot_bot.errors import PersonaError
from onebot_bot.memory.database import Database
from onebot_bot.memory.moods import EVERYBODY, Mood, MoodStore
from onebot_bot.memory.persona_choices import PersonaChoices
from onebot_bot.protocol.chat_id import ChatId, ChatKind
from onebot_bot.sections.bot import BotConfig
from onebot_bot.sections.character import CharacterConfig
from onebot_bot.texts import Language, say

MOST_RENDERED = 128
"""Prompts that are remembered, the latest: they are the same for a person all minute."""
MOST_NAMES = 4096
"""Groups and private partners whose names are remembered, the latest."""
HOUR = 3600.0
_LIKE_A_FILE = re.compile(r"[A-Za-z0-9_-]{1,64}|\S{1,64}\.md")
"""A `bot.persona` that can only be meant as the name of a file."""


class Part(Struct, frozen=True):
    """The part that the bot plays in one answer."""

    bot: BotConfig
    """With the prompt in place of `persona`, and the names that the persona goes by."""
    demand: str = ""
    """How to tell an emotion: the last line of the system's turn."""
    note: str = ""
    """What changes from answer to answer: told last, right before what is to be answered."""
    feelings: Mapping[str, Feeling] = {}
    """The emotions that the answer may begin with; empty: none is told."""

    def prompted(self, prompt: str) -> "Part":
        """With the chat's own prompt in place of what the persona tells; word for word, for people wrote it."""
        return msgspec.structs.replace(self, bot=msgspec.structs.replace(self.bot, persona=prompt), note="")

    def read(self, said: str, spared: Collection[str] = ()) -> tuple[str, str]:
        """The emotion of an answer, the first there is where none is told, and what is said.

        `spared`: what may stand in brackets where an emotion is missing, and is none.
        """
        emotion, words = take_emotion(said, self.feelings, spared)
        return emotion or next(iter(self.feelings), ""), words


Report = Callable[[str, ChatId | None, BaseException], object]
"""Tells the owner what went wrong: the text's key, where, and why."""


class Cast:
    """Who the bot is in each chat."""

    def __init__(  # noqa: PLR0913 - the files, two stores, whom to tell, two clocks, chance
        self,
        library: Library,
        choices: PersonaChoices,
        moods: MoodStore,
        report: Report,
        *,
        local: Callable[[], datetime] = datetime.now,
        clock: Callable[[], float] = time.time,
        draw: random.Random | None = None,
    ) -> None:
        self.library = library
        self.choices = choices
        self._moods = moods
        self._report = report
        self._local = local  # where people live
        self._clock = clock  # unix seconds
        self._draw = draw or random.Random()  # noqa: S311 - no secret
        self._called: OrderedDict[ChatId, str] = OrderedDict()
        self._plain: tuple[str, Persona] | None = None
        """The persona that `bot.persona` is the text of."""
        self._rendered: OrderedDict[tuple[int, ChatKind, Scene], tuple[Persona, tuple[str, str]]] = OrderedDict()
        """By identity, which is why each is held on to."""

    async def watch(self) -> None:
        """Apply every saved persona file for good; of a broken one the last good one stays, and the owner hears why."""
        async for error in self.library.watch():
            self._report("report.persona", None, error)

    # --- who -------------------------------------------------------------------------------------------------------

    def persona(self, chat: ChatId, user: int, bot: BotConfig) -> Persona:
        """Who the bot is to a person there: what they chose, else what the chat did, else `bot.persona`.

        A choice whose file is gone counts for nothing until it is back.
        """
        for who in (user, EVERYBODY):
            chosen = self.choices.of(chat, who)
            if chosen and (found := self.library.find(chosen)) is not None:
                return found
        return self.default(bot)

    def default(self, bot: BotConfig) -> Persona:
        """The persona of `bot.persona`: the file that it names, or the text that it is."""
        text = bot.persona.strip()
        if len(text) <= 64 and (found := self.library.find(text)) is not None:
            return found
        if self._plain is None or self._plain[0] != text:
            self._plain = (text, self._plainly(text))
        return self._plain[1]

    def _plainly(self, text: str) -> Persona:
        if _LIKE_A_FILE.fullmatch(text):
            known = ", ".join(persona.id for persona in self.library.all())
            error = (
                f'bot.persona = "{text}" in config.toml: there is no such persona file, so it is taken as the prompt '
            )
            self._report("report.persona", None, PersonaError(f"{error}itself. Files there are: {known}."))
        try:
            return plain_persona(text, "config.toml: bot.persona")
        except PersonaError as error:
            self._report("report.persona", None, error)
            return Persona(id="", name="", prompt=(), source=text)

    def names(self, chat: ChatId, user: int, bot: BotConfig) -> list[str]:
        """What the bot answers to there."""
        return list(dict.fromkeys([*self.persona(chat, user, bot).names, *bot.names]))

    def note_name(self, chat: ChatId, name: str) -> None:
        """Remember what a group, or who one talks with in private, is called."""
        self._called[chat] = name
        self._called.move_to_end(chat)
        if len(self._called) > MOST_NAMES:
            self._called.popitem(last=False)

    # --- the part --------------------------------------------------------------------------------------------------

    async def part(self, chat: ChatId, user: int, user_name: str, bot: BotConfig, config: CharacterConfig) -> Part:
        """The part to play in an answer to that person; `EVERYBODY` where the bot speaks first in a group."""
        if chat.kind == "private":
            if user_name:
                self.note_name(chat, user_name)
            user_name = self._called.get(chat, "")
        persona = self.persona(chat, user, bot)
        feelings = persona.emotions if config.emotions else {}
        here, towards = await self.moods(chat, user, config) if feelings and config.mood else (Mood(), Mood())
        language = persona.language
        mood = in_words(here, language)
        scene = self._scene(chat, user, user_name, self._names(persona, bot), mood)
        prompt, note = self._render(persona, scene, chat)
        notes = [note]
        if mood and "mood" not in persona.uses:
            notes.append(say(language, "see.mood", mood=mood))
        if chat.kind == "group" and user != EVERYBODY and (attitude := in_words(towards, language)):
            notes.append(say(language, "see.mood_towards", name=one_line(user_name) or user, mood=attitude))
        played = msgspec.structs.replace(bot, persona=prompt, names=self._names(persona, bot))
        return Part(played, _demand(feelings, language), "\n".join(line for line in notes if line), feelings)

    def prompt(self, bot: BotConfig) -> str:
        """What the model is told of `bot.persona` wherever it is, without what changes: what the nights train under."""
        persona, nowhere = self.default(bot), ChatId(0, "private", 0)
        return self._render(persona, self._scene(nowhere, 0, "", self._names(persona, bot), ""), nowhere)[0]

    def greeting(self, persona: Persona, chat: ChatId, user: int, user_name: str, bot: BotConfig) -> str:
        """One of the persona's greetings; empty when it has none."""
        if not persona.greetings:
            return ""
        scene = self._scene(chat, user, user_name, self._names(persona, bot), "")
        values = variables(scene, persona, persona.language, self._draw)
        return self._texts([self._draw.choice(persona.greetings)], values, chat)[0].strip()

    def _names(self, persona: Persona, bot: BotConfig) -> list[str]:
        return list(persona.names) or bot.names

    def _scene(self, chat: ChatId, user: int, user_name: str, names: list[str], mood: str) -> Scene:
        group = (self._called.get(chat) or str(chat.peer)) if chat.kind == "group" else ""
        return Scene(
            now=self._local().replace(second=0, microsecond=0),
            bot_id=chat.account,
            bot_name=next(iter(names), str(chat.account)),
            user_id=user,
            user_name=user_name,
            group_name=group,
            mood=mood,
        )

    def _render(self, persona: Persona, scene: Scene, chat: ChatId) -> tuple[str, str]:
        """What stays the same, and what changes."""
        if not persona.prompt:
            return persona.source, ""
        key = id(persona), chat.kind, scene
        if (known := self._rendered.get(key)) is not None:
            self._rendered.move_to_end(key)
            return known[1]
        made = self._render_anew(persona, scene, chat)
        if persona.uses.isdisjoint(CHANCE):
            self._forget_scenes(scene.now)
            self._rendered[key] = persona, made
        return made

    def _forget_scenes(self, now: datetime) -> None:
        """Those of minutes that are over, and the oldest that there is no room for."""
        while self._rendered:
            _, _, oldest = next(iter(self._rendered))
            if len(self._rendered) < MOST_RENDERED and oldest.now == now:
                return
            self._rendered.popitem(last=False)

    def _render_anew(self, persona: Persona, scene: Scene, chat: ChatId) -> tuple[str, str]:
        values = variables(scene, persona, persona.language, self._draw)
        last = later(persona, CHANGING | PERSONAL if chat.kind == "group" else CHANGING)
        texts = self._texts([piece.template for piece in persona.prompt], values, chat)
        pairs = list(zip(persona.prompt, texts, strict=True))
        early = [pair for at, pair in enumerate(pairs) if at not in last]
        return told(early), told([pair for at, pair in enumerate(pairs) if at in last])

    def _texts(self, templates: Sequence[Template], values: Mapping[str, object], chat: ChatId) -> list[str]:
        """The text of each, under one budget. What fails is left out, and the first failure told: the rest holds."""
        budget = Budget()
        texts: list[str] = []
        errors: list[PersonaError] = []
        for template in templates:
            try:
                texts.append(template.render(values, budget))
            except PersonaError as error:
                errors.append(error)
                texts.append("")
        if errors:
            self._report("report.persona", chat, errors[0])
        return texts

    # --- moods -----------------------------------------------------------------------------------------------------

    async def moods(self, chat: ChatId, user: int, config: CharacterConfig) -> tuple[Mood, Mood]:
        """The mood in a chat, and the one towards a person there, as they are now."""
        now = self._clock()
        here, towards = await self._moods.of(chat, user)
        return faded(here, now, HOUR * config.mood_hours), faded(towards, now, HOUR * config.mood_hours)

    async def felt(self, chat: ChatId, user: int, emotion: str, feeling: Feeling, config: CharacterConfig) -> None:
        """Let what was felt in an answer move the mood in the chat, and in a group the one towards the person."""
        here, towards = await self.moods(chat, user, config)
        changed = {EVERYBODY: moved(here, emotion, feeling)}
        if chat.kind == "group" and user != EVERYBODY:
            changed[user] = moved(towards, emotion, feeling)
        await self._moods.put(chat, changed)

    async def calm(self, chat: ChatId, user: int = EVERYBODY) -> None:
        """Be neutral again in a chat, or towards one person there."""
        await self._moods.forget(chat, user)


async def open_cast(database: Database, folder: Path, report: Report, local: Callable[[], datetime]) -> Cast:
    """The shipped personas, above them those of `folder`, and who was chosen before this start.

    Raises:
        StoreError: the database could not be read.
    """
    library, choices, moods = Library(SHIPPED, folder), PersonaChoices(database), MoodStore(database)
    await choices.restore()
    await moods.prune()
    for error in await asyncio.to_thread(library.load):
        report("report.persona", None, error)
    return Cast(library, choices, moods, report, local=local)


def _demand(feelings: Mapping[str, Feeling], language: Language) -> str:
    """The line that asks for an emotion; empty when none is told."""
    if not feelings:
        return ""
    names = ("、" if language == "zh" else ", ").join(feelings)
    return say(language, "see.emotion", emotions=names, example=next(iter(feelings)))
