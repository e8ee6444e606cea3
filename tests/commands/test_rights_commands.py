"""Who may do what: tiers, bot admins, bans, lists, commands that are not there, and confirmation."""

import msgspec
import pytest
from commands.desk import ADMIN, ANYONE, GROUP, OWNER, Room, said

from onebot_bot.commands.admin import OWNERS_ENDS, OWNERS_KEYS
from onebot_bot.commands.confirming import take_yes
from onebot_bot.commands.durations import parse_duration
from onebot_bot.config import config_keys, load_config
from onebot_bot.memory.requests import Asked
from onebot_bot.protocol.segments import At, Text
from onebot_bot.texts import say

HELPER = 9


@pytest.fixture
def desk(room: Room) -> Room:
    """A room whose configuration knows the owner."""
    room.desk.path.write_text(f"[bot]\nowners = [{OWNER}]\n", encoding="utf-8")
    room.desk.reload()
    return room


async def test_the_owner_names_bot_admins(desk: Room) -> None:
    """They are in config.toml, may what bot admins may, and no more."""
    assert "群管理员" not in await desk.type("/reload", ANYONE)
    assert say("zh", "admin.added", user=HELPER) in await desk.type(f"/admin add {HELPER}")
    assert load_config(desk.desk.path).bot.admins == [HELPER]
    assert await desk.type("/sid", HELPER, GROUP) == "会话：10000/group/7\n你：9（机器人管理员）"
    assert await desk.type("/reset", HELPER, GROUP) == say("zh", "reset.done")
    assert "max_bubbles" in await desk.type("/config set chat.max_bubbles 2", HELPER)
    assert await desk.type("/admin add 10", HELPER) == say(
        "zh", "command.refused", name="/admin", tier="主人", who=say("zh", "who.owner")
    )
    assert str(HELPER) in await desk.type("/admin")
    await desk.type(f"/管理员 移除 {HELPER}")
    assert await desk.type("/admin list") == say("zh", "admin.none", prefix="/")
    assert await desk.type("/ban 10", HELPER) == say(
        "zh", "command.refused", name="/ban", tier="机器人管理员", who=say("zh", "who.bot_admin")
    )


@pytest.mark.parametrize(
    "key",
    [
        "bot.owners [9]",
        "bot.admins [9]",
        "server.host x",
        "log.file x",
        "model.path x",
        "guard.words_in x",
        "tags.stickers /",
    ],
)
async def test_bot_admins_do_not_set_who_rules_or_what_is_opened(desk: Room, key: str) -> None:
    """Else they would be owners."""
    await desk.type(f"/admin add {HELPER}")
    before = load_config(desk.desk.path)
    assert say("zh", "who.owner") in await desk.type(f"/config set {key}", HELPER)
    assert load_config(desk.desk.path) == before


def test_no_bot_admin_chooses_a_file_or_a_folder() -> None:
    """Whatever key names one is the owner's: a folder of stickers may be any folder of the machine."""
    words = {"bot.persona", "chat.profile", "chat.quiet_hours", "proactive.hours", "learning.timezone"}
    texts = {key.path for key in config_keys(["p"]) if key.type == "str"} - words - {"profiles.p.title"}
    assert {"tags.stickers", "memory.embedding", "profiles.p.path", "profiles.p.adapter", "log.turns"} < texts
    assert [path for path in texts if not path.startswith(OWNERS_KEYS) and not path.endswith(OWNERS_ENDS)] == []


async def test_a_ban_has_an_end_and_a_reason(desk: Room) -> None:
    """Listed, and lifted again."""
    assert "刷屏" in await desk.type("/ban 20 2h 刷屏 太多")
    (ban,) = desk.desk.bans.current()
    assert (ban.user, ban.reason, ban.by) == (20, "刷屏 太多", OWNER)
    assert ban.until == ban.since + 7200
    await desk.type("/ban 21 太吵")
    assert {(one.user, one.until, one.reason) for one in desk.desk.bans.current()} >= {(21, None, "太吵")}
    assert "刷屏" in await desk.type("/ban list")
    assert await desk.type("/unban 20") == say("zh", "unban.done", user=20)
    assert await desk.type("/unban 20") == say("zh", "unban.none", user=20)
    await desk.type("/unban 21")
    assert await desk.type("/ban") == say("zh", "ban.none")


async def test_who_is_mentioned_is_who_is_meant(desk: Room) -> None:
    """The bot itself, which may be mentioned as well, is not."""
    message = msgspec.structs.replace(
        said("/ban 1d", OWNER, GROUP), message=(At("10000"), Text("/ban "), At("20"), Text(" 1d"))
    )
    await desk.dispatcher.run(desk.account, message, "/ban  1d")  # type: ignore[arg-type]  # the fake account
    (ban,) = desk.desk.bans.current()
    assert (ban.user, ban.until) == (20, ban.since + 86400)


@pytest.mark.parametrize("who", [OWNER, HELPER, 10000, 8])
async def test_nobody_bans_those_above_or_themselves(desk: Room, who: int) -> None:
    """The owner bans a bot admin, though."""
    for admin in (HELPER, 8):
        await desk.type(f"/admin add {admin}")
    assert await desk.type(f"/ban {who}", HELPER) == say("zh", "ban.spared", user=who)
    assert await desk.type(f"/access deny user {who}", HELPER) == say("zh", "ban.spared", user=who)
    assert desk.desk.bans.current() == []
    assert str(HELPER) in await desk.type(f"/ban {HELPER} 1m")


async def test_lists_are_kept_in_the_configuration(desk: Room) -> None:
    """A number is on one of two lists at most; a group's admins name the group they are in by nothing."""
    await desk.type("/access groups allow-list")
    await desk.type(f"/access allow group {GROUP}")
    assert load_config(desk.desk.path).access.groups == "allow-list"
    assert load_config(desk.desk.path).access.allow_groups == [GROUP]
    await desk.type("/名单 拒绝 群", group=GROUP)
    access = load_config(desk.desk.path).access
    assert (access.allow_groups, access.deny_groups) == ([], [GROUP])
    assert f"stop 10000/group/{GROUP}" in desk.desk.did
    await desk.type("/access allow user 20")
    shown = await desk.type("/access remove group 7")
    assert shown == await desk.type("/access")
    assert say("zh", "access.users", mode="黑名单", allowed="20", denied="无") in shown
    assert say("zh", "access.groups", mode="白名单", allowed="无", denied="无") in shown


@pytest.mark.parametrize(
    "text",
    [
        *(
            "/admin add",
            "/admin eat 5",
            "/admin add 5 6",
            "/unban",
            "/unban x",
            "/ban x",
            "/access eat",
            "/access allow",
        ),
        *("/access allow user", "/access allow user x", "/access deny group", "/access users", "/access users maybe"),
        *("/command", "/command eat x", "/command disable", "/command disable nothing")[1:],
    ],
)
async def test_mistakes_show_the_usage(desk: Room, text: str) -> None:
    """And change nothing."""
    before = load_config(desk.desk.path)
    assert "用法" in await desk.type(text)
    assert load_config(desk.desk.path) == before


async def test_a_disabled_command_is_left_to_other_bots(desk: Room) -> None:
    """In its group: unless the bot is mentioned, it is ordinary talk; in other chats nothing changes."""
    assert "群管理员" in await desk.type("/command disable undo", ANYONE, GROUP)
    assert "/undo" in await desk.type("/command disable /撤销", ADMIN, GROUP)
    assert not desk.dispatcher.matches("/undo", said("/undo", OWNER, GROUP))
    assert not desk.dispatcher.matches("/撤回", said("/撤回", OWNER, GROUP))
    mention = said("/undo", ADMIN, GROUP, mention=True)
    assert desk.dispatcher.matches("/undo", mention)
    await desk.dispatcher.run(desk.account, mention, "/undo")  # type: ignore[arg-type]  # the fake account
    answer = desk.account.sent.get_nowait().message[0].text
    assert answer == say("zh", "command.disabled", name="/undo", prefix="/")
    assert "/undo" not in await desk.type("/help", ADMIN, GROUP)
    assert "最近" in await desk.type("/undo", ANYONE)
    assert await desk.type("/指令 启用 undo", ADMIN, GROUP) == say("zh", "command.all_enabled")
    assert desk.dispatcher.matches("/undo", said("/undo", OWNER, GROUP))


async def test_a_command_may_be_disabled_everywhere(desk: Room) -> None:
    """By any of its names; what leads back never is."""
    await desk.type('/config set commands.disabled ["撤销", "help"]')
    assert await desk.type("/undo") == say("zh", "command.disabled", name="/undo", prefix="/")
    assert "/撤销" in await desk.type("/command")
    assert "/status" in await desk.type("/help")
    assert await desk.type("/command disable command") == say("zh", "command.always", name="/command")


async def test_what_destroys_is_shown_first(desk: Room) -> None:
    """And done when it is confirmed."""
    await desk.type("/memory add 猫叫雪球", ANYONE)
    shown = await desk.type("/memory forget 1", ANYONE)
    assert shown == say(
        "zh",
        "command.confirm",
        what=say("zh", "memory.would_forget", id=1, text="猫叫雪球"),
        again="/memory forget 1 -y",
    )
    assert "猫叫雪球" in await desk.type("/memory list", ANYONE)
    assert await desk.type("/memory forget -y 1", ANYONE) == "已忘记 #1。"
    desk.desk.learning.earlier = [""]
    assert "/learn rollback -y" in await desk.type("/learn rollback")
    assert desk.desk.learning.earlier == [""]


@pytest.mark.parametrize(
    ("rest", "taken"),
    [
        ("3 -y", ("3", True)),
        ("-y 3", ("3", True)),
        ("3 确认", ("3", True)),
        ("-Y", ("", True)),
        ("3", ("3", False)),
        ("", ("", False)),
        ("a b", ("a b", False)),
    ],
)
def test_the_yes_stands_first_or_last(rest: str, taken: tuple[str, bool]) -> None:
    """What is left is what it is about."""
    assert take_yes(rest) == taken


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("90s", 90), ("10m", 600), ("２小时", 7200), ("1天12小时", 129600), ("1w", 604800), ("3D", 259200)),
        *((no, None) for no in ("", "m", "0m", "2", "2 h", "99999w", "-1h", "1x", "9999999m")),
    ],
)
def test_how_long_is_written_as_people_do(text: str, seconds: int | None) -> None:
    """With a unit, ten years at most."""
    assert parse_duration(text) == seconds


async def test_the_quota_shows_what_was_used_and_what_there_is(desk: Room) -> None:
    """The owner has no limit; a group's own is shown in it."""
    await desk.type("/config set limits.user_per_day 20")
    desk.desk.usage.add(("user", ANYONE), answers=3, tokens=45)
    desk.desk.usage.add(("group", GROUP), answers=6)
    user = {"answers": 3, "most_answers": 20, "tokens": 45, "most_tokens": "不限"}
    group = {"answers": 6, "most_answers": "不限", "tokens": 0, "most_tokens": "不限"}
    assert await desk.type("/quota", ANYONE) == say("zh", "quota.user", **user)
    assert await desk.type("/额度", ANYONE, GROUP) == "\n".join(
        [say("zh", "quota.user", **user), say("zh", "quota.group", **group)]
    )
    assert "（上限 20）" not in await desk.type("/quota")


async def test_requests_are_listed_and_decided(desk: Room) -> None:
    """By their ids, each once; a refusal may have a reason."""
    lobby = desk.desk.requests
    assert await desk.type("/request") == say("zh", "request.none")
    lobby.asked = [
        Asked(account=10000, kind="friend", flag="f", user=20, comment="我是小明", came=1, id=3),
        Asked(account=10000, kind="group", flag="g", user=21, group=99, came=1, id=4),
    ]
    assert await desk.type("/请求 列表") == "#3 20 想加我为好友：我是小明\n#4 21 邀请我进群 99"
    assert await desk.type("/request accept #3") == "已同意：#3 20 想加我为好友：我是小明"
    assert await desk.type("/request reject 4 不认识 你") == "已拒绝：#4 21 邀请我进群 99"
    assert lobby.decided == [(3, True, ""), (4, False, "不认识 你")]
    assert await desk.type("/request accept 3") == say("zh", "request.unknown", id=3, prefix="/")
    for text in ("/request eat 3", "/request accept", "/request accept x", "/request accept 3 now"):
        assert await desk.type(text) == say("zh", "request.usage", prefix="/")
    assert "机器人管理员" in await desk.type("/request list", ANYONE)
