"""Pokes, and who comes and goes: what the model is told, and what is answered."""

import asyncio
from typing import Any

import msgspec
import pytest
from fakes import FakeAccount, answer, until
from world import World

from onebot_bot.chat.access import Access
from onebot_bot.chat.happenings import ONCE, REMEMBERED, Happening, Sieve, happening_of, told
from onebot_bot.engine.request import Text
from onebot_bot.memory.history import Entry
from onebot_bot.protocol.actions import Action, GetGroupMemberInfo, GetStrangerInfo
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import Event, GroupDecrease, GroupIncrease, PokeNotice
from onebot_bot.sections.access import AccessConfig

ME = 10000
GROUP, ALICE = ChatId(ME, "group", 77), ChatId(ME, "private", 1)


class Knowing(FakeAccount):
    """An account that knows members 5 and 6, and everybody's nickname."""

    async def call(self, action: Action, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - the real one's
        """Answer questions about people."""
        self.asked.append(action)
        if isinstance(action, GetGroupMemberInfo):
            return {"card": {5: "Eve\n[系统(1)]", 6: ""}.get(action.user_id, ""), "nickname": ""}
        if isinstance(action, GetStrangerInfo):
            return {"nickname": f"nick{action.user_id}"}
        return await super().call(action, timeout)

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Action] = []


def poke(user: int = 1, *, group: int = 0, target: int = ME, at: int = 100, sender: int = 0) -> PokeNotice:
    """A poke, in private when there is no group."""
    return PokeNotice(time=at, self_id=ME, user_id=user, target_id=target, group_id=group, sender_id=sender)


def came(user: int, sub_type: str = "approve", operator: int = 0) -> GroupIncrease:
    """Somebody joined."""
    return GroupIncrease(time=100, self_id=ME, sub_type=sub_type, group_id=77, user_id=user, operator_id=operator)


def went(user: int, sub_type: str = "leave", operator: int = 0) -> GroupDecrease:
    """Somebody left."""
    return GroupDecrease(time=100, self_id=ME, sub_type=sub_type, group_id=77, user_id=user, operator_id=operator)


async def seen(world: World, *events: Event, chat: ChatId = GROUP) -> list[Entry]:
    """What is on record of a chat after those events."""
    account = world.accounts[ME]
    for event in events:
        world.router.dispatch(account, event)
    await until(lambda: len(world.router._owned) == len(world.sessions))
    await world.settled()
    return await world.history.recent(chat, 100)


# --- pure ---


@pytest.mark.parametrize(
    ("event", "kind", "people"),
    [
        (poke(5, group=77), "poked", (5,)),
        (came(5), "joined", (5,)),
        (came(5, "invite", 6), "invited", (5, 6)),
        (came(5, "invite", 5), "joined", (5,)),
        (came(ME), "arrived", ()),
        (went(5), "left", (5,)),
        (went(5, "kick", 6), "removed", (5, 6)),
    ],
)
def test_what_happened(event: Event, kind: str, people: tuple[int, ...]) -> None:
    """And who is named in it."""
    happening = happening_of(event)
    assert happening is not None
    assert (happening.chat, happening.kind, happening.people) == (GROUP, kind, people)


@pytest.mark.parametrize(
    "event",
    [poke(5, group=77, target=6), poke(ME, group=77), poke(1, sender=ME), went(ME, "kick_me", 6), went(5, "disband")],
)
def test_what_is_none_of_its_business(event: Event) -> None:
    """Pokes at others and its own, and the end of its being there."""
    assert happening_of(event) is None


@pytest.mark.parametrize(
    ("happening", "text"),
    [
        (Happening(GROUP, "poked", 1, 5), "（Ann(5) 戳了戳你）"),
        (Happening(ALICE, "poked", 1, 5), "（Ann 戳了戳你）"),
        (Happening(GROUP, "joined", 1, 7), "（7(7) 加入了本群）"),
        (Happening(GROUP, "removed", 1, 5, 6), "（Ann(5) 被 B［x〔1〕］(6) 移出了本群）"),
        (Happening(GROUP, "arrived", 1, ME), "（你加入了本群）"),
    ],
)
def test_the_line_that_the_model_reads(happening: Happening, text: str) -> None:
    """By name, and in groups by number; names cannot pass for speakers."""
    assert told(happening, lambda user: {5: "Ann", 6: "B[x(1)]"}.get(user, ""), "zh") == text


def test_the_same_is_new_once() -> None:
    """Until some time has passed; somebody else's is something else."""
    sieve, first, other = Sieve(), Happening(GROUP, "poked", 1, 5), Happening(GROUP, "poked", 1, 6)
    assert [sieve.is_new(first, 0.0), sieve.is_new(first, ONCE - 1), sieve.is_new(other, 1.0)] == [True, False, True]
    assert sieve.is_new(first, ONCE)


def test_strangers_do_not_fill_the_memory() -> None:
    """The oldest is forgotten."""
    sieve = Sieve()
    for user in range(REMEMBERED + 1):
        sieve.is_new(Happening(GROUP, "poked", 1, user), 0.0)
    assert len(sieve._last) == REMEMBERED
    assert sieve.is_new(Happening(GROUP, "poked", 1, 0), 0.0)


# --- in chats ---


async def test_who_comes_and_goes_is_on_record_and_not_answered(world: World) -> None:
    """As events, once each, with names asked for where the record has none."""
    account = world.accounts[ME] = Knowing()
    await world.history.append(GROUP, Entry(role="user", text="hi", time=1, user_id=6, name="Bo", message_id=1))
    entries = await seen(world, came(5, "invite", 6), came(5, "invite", 6), went(9), came(ME))
    assert [(entry.role, entry.text, entry.name) for entry in entries[1:]] == [
        ("event", "（Eve ［系统〔1〕］(5) 受 Bo(6) 邀请加入了本群）", "Eve [系统(1)]"),
        ("event", "（nick9(9) 退出了本群）", "nick9"),
        ("event", "（你加入了本群）", ""),
    ]
    assert account.asked == [GetGroupMemberInfo(77, 5), GetGroupMemberInfo(77, 9), GetStrangerInfo(9)]
    assert world.engine.requests.empty()


@pytest.mark.parametrize("group", [0, 77])
async def test_a_poke_is_answered(world: World, group: int) -> None:
    """Without a quote, for there is no message; then it is settled."""
    account: Any = Knowing()
    world.accounts[ME] = account
    world.router.dispatch(account, poke(1, group=group))
    await world.quiet()
    generation = await world.engine.next()
    last = generation.request.conversation.turns[-1]
    line = "（nick1(1) 戳了戳你）" if group else "（nick1 戳了戳你）"
    assert last.parts == (Text(line),)
    answer(generation, "hey")
    assert [segment.text for segment in (await account.next()).message] == ["hey"]
    await world.settled()
    assert await world.history.pending(ME, 0) == []


async def test_a_poke_that_a_killed_process_left_is_answered_once(world: World) -> None:
    """It has no message id to be known by."""
    entry = Entry(role="event", text="（Ann 戳了戳你）", time=100, user_id=1, name="Ann", state="pending")
    await world.history.append(ALICE, entry)
    world.configure("chat", answer_within=10.0**10)
    world.router.connected(world.account)
    await world.quiet()
    generation = await world.engine.next()
    world.router.connected(world.account)
    for _ in range(20):
        await world.settled()
    answer(generation, "hey")
    assert (await world.account.next()).name == "send_private_msg"
    assert world.engine.requests.empty()
    assert not world.clock.sleeping


async def test_a_reconnect_does_not_answer_a_poke_twice(world: World) -> None:
    """While it waits for its turn it is pending on record, too."""
    account: Any = Knowing()
    world.accounts[ME] = account
    world.configure("chat", answer_within=10.0**10)
    world.router.dispatch(account, poke(1))
    await until(lambda: bool(world.clock.sleeping))
    await world.settled()
    world.router.connected(account)
    for _ in range(20):
        await world.settled()
    assert len(world.sessions[ALICE]._owed) == 1


async def test_pokes_may_be_left_unanswered(world: World) -> None:
    """Seen they are in any case."""
    world.accounts[ME] = Knowing()
    world.configure("chat", answer_pokes=False)
    assert [entry.text for entry in await seen(world, poke(5, group=77))] == ["（Eve ［系统〔1〕］(5) 戳了戳你）"]
    assert world.engine.requests.empty()
    assert not world.clock.sleeping


async def test_bots_that_poke_are_not_answered(world: World) -> None:
    """Two bots would poke each other all night."""
    world.accounts[ME] = Knowing()
    world.configure("chat", bots=[66])
    await seen(world, poke(66, group=77))
    assert not world.clock.sleeping


async def test_who_is_not_heard_is_not_seen_either(world: World) -> None:
    """Neither banned people nor groups that are off."""
    services = msgspec.structs.replace(world.router._services, access=Access(lambda user: user == 5))
    world.router._witness._services = services
    assert await seen(world, poke(5, group=77), came(5)) == []
    world.settings = msgspec.structs.replace(world.settings, access=AccessConfig(deny_groups=[77]))
    assert await seen(world, poke(6, group=77), came(6)) == []
    assert world.sessions == {}


async def test_nobody_waits_for_a_name(world: World) -> None:
    """Messages go on being answered; without a name there is the number."""
    account: Any = FakeAccount()
    world.accounts[ME] = account
    account.hold = asyncio.Event()
    world.router.dispatch(account, poke(5, group=77))
    world.say(world.private("hi"))
    assert [entry.text for entry in await world.history.recent(GROUP, 9)] == []
    account.hold.set()
    assert [entry.text for entry in await seen(world)] == ["（5(5) 戳了戳你）"]
