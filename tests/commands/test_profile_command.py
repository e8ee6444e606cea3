"""/profile: which model answers here, and how it stands; /status and /why name it."""

from pathlib import Path

import msgspec
import pytest
from commands.desk import ADMIN, ANYONE, GROUP, OWNER, Room

from onebot_bot.config import parse_config
from onebot_bot.engine.request import ProfileState
from onebot_bot.memory.chat_settings import ChatSettings
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.texts import say

HERE, PRIVATE = ChatId(10000, "group", GROUP), ChatId(10000, "private", ANYONE)
TWO = '[profiles.reason]\ntitle = "深思"\nthinking = true\n[profiles.small]\npath = "small"\n'
STATES = {"reason": ProfileState(state="main"), "small": ProfileState(state="absent")}


@pytest.fixture
def room(room: Room) -> Room:
    """With two profiles."""
    room.desk.config = parse_config(TWO, Path("config.toml"))
    stand(room, **STATES)
    return room


def stand(room: Room, **states: ProfileState) -> None:
    """How the profiles' models stand."""
    room.desk.engine = msgspec.structs.replace(room.desk.engine, profiles=states)


async def test_they_are_listed_with_what_they_are(room: Room) -> None:
    """The one that answers here is marked; everybody may look, also in a group."""
    lines = (await room.type("/profile", ANYONE, GROUP)).splitlines()
    assert lines[0] == "这里由 chat 来回答（默认）。"
    assert lines[1:-1] == [
        "▶ chat（主模型）",
        "· reason（深思）、用主模型、先思考再回答",
        "· small、用到时才加载",
    ]


async def test_why_a_model_failed_is_the_owners_to_read(room: Room) -> None:
    """The reason names folders of the machine."""
    stand(room, small=ProfileState(state="failed", error="/srv/small: no such model folder"))
    assert "/srv" in await room.type("/模型 列表", OWNER)
    told = await room.type("/模型", ANYONE)
    assert say("zh", "profile.state.failed") in told
    assert "/srv" not in told


async def test_without_profiles_it_says_how_to_add_one(room: Room) -> None:
    """There is only the main model."""
    room.desk.config = parse_config("", Path("config.toml"))
    assert await room.type("/profile", ANYONE) == say("zh", "profile.none")


async def test_everybody_chooses_in_private(room: Room) -> None:
    """For themselves alone; `reset` takes it back."""
    assert await room.type("/profile use reason", ANYONE) == say("zh", "profile.used", name="reason")
    assert room.desk.groups.of(PRIVATE) == ChatSettings(profile="reason")
    assert (await room.type("/profile", ANYONE)).startswith("这里由 reason 来回答（你选的）。")
    assert (await room.type("/profile", ADMIN)).startswith("这里由 chat 来回答（默认）。")
    assert await room.type("/档案 重置", ANYONE) == say("zh", "profile.reset", name="chat")
    assert room.desk.groups.of(PRIVATE) == ChatSettings()


async def test_its_admins_choose_for_a_group(room: Room) -> None:
    """Others are told whom to ask."""
    for text in ("/profile use reason", "/profile reset", "/profile reason"):
        assert await room.type(text, ANYONE, GROUP) == say("zh", "profile.admins")
    assert await room.type("/profile Reason", ADMIN, GROUP) == say("zh", "profile.used", name="reason")
    assert room.desk.groups.of(HERE).profile == "reason"
    assert "本群管理员选的" in await room.type("/profile list", ANYONE, GROUP)


@pytest.mark.parametrize("state", ["absent", "loading", "failed"])
async def test_who_has_to_wait_is_told(room: Room, state: str) -> None:
    """For a model that is not there."""
    stand(room, small=ProfileState(state=state))  # type: ignore[arg-type]  # a Literal
    assert await room.type("/profile use small", ANYONE) == say("zh", f"profile.used_{state}", name="small")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/profile use smal", "没有叫 smal 的模型档案。是不是 small？ [OB-2006]"),
        ("/profile use 大", "没有叫 大 的模型档案。/profile list 看有哪些。 [OB-2006]"),
        ("/profile use", "用法：/profile list | use 名字 | reset [OB-2001]"),
        ("/profile reset all", "用法：/profile list | use 名字 | reset [OB-2001]"),
        ("/profile what", "用法：/profile list | use 名字 | reset [OB-2001]"),
    ],
)
async def test_what_is_mistyped_is_answered_with_the_fix(room: Room, text: str, expected: str) -> None:
    """And nothing changes."""
    assert await room.type(text, ANYONE) == expected
    assert room.desk.groups.of(PRIVATE) == ChatSettings()


async def test_one_that_is_gone_counts_as_none(room: Room) -> None:
    """The default answers."""
    await room.type("/profile use small", ANYONE)
    room.desk.config = parse_config('[chat]\nprofile = "reason"\n[profiles.reason]', Path("config.toml"))
    assert (await room.type("/profile", ANYONE)).startswith("这里由 reason 来回答（默认）。")


async def test_status_names_it(room: Room) -> None:
    """And the models that are there beside the main one; without profiles there is no such line."""
    stand(room, reason=STATES["reason"], small=ProfileState(state="ready"))
    assert (await room.type("/status", ANYONE)).splitlines()[-1] == "模型档案：这里用 chat；已加载 small"
    room.desk.config = parse_config("", Path("config.toml"))
    assert "档案" not in await room.type("/status", ANYONE)


async def test_why_names_who_wrote(room: Room) -> None:
    """Between the reason to answer and what was recalled."""
    room.desk.decided, room.desk.wrote = "because", say("zh", "why.profile", profile="reason")
    assert await room.type("/why", ANYONE) == f"because\n由模型档案 reason 写的。\n{say('zh', 'why.none')}"


async def test_the_owner_lists_and_changes_the_keys_of_profiles(room: Room) -> None:
    """As those of any section."""
    room.desk.path.write_text(TWO, encoding="utf-8")
    assert "profiles.small.path = 'small'" in await room.type("/config list")
    assert "As `generation.top_k`" in await room.type("/config get profiles.small.top_k")
    await room.type("/config set profiles.small.top_k 5")
    assert room.desk.config.profiles["small"].top_k == 5
