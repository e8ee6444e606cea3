"""/persona and /mood."""

import msgspec
import pytest
from commands.desk import ADMIN, ANYONE, GROUP, OWNER, Room

from onebot_bot.characters.feelings import Feeling
from onebot_bot.memory.persona_choices import EVERYBODY
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.texts import say

HERE, ALONE = ChatId(10000, "group", GROUP), ChatId(10000, "private", ANYONE)


def default(room: Room, persona: str) -> None:
    """Let config.toml name a persona."""
    bot = msgspec.structs.replace(room.desk.config.bot, persona=persona)
    room.desk.config = msgspec.structs.replace(room.desk.config, bot=bot)


async def test_personas_are_listed_with_the_one_in_force(room: Room) -> None:
    """Also by the command alone, and in Chinese."""
    default(room, "shenyan")
    for text in ("/persona", "/persona list", "/人设 列表"):
        lines = (await room.type(text, ANYONE)).splitlines()
        assert lines[0] == say("zh", "persona.now", name="沈砚", by=say("zh", "persona.by.default"))
        assert [line[:2] for line in lines[2:]] == ["· ", "▶ ", "· "]


async def test_everybody_chooses_in_private(room: Room) -> None:
    """By file or by name; it greets, and holds in this chat alone."""
    first, greeting = (await room.type("/persona use 糯糯", ANYONE)).split("\n", 1)
    assert first == say("zh", "persona.used", name="糯糯")
    assert "糯糯" in greeting or "喵" in greeting
    assert room.desk.cast.choices.of(ALONE) == "nuonuo"
    assert room.desk.cast.choices.of(ChatId(10000, "private", OWNER)) == ""
    assert "这里选的" in await room.type("/persona show", ANYONE)


async def test_a_choice_is_taken_back(room: Room) -> None:
    """To what config.toml says."""
    await room.type("/persona use nuonuo", ANYONE)
    assert await room.type("/persona reset", ANYONE) == say("zh", "persona.reset", name="小忆")
    assert room.desk.cast.choices.of(ALONE) == ""


async def test_in_a_group_its_admins_choose_for_all(room: Room) -> None:
    """Members are told whom to ask, and how to choose for themselves."""
    for verb in ("use nuonuo", "reset"):
        assert await room.type(f"/persona {verb}", ANYONE, GROUP) == say("zh", "persona.admins", prefix="/", verb=verb)
    assert room.desk.cast.choices.of(HERE) == ""
    assert "糯糯" in await room.type("/persona use nuonuo", ADMIN, GROUP)
    assert room.desk.cast.choices.of(HERE, EVERYBODY) == "nuonuo"
    assert "本群选的" in await room.type("/persona", ANYONE, GROUP)


async def test_members_choose_for_themselves(room: Room) -> None:
    """What the bot is to others stays as it is."""
    for text in ("/persona use 沈砚 me", "/人设 用 沈砚 我"):
        answer = await room.type(text, ANYONE, GROUP)
        assert answer.splitlines()[0] == say("zh", "persona.used_me", name="沈砚")
        assert (room.desk.cast.choices.of(HERE, ANYONE), room.desk.cast.choices.of(HERE)) == ("shenyan", "")
        assert "你自己选的" in await room.type("/persona", ANYONE, GROUP)
        await room.type("/persona reset me", ANYONE, GROUP)
        assert room.desk.cast.choices.of(HERE, ANYONE) == ""


async def test_the_prompt_is_shown_to_the_owner_in_private(room: Room) -> None:
    """Everybody else sees who it is, not how it is told."""
    secret = "记得别人随口说过什么"
    assert secret in await room.type("/persona show xiaoyi", OWNER)
    for shown in (await room.type("/persona show xiaoyi", ANYONE), await room.type("/persona show 小忆", OWNER, GROUP)):
        assert secret not in shown
        assert "平静、开心" in shown
        assert "小忆、忆忆" in shown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/persona dance", "用法"),
        ("/persona use", "用法"),
        ("/persona reset now", "用法"),
        ("/persona use nuonou", "是不是 nuonuo"),
        ("/persona use zzzzzzzz", "/persona list"),
        ("/persona show zzzzzzzz", "/persona list"),
        ("/persona use me", "没有“me”"),
        ("/mood sing", "用法"),
    ],
)
async def test_mistakes_are_told(room: Room, text: str, told: str) -> None:
    """And choose nothing."""
    assert told in await room.type(text, ANYONE)
    assert room.desk.cast.choices.of(ALONE) == ""


async def test_without_files_it_says_where_they_go(room: Room) -> None:
    """A folder that was emptied."""
    room.desk.cast.library._files.clear()
    assert "personas/" in await room.type("/persona")


async def test_a_plain_prompt_has_no_mood(room: Room) -> None:
    """And says why."""
    assert await room.type("/mood") == say("zh", "mood.off")


async def test_the_mood_is_shown_and_calmed(room: Room) -> None:
    """In a group also the one towards the asker, which is theirs to calm; the group's is the admins'."""
    default(room, "xiaoyi")
    config = room.desk.config.character
    for _ in range(3):
        await room.desk.cast.felt(HERE, ANYONE, "开心", Feeling(0.7, 0.2), config)
    lines = (await room.type("/心情", ANYONE, GROUP)).splitlines()
    assert lines == [
        "现在很开心（愉快 +0.51，精神 +0.15）。",
        "对你很开心（愉快 +0.51，精神 +0.15）。",
        "上一次：开心。",
    ]
    await room.type("/mood reset", ANYONE, GROUP)
    lines = (await room.type("/mood", ANYONE, GROUP)).splitlines()
    assert [line[:4] for line in lines] == ["现在很开", "对你平静", "上一次："]
    assert await room.type("/心情 重置", ADMIN, GROUP) == say("zh", "mood.calmed")
    assert (await room.type("/mood", ANYONE, GROUP)).startswith("现在平静")
