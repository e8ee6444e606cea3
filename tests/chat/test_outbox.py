"""The send queue and bundles, on a clock that tests move and an account that they script."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest
from fakes import FakeAccount, FakeClock, until

from onebot_bot.chat.outbox import Outbox, Pacing, Queues
from onebot_bot.errors import ActionFailed, NotConnected, StaleAnswer
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import Node, Text
from onebot_bot.sections.sending import SendingConfig

GROUP = ChatId(10000, "group", 77)
ALICE = ChatId(10000, "private", 1)
BARE = SendingConfig(interval=0.0, jitter=0.0, per_minute=0, stale_after=60.0)


class Queue:
    """A queue whose messages note when they left."""

    def __init__(self, clock: FakeClock, *dice: float, **changes: Any) -> None:
        self.clock = clock
        self.left: list[tuple[str, float]] = []
        config, draws = msgspec.structs.replace(BARE, **changes), iter(dice)
        self.pacing = Pacing(lambda: config, clock, lambda: next(draws, 0.0))

    async def leave(self, name: str, *, begins: bool = False) -> None:
        """Wait for a turn."""
        await self.pacing.wait(begins=begins)
        self.left.append((name, self.clock.now - 1000.0))

    async def pass_time(self, seconds: float, step: float = 0.5) -> None:
        """Let time pass, in steps, with everybody awake at each."""
        for _ in range(round(seconds / step)):
            for _ in range(10):
                await asyncio.sleep(0)
            self.clock.advance(step)
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
def account() -> Any:
    """One that tests script; like an `Account` as far as an outbox goes."""
    return FakeAccount()


def outbox(account: Any, clock: FakeClock) -> Outbox:
    """One without any wait of its own."""

    def never(work: Coroutine[Any, Any, None]) -> None:
        raise AssertionError(work)

    return Outbox(account, lambda: 5.0, never, Pacing(lambda: BARE, clock))


async def test_messages_of_all_chats_keep_the_interval(clock: FakeClock) -> None:
    """They leave one after the other, in the order in which they came."""
    queue = Queue(clock, interval=2.0)
    async with asyncio.TaskGroup() as tasks:
        for name in "abc":
            tasks.create_task(queue.leave(name))
        await queue.pass_time(4)
    assert queue.left == [("a", 0.0), ("b", 2.0), ("c", 4.0)]


async def test_jitter_is_added_to_the_interval(clock: FakeClock) -> None:
    """By chance, so that no pattern shows."""
    queue = Queue(clock, 0.5, 0.25, interval=1.0, jitter=4.0)
    async with asyncio.TaskGroup() as tasks:
        for name in "abc":
            tasks.create_task(queue.leave(name))
        await queue.pass_time(5)
    assert queue.left == [("a", 0.0), ("b", 3.0), ("c", 5.0)]


async def test_no_minute_has_more_than_the_cap(clock: FakeClock) -> None:
    """The first of the minute before makes room for the next."""
    queue = Queue(clock, per_minute=2)
    async with asyncio.TaskGroup() as tasks:
        for name in "abcd":
            tasks.create_task(queue.leave(name))
            await queue.pass_time(10, step=5.0)
        await queue.pass_time(40, step=5.0)
    assert queue.left == [("a", 0.0), ("b", 10.0), ("c", 60.0), ("d", 70.0)]


async def test_after_a_pause_nothing_waits(clock: FakeClock) -> None:
    """The interval counts from the message before, not from the asking."""
    queue = Queue(clock, interval=2.0)
    await queue.leave("a")
    clock.advance(2.0)
    await queue.leave("b")
    assert clock.slept == []


async def test_an_answer_that_comes_too_late_is_not_begun(clock: FakeClock) -> None:
    """It is refused as soon as it is sure to be late, and takes nobody's place; what has begun is finished."""
    queue = Queue(clock, interval=5.0, stale_after=7.0)
    names = (("a", True), ("b", True), ("late", True), ("rest of an answer", False))
    waiting = [asyncio.ensure_future(queue.leave(name, begins=begins)) for name, begins in names]
    await queue.pass_time(10)
    outcomes = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
    assert [type(outcome) for outcome in outcomes] == [type(None), type(None), StaleAnswer, type(None)]
    assert queue.left == [("a", 0.0), ("b", 5.0), ("rest of an answer", 10.0)]


async def test_one_who_gives_up_waiting_holds_nobody_up(clock: FakeClock) -> None:
    """A session that ends in the queue leaves its place to the next."""
    queue = Queue(clock, interval=2.0)
    await queue.leave("a")
    gone, last = asyncio.ensure_future(queue.leave("b")), asyncio.ensure_future(queue.leave("c"))
    await until(lambda: bool(clock.sleeping))
    gone.cancel()
    await until(lambda: len(clock.slept) == 2)
    clock.advance(2.0)
    await last
    assert queue.left == [("a", 0.0), ("c", 2.0)]


async def test_all_that_an_account_sends_shares_its_queue(clock: FakeClock) -> None:
    """Answers, replies to commands and reports wait for each other, another account's do not."""
    queues = Queues(lambda: msgspec.structs.replace(BARE, interval=5.0, stale_after=7.0), clock)
    one: Any = FakeAccount(1)
    await queues.of(1).wait(begins=True)
    told = [asyncio.ensure_future(work) for work in (queues.reply(one), queues.tell(one), queues.tell(one))]
    await queues.of(2).wait(begins=True)
    await until(lambda: bool(clock.sleeping))
    assert clock.slept == [5.0]
    clock.advance(5.0)
    await told[0]
    await until(lambda: bool(clock.sleeping))
    late = asyncio.ensure_future(queues.reply(one))
    clock.advance(5.0)
    await told[1]
    await until(lambda: bool(clock.sleeping))
    clock.advance(5.0)
    await told[2]
    with pytest.raises(StaleAnswer):
        await late


async def test_a_bundle_is_one_forward(account: Any, clock: FakeClock) -> None:
    """Its messages carry the bot's number and name."""
    assert await outbox(account, clock).send_bundle(GROUP, ["one", "two"], "小忆") == 5000
    sent = await account.next()
    nodes = tuple(Node(user_id="10000", nickname="小忆", content=(Text(text),)) for text in ("one", "two"))
    assert (sent.name, sent.group_id, sent.messages) == ("send_group_forward_msg", 77, nodes)


async def test_in_private_too(account: Any, clock: FakeClock) -> None:
    """With the action for it."""
    await outbox(account, clock).send_bundle(ALICE, ["one"], "小忆")
    sent = await account.next()
    assert (sent.name, sent.user_id) == ("send_private_forward_msg", 1)


async def test_where_bundles_are_refused_every_message_goes_alone(account: Any, clock: FakeClock) -> None:
    """NapCat without a packet backend: nothing of the answer is lost."""
    account.failures.append(ActionFailed("send_group_forward_msg", 1200, "packetBackend"))
    assert await outbox(account, clock).send_bundle(GROUP, ["one", "two"], "小忆") == 5001
    await account.next()
    assert [(await account.next()).message for _ in range(2)] == [(Text("one"),), (Text("two"),)]


async def test_without_a_connection_there_is_no_turn(account: Any, clock: FakeClock) -> None:
    """It waits as long as it may and says so."""
    account.active = None
    made = Outbox(account, lambda: 0.0, lambda _: None, Pacing(lambda: BARE, clock))
    with pytest.raises(NotConnected):
        await made.ready()


async def test_who_waits_for_a_turn_is_counted(account: Any, clock: FakeClock) -> None:
    """Until it has left, or given up."""
    queues = Queues(lambda: msgspec.structs.replace(BARE, interval=1.0), clock)
    await queues.tell(account)
    assert queues.waiting() == {}
    waiting = [asyncio.create_task(queues.tell(account)) for _ in range(2)]
    await until(lambda: queues.waiting() == {10000: 2} and bool(clock.sleeping))
    waiting[1].cancel()
    await until(lambda: queues.waiting() == {10000: 1})
    clock.advance(1.0)
    await waiting[0]
    assert queues.waiting() == {}
