"""Personas, emotions and moods in running chats: what the model is told, what people get, what is on record."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from fakes import FakeClock, ScriptedEngine, answer, until
from world import World

from onebot_bot.characters.cast import Cast
from onebot_bot.characters.library import Library
from onebot_bot.chat.router import ChatRouter
from onebot_bot.engine.request import FinishReason, Generation, GenerationResult, Text
from onebot_bot.memory.branches import Branch
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import History
from onebot_bot.memory.moods import MoodStore
from onebot_bot.memory.persona_choices import PersonaChoices
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import Text as Words

ALICE, GROUP = ChatId(10000, "private", 1), ChatId(10000, "group", 77)
CAT = """+++
names = ["喵喵"]
[emotions]
"平静" = [0.0, 0.0]
"开心" = [0.8, 0.2]
+++
你是猫，在{{ group_name or "私聊" }}。

现在 {{ time }}。
"""


class Night:
    """A chat with a cat, at a time of day that the test says."""

    def __init__(self, world: World, cast: Cast, folder: Path) -> None:
        self.world = world
        self.cast = cast
        self.folder = folder
        self.hour = 23

    async def asked(self) -> Generation:
        """What the model is asked once the merge window is over."""
        await self.world.quiet()
        return await self.world.engine.next()

    async def answered(self, generation: Generation, text: str) -> str:
        """What is sent of an answer."""
        answer(generation, text)
        sent = await self.world.account.next()
        words: str = sent.message[-1].text
        return words

    async def concluded(self, chat: ChatId = ALICE) -> None:
        """Until no turn is open in the chat."""
        session = self.world.sessions[chat]
        await until(lambda: not (session._turn or session._pending))


@pytest.fixture
async def night(engine: ScriptedEngine, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Night]:
    """A running router whose default persona is the cat."""
    (tmp_path / "cat.md").write_text(CAT, encoding="utf-8")
    (tmp_path / "dog.md").write_text('+++\nnames = ["旺财"]\n[emotions]\n+++\n你是狗。', encoding="utf-8")
    library = Library(tmp_path)
    library.load()
    async with Database(tmp_path / "memory.sqlite3") as database:
        world = World(engine, clock, History(database))
        world.configure("bot", persona="cat")

        def report(kind: str, chat: ChatId | None, error: BaseException) -> None:
            world.report(kind, chat, error)

        cast = Cast(
            library, PersonaChoices(database), MoodStore(database), report,
            local=lambda: datetime(2026, 11, 21, made.hour, 5),  # noqa: DTZ001 - where people live
        )  # fmt: skip
        made = Night(world, cast, tmp_path)
        world.cast = cast
        async with ChatRouter(world.services(), world, world.accounts, world.sessions, world.fill_gap) as router:
            world.router = router
            yield made


def told(generation: Generation) -> list[str]:
    """What the model is told, turn by turn."""
    turns = generation.request.conversation.turns
    return ["".join(part.text for part in turn.parts if isinstance(part, Text)) for turn in turns]


async def test_a_tag_split_over_tokens_is_never_shown(night: Night) -> None:
    """It is stored with the answer's first message, and moves the mood, which the next prompt tells."""
    night.world.configure("chat", max_bubbles=2)
    night.world.say(night.world.private("hi"))
    generation = await night.asked()
    text = "[开心]今天天气真好，我们出去玩吧！" + "去公园看看花，晒晒太阳，再吃一点好吃的东西，好不好呀你说呢？" * 2
    for letter in text:
        generation.push(letter)
    generation.finish(GenerationResult(text=text, finish_reason=FinishReason.STOP))
    first, second = await night.world.account.next(), await night.world.account.next()
    assert "[" not in first.message[0].text + second.message[0].text
    await night.concluded()
    record = await night.world.history.recent(ALICE, 10)
    assert [(entry.role, entry.emotion) for entry in record] == [("user", ""), ("assistant", "开心"), ("assistant", "")]
    night.world.say(night.world.private("and?"))
    shown = told(await night.asked())
    assert shown[2].startswith("[开心]今天")
    assert shown[3] == "（此刻：现在 23:05。\n你现在的心情：有点开心。）\nand?"


async def test_a_prompt_of_the_chats_own_takes_the_personas_place(night: Night) -> None:
    """Word for word, for people wrote it; names and emotions stay the persona's."""
    night.world.branch = Branch(prompt="Say {{ time }}.")
    night.world.say(night.world.private("hi"))
    shown = told(await night.asked())
    assert shown[0].startswith("Say {{ time }}.\n")
    assert "开心" in shown[0]
    assert shown[1:] == ["hi"]


async def test_an_answer_without_a_tag_has_the_default(night: Night) -> None:
    """A tag that is not the persona's is dropped, and the words stay."""
    night.world.say(night.world.private("hi"))
    assert await night.answered(await night.asked(), "[骄傲]你好") == "你好"
    await night.concluded()
    assert [entry.emotion for entry in await night.world.history.recent(ALICE, 10)] == ["", "平静"]


@pytest.mark.parametrize("restart", [False, True])
async def test_another_emotion_makes_no_other_answer(night: Night, restart: bool) -> None:  # noqa: FBT001 - a case
    """The same words again are the same answer: the model is asked once more."""
    words = "我今天去了海边，捡到一只很大的贝壳。"
    night.world.say(night.world.private("one"))
    await night.answered(await night.asked(), f"[开心]{words}")
    await night.concluded()
    if restart:
        night.world.sessions[ALICE].answerer.allow_repeating()
    night.world.say(night.world.private("two"))
    answer(await night.asked(), f"[平静]{words}")
    assert await night.answered(await night.world.engine.next(), "[平静]后来呢？") == "后来呢？"


async def test_a_copied_speaker_does_not_hide_the_emotion(night: Night) -> None:
    """Whichever of the two comes first, neither is shown."""
    for text in ("[开心][小忆(10000)] 好", "[小忆(10000)] [开心]好"):
        night.world.say(night.world.group("小忆"))
        assert await night.answered(await night.asked(), text) == "好"
        await night.concluded(GROUP)
    assert [entry.emotion for entry in await night.world.history.recent(GROUP, 10) if entry.role == "assistant"] == [
        "开心",
        "开心",
    ]


async def test_tags_are_told_in_the_personas_language(night: Night) -> None:
    """`bot.persona` is but the name of its file."""
    night.world.configure("tags", mode="on")
    night.world.say(night.world.private("hi"))
    assert "回答里可以写下面这些标记" in told(await night.asked())[0]


async def test_the_prompt_stays_the_same_up_to_the_question(night: Night) -> None:
    """An hour later everything before the note is what it was: what has been read is not read again."""
    night.world.say(night.world.private("one"))
    first = await night.asked()
    await night.answered(first, "[平静]eins")
    await night.concluded()
    night.hour = 1
    night.world.say(night.world.private("two"))
    second = told(await night.asked())
    assert second[0] == told(first)[0]
    assert second[1:3] == ["one", "[平静]eins"]
    assert second[3] == "（此刻：现在 01:05。）\ntwo"


async def test_what_people_write_is_never_a_template(night: Night) -> None:
    """Messages, names of people and of groups keep their braces; so does what the model writes."""
    message = night.world.group("喵喵 {{ 7 * 7 }} {% raw %}", group_name="{{ 6 * 7 }}")
    sender = message.sender
    sender = type(sender)(user_id=1, nickname="{{ bot_id }}", card="{{ bot_id }}", role="member")
    night.world.say(type(message)(**{**{f: getattr(message, f) for f in message.__struct_fields__}, "sender": sender}))
    generation = await night.asked()
    shown = told(generation)
    assert "在{{ 6 * 7 }}。" in shown[0]
    assert shown[1].endswith("[{{ bot_id }}(1)] 喵喵 {{ 7 * 7 }} {% raw %}")
    assert await night.answered(generation, "[平静]{{ 7 * 7 }}") == "{{ 7 * 7 }}"


async def test_a_group_calls_the_persona_by_its_names(night: Night) -> None:
    """The persona's and the bot's; the model goes by the persona's alone."""
    await night.cast.choices.put(GROUP, 0, "dog")
    for called in ("旺财，来", "小忆，来"):
        night.world.say(night.world.group(called))
        generation = await night.asked()
        assert "旺财、10000" in told(generation)[0]
        assert told(generation)[0].startswith("你是狗。")
        await night.answered(generation, "汪")
        await night.concluded(GROUP)
    assert night.world.sessions[GROUP].busy is False


async def test_each_person_may_have_another_persona_in_a_group(night: Night) -> None:
    """Whoever is answered meets the one that they chose."""
    await night.cast.choices.put(GROUP, 2, "dog")
    night.world.say(night.world.group("小忆", user=1))
    first = await night.asked()
    await night.answered(first, "喵")
    await night.concluded(GROUP)
    night.world.say(night.world.group("小忆", user=2))
    second = await night.asked()
    assert (told(first)[0][:3], told(second)[0][:3]) == ("你是猫", "你是狗")


async def test_the_mood_towards_a_person_follows_what_was_felt(night: Night) -> None:
    """Others in the group are told of the mood in the group only."""
    for _ in range(2):
        night.world.say(night.world.group("小忆", user=1))
        await night.answered(await night.asked(), "[开心]喵")
        await night.concluded(GROUP)
    night.world.say(night.world.group("小忆", user=1))
    generation = await night.asked()
    assert "你现在的心情：很开心。\n你对card1：很开心。" in told(generation)[-1]
    await night.answered(generation, "喵")
    await night.concluded(GROUP)
    night.world.say(night.world.group("小忆", user=2))
    assert "你对" not in told(await night.asked())[-1]


async def test_an_answer_that_is_only_an_emotion_is_no_answer(night: Night) -> None:
    """Nothing is sent, and no mood moves."""
    night.world.say(night.world.private("hi"))
    answer(await night.asked(), "[开心]")
    await night.concluded()
    assert night.world.account.sent.empty()
    here, _ = await night.cast.moods(ALICE, 1, night.world.settings.character)
    assert here.emotion == ""


async def test_a_plain_prompt_is_told_as_before(night: Night) -> None:
    """Neither a note nor an emotion, and brackets are sent as they are."""
    night.world.configure("bot", persona="Be kind.")
    night.world.say(night.world.private("hi"))
    generation = await night.asked()
    assert told(generation) == ["Be kind.\nYou are talking with n1.", "hi"]
    answer(generation, "[开心]好")
    assert (await night.world.account.next()).message == (Words("[开心]好"),)
