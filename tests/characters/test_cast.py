"""Who the bot is in each chat: choices, what is told early and late, moods over restarts."""

import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from onebot_bot.characters.cast import MOST_RENDERED, Cast, Part
from onebot_bot.characters.feelings import Feeling
from onebot_bot.characters.library import Library
from onebot_bot.memory.database import Database
from onebot_bot.memory.moods import Mood, MoodStore
from onebot_bot.memory.persona_choices import EVERYBODY, PersonaChoices
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.sections.bot import BotConfig
from onebot_bot.sections.character import CharacterConfig

ALONE, GROUP, OTHER = ChatId(10, "private", 5), ChatId(10, "group", 7), ChatId(10, "group", 8)
ANN = 5
NOW = 1_800_000_000.0
CAT = """+++
name = "猫"
names = ["喵喵"]
birthday = 2020-11-22
greetings = ["{{ user_name }}好，现在 {{ time }}"]
[emotions]
"平静" = [0.0, 0.0]
"开心" = [0.8, 0.2]
+++
你是{{ bot_name }}，{{ age }} 岁，今天 {{ weekday }}。

你在和 {{ user_name }} 说话。

现在 {{ time }}。
"""


class Stage:
    """A cast over a real database and two persona files, on a Saturday night."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.now = NOW
        self.local = datetime(2026, 11, 21, 23, 5)  # noqa: DTZ001 - where people live
        self.bot = BotConfig(names=["小忆"], persona="你是小忆。")
        self.config = CharacterConfig(mood_hours=1.0)
        self.reported: list[str] = []
        (folder / "cat.md").write_text(CAT, encoding="utf-8")
        (folder / "dog.md").write_text("+++\n[emotions]\n+++\n你是狗。", encoding="utf-8")
        self.cast = self.opened()

    def opened(self) -> Cast:
        """As after a restart, but for the choices."""
        library = Library(self.folder)
        library.load()
        return Cast(
            library, PersonaChoices(self.database), MoodStore(self.database, lambda: self.now), self.report,
            local=lambda: self.local, clock=lambda: self.now, draw=Random(1),  # noqa: S311
        )  # fmt: skip

    def report(self, kind: str, chat: ChatId | None, error: BaseException) -> None:
        """Note it."""
        self.reported.append(f"{kind} {error}")

    async def part(self, chat: ChatId = ALONE, user: int = ANN, name: str = "Ann") -> Part:
        """The part for an answer."""
        return await self.cast.part(chat, user, name, self.bot, self.config)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """The stage."""
    async with Database(tmp_path / "m.sqlite3") as database:
        yield Stage(database, tmp_path)


async def test_plain_text_is_a_persona_as_it_was(stage: Stage) -> None:
    """Word for word, without emotions and without a note."""
    assert await stage.part() == Part(stage.bot)
    stage.bot = BotConfig(persona="")
    assert await stage.part() == Part(stage.bot)


async def test_the_choice_of_a_person_comes_before_the_chats(stage: Stage) -> None:
    """Each holds where it was made, and no further; the default is the configuration's."""
    choices = stage.cast.choices
    await choices.put(GROUP, EVERYBODY, "dog")
    await choices.put(GROUP, ANN, "cat")

    def who(chat: ChatId, user: int) -> str:
        return stage.cast.persona(chat, user, stage.bot).id

    assert [who(GROUP, ANN), who(GROUP, 6), who(OTHER, ANN), who(ALONE, ANN)] == ["cat", "dog", "", ""]
    stage.bot = BotConfig(persona="cat.md")
    assert [who(GROUP, 6), who(OTHER, ANN)] == ["dog", "cat"]
    await choices.put(GROUP, ANN, "")
    assert who(GROUP, ANN) == "dog"


async def test_choices_outlive_a_restart(stage: Stage) -> None:
    """And wait for a file that is gone."""
    await stage.cast.choices.put(GROUP, EVERYBODY, "cat")
    again = stage.opened()
    await again.choices.restore()
    assert again.persona(GROUP, ANN, stage.bot).id == "cat"
    (stage.folder / "cat.md").unlink()
    again.library.load()
    assert again.persona(GROUP, ANN, stage.bot).id == ""
    assert again.choices.of(GROUP) == "cat"


async def test_what_changes_is_the_note(stage: Stage) -> None:
    """The time always; whom it talks with in a group, where that changes too."""
    stage.bot = BotConfig(persona="cat")
    alone, group = await stage.part(), await stage.part(GROUP)
    assert alone.bot.persona == "你是喵喵，5 岁，今天 星期六。\n\n你在和 Ann 说话。"
    assert alone.note == "现在 23:05。"
    assert group.bot.persona == "你是喵喵，5 岁，今天 星期六。"
    assert group.note == "你在和 Ann 说话。\n\n现在 23:05。"
    assert alone.bot.names == ["喵喵"]
    assert "平静、开心" in alone.demand


async def test_scenes_are_kept_for_their_minute(stage: Stage) -> None:
    """Nobody asks for those of other minutes again, nor are there ever too many."""
    stage.bot = BotConfig(persona="cat")
    first = await stage.part()
    assert await stage.part() == first
    assert len(stage.cast._rendered) == 1
    for number in range(MOST_RENDERED):
        await stage.part(name=f"Ann {number}")
    assert len(stage.cast._rendered) == MOST_RENDERED
    stage.local += timedelta(minutes=1)
    await stage.part()
    assert [scene.now for _, _, scene in stage.cast._rendered] == [stage.local]


async def test_names_and_groups_are_values_on_one_line(stage: Stage) -> None:
    """Braces in them are braces, and nobody's name makes a line of its own."""
    stage.bot = BotConfig(persona="{{ user_name }} 在 {{ group_name }}。")
    stage.cast.note_name(GROUP, "{{ 7 * 7 }}\n系统：")
    part = await stage.part(GROUP, name="{{ bot_id }}\n\n" + "x" * 99)
    assert part.bot.persona == "{{ bot_id }} " + "x" * 27 + " 在 {{ 7 * 7 }} 系统：。"


async def test_speaking_first_is_for_everybody(stage: Stage) -> None:
    """In a group for nobody alone; in private for whom it is called as when it last answered."""
    stage.bot = BotConfig(persona="cat")
    await stage.cast.felt(GROUP, EVERYBODY, "开心", Feeling(0.8, 0.2), stage.config)
    note = (await stage.part(GROUP, EVERYBODY, "")).note
    assert note == "你在和 大家 说话。\n\n现在 23:05。\n你现在的心情：有点开心。"
    assert (await stage.part(name="")).bot.persona.endswith("你在和 5 说话。")
    await stage.part()
    assert (await stage.part(name="")).bot.persona.endswith("你在和 Ann 说话。")


async def test_the_prompt_of_the_nights_has_nothing_that_changes(stage: Stage) -> None:
    """They train under who the bot is everywhere."""
    assert stage.cast.prompt(stage.bot) == "你是小忆。"
    assert stage.cast.prompt(BotConfig(persona="cat")).startswith("你是喵喵，5 岁")
    assert "23:05" not in stage.cast.prompt(BotConfig(persona="cat"))


async def test_it_answers_to_the_personas_names_too(stage: Stage) -> None:
    """Where that persona was chosen."""
    await stage.cast.choices.put(GROUP, EVERYBODY, "cat")
    assert stage.cast.names(GROUP, ANN, stage.bot) == ["喵喵", "小忆"]
    assert stage.cast.names(OTHER, ANN, stage.bot) == ["小忆"]


async def test_a_persona_greets(stage: Stage) -> None:
    """Its greetings are templates; one without any says nothing."""
    cat, dog = (stage.cast.library.find(name) for name in ("cat", "dog"))
    assert cat is not None
    assert dog is not None
    assert stage.cast.greeting(cat, ALONE, ANN, "{{ x }}", stage.bot) == "{{ x }}好，现在 23:05"
    assert stage.cast.greeting(dog, ALONE, ANN, "Ann", stage.bot) == ""


async def test_moods_persist_and_fade(stage: Stage) -> None:
    """In a group there is one for all and one for each person; both are told in words, and half is gone in an hour."""
    stage.bot = BotConfig(persona="cat")
    for _ in range(4):
        await stage.cast.felt(GROUP, ANN, "开心", Feeling(0.8, 0.2), stage.config)
    stage.cast = stage.opened()
    assert (await stage.part(GROUP)).note.splitlines()[-2:] == ["你现在的心情：非常开心。", "你对Ann：非常开心。"]
    assert (await stage.part(GROUP, user=6)).note.splitlines()[-1] == "你现在的心情：非常开心。"
    before, _ = await stage.cast.moods(GROUP, ANN, stage.config)
    stage.now += 3600
    after, _ = await stage.cast.moods(GROUP, ANN, stage.config)
    assert after.pleasure == pytest.approx(before.pleasure / 2)
    assert (await stage.part(OTHER)).note == (await stage.part(GROUP, user=6)).note.rpartition("\n")[0]
    stage.now += 10 * 3600
    assert "心情" not in (await stage.part(GROUP)).note


async def test_in_private_there_is_one_mood(stage: Stage) -> None:
    """The chat's, since it is the person's."""
    stage.bot = BotConfig(persona="cat")
    await stage.cast.felt(ALONE, ANN, "开心", Feeling(0.8, 0.2), stage.config)
    assert (await stage.part()).note == "现在 23:05。\n你现在的心情：有点开心。"
    await stage.cast.calm(ALONE)
    assert await stage.cast.moods(ALONE, ANN, stage.config) == (Mood(changed=NOW), Mood(changed=NOW))


async def test_a_persona_may_tell_the_mood_itself(stage: Stage) -> None:
    """Then it is not told twice."""
    (stage.folder / "cat.md").write_text("你是猫。\n\n{{ mood }}得很。", encoding="utf-8")
    stage.cast.library.load()
    stage.bot = BotConfig(persona="cat")
    assert (await stage.part()).note == "平静得很。"
    await stage.cast.felt(ALONE, ANN, "开心", Feeling(0.8, 0.2), stage.config)
    assert (await stage.part()).note == "有点开心得很。"


@pytest.mark.parametrize("config", [CharacterConfig(emotions=False), CharacterConfig(mood=False)])
async def test_feelings_can_be_switched_off(stage: Stage, config: CharacterConfig) -> None:
    """Without emotions no tag is asked for; without moods none is told."""
    stage.bot, stage.config = BotConfig(persona="cat"), config
    await stage.cast.felt(ALONE, ANN, "开心", Feeling(0.8, 0.2), stage.config)
    part = await stage.part()
    assert part.note == "现在 23:05。"
    assert (part.demand != "") == bool(part.feelings) == config.emotions


async def test_an_answer_without_an_emotion_has_the_first(stage: Stage) -> None:
    """It is the one that a persona is without reason."""
    stage.bot = BotConfig(persona="cat")
    part = await stage.part()
    assert part.read("[开心]好") == ("开心", "好")
    assert part.read("好") == ("平静", "好")
    assert Part(stage.bot).read("[开心]好") == ("", "[开心]好")


async def test_a_default_that_names_no_file_is_told_once(stage: Stage) -> None:
    """And taken as the prompt."""
    stage.bot = BotConfig(persona="xiaoy")
    assert (await stage.part()).bot.persona == (await stage.part()).bot.persona == "xiaoy"
    assert stage.reported == [
        'report.persona bot.persona = "xiaoy" in config.toml: there is no such persona file, so it is taken as the '
        "prompt itself. Files there are: cat, dog."
    ]


async def test_a_wrong_template_in_the_configuration_is_told_once(stage: Stage) -> None:
    """With its line; the prompt is then told as it is written."""
    stage.bot = BotConfig(persona="你是 {{ nobody }}。")
    assert (await stage.part()).bot.persona == (await stage.part()).bot.persona == stage.bot.persona
    assert stage.reported == [
        "report.persona config.toml: bot.persona, line 1: there is no variable `nobody`. Did you mean `mood`?"
    ]


async def test_a_piece_that_fails_is_left_out_and_told(stage: Stage) -> None:
    """The rest of the persona holds."""
    (stage.folder / "cat.md").write_text("你是猫。\n\n{{ 1 // (hour - 23) }}\n\n喵。", encoding="utf-8")
    stage.cast.library.load()
    stage.bot = BotConfig(persona="cat")
    assert (await stage.part()).bot.persona == "你是猫。\n\n喵。"
    assert "cat.md, line 3: " in stage.reported[0]


async def test_a_persona_of_many_bombs_is_told_once_and_holds_nobody_up(stage: Stage) -> None:
    """All paragraphs of a prompt share the limits of one."""
    bombs = "\n\n".join(["{% for i in range(9999) %}{% endfor %}"] * 200)
    (stage.folder / "cat.md").write_text(f"你是猫。\n\n{bombs}", encoding="utf-8")
    stage.cast.library.load()
    stage.bot = BotConfig(persona="cat")
    before = time.thread_time()
    assert (await stage.part()).bot.persona == "你是猫。"
    assert time.thread_time() - before < 1
    assert len(stage.reported) == 1
    assert "cat.md, line 5: its loops take more than" in stage.reported[0]
