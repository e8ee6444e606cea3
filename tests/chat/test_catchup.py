"""After a new connection: what was left is answered once, and only the newest connection asks for what was missed."""

import asyncio
import time
from collections.abc import Collection
from typing import Any

import pytest
from fakes import answer, until
from watching import concluded
from world import World

from onebot_bot.memory.history import Entry, State
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import FriendRecall, Message

ANN = ChatId(10000, "private", 1)
GONE = ChatId(10000, "private", 2)


async def test_what_is_answered_while_the_record_is_gone_through_is_not_answered_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record was read before the answer was in it."""
    now, held, marking = int(time.time()), asyncio.Event(), asyncio.Event()
    left = Entry(role="user", text="left", time=now - 9, user_id=2, message_id=2, state="sending")
    await world.history.append(GONE, left)
    world.say(world.private("hi", time=now))
    await world.quiet()
    generation = await world.engine.next()
    settle = world.history.settle

    async def slowly(ids: Collection[int]) -> None:
        marking.set()
        await held.wait()
        await settle(ids)

    monkeypatch.setattr(world.history, "settle", slowly)
    world.router.connected(world.account)
    await asyncio.wait_for(marking.wait(), 5)
    answer(generation, "hello")
    await world.account.next()
    await until(lambda: not world.sessions[ANN].busy)
    held.set()
    await until(lambda: len(world.router._owned) == len(world.sessions))
    assert not world.sessions[ANN].busy
    assert (await world.history.recent(GONE, 1))[0].state == "answered"


async def test_what_is_answered_between_reading_and_looking_is_not_answered_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reading takes a moment, in which a whole answer may go out."""
    world.say(world.private("hi", time=int(time.time())))
    await world.quiet()
    generation = await world.engine.next()
    read, held = asyncio.Event(), asyncio.Event()
    pending = world.history.pending

    async def slowly(account: int, since: int) -> list[tuple[ChatId, Entry]]:
        found = await pending(account, since)
        read.set()
        await held.wait()
        return found

    monkeypatch.setattr(world.history, "pending", slowly)
    world.router.connected(world.account)
    await asyncio.wait_for(read.wait(), 5)
    answer(generation, "hello")
    await world.account.next()
    await until(lambda: not world.sessions[ANN].busy)
    held.set()
    await until(lambda: len(world.router._owned) == len(world.sessions))
    assert not world.sessions[ANN].busy


async def test_what_has_just_come_is_not_too_old_to_be_answered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long ago it says that it was said: it came with the connection, and its chat is about to answer it."""
    pending, expire, gone_through = world.history.pending, world.history.expire, asyncio.Event()

    async def behind_it(account: int, since: int) -> list[tuple[ChatId, Entry]]:
        await until(lambda: [item.stored_as for item in world.sessions[ANN]._owed] == [1])
        return await pending(account, since)

    async def noted(account: int, before: int, but: Collection[int]) -> None:
        await expire(account, before, but)
        gone_through.set()

    monkeypatch.setattr(world.history, "pending", behind_it)
    monkeypatch.setattr(world.history, "expire", noted)
    world.say(world.private("hi", time=int(time.time()) - 86_400))
    world.router.connected(world.account)
    await asyncio.wait_for(gone_through.wait(), 5)
    assert (await world.history.recent(ANN, 1))[0].state == "pending"


async def test_two_connections_at_once_take_up_what_was_left_once(world: World) -> None:
    """A storm of reconnects is no storm of answers."""
    left = Entry(role="user", text="left", time=int(time.time()), user_id=2, message_id=2, state="pending")
    await world.history.append(GONE, left)
    for _ in range(20):
        world.router.connected(world.account)
    await until(lambda: len(world.router._owned) == len(world.sessions))
    await world.quiet()
    answer(await world.engine.next(), "here")
    await world.account.next()
    await until(lambda: not world.sessions[GONE].busy)
    assert world.engine.requests.empty()


async def test_only_the_newest_connection_asks_for_what_was_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty reconnects in a row are not twenty times thirty questions to QQ; what is found is taken in once."""
    asking: list[asyncio.Event] = []
    ended: list[str] = []
    missed = world.private("missed", user=5, time=int(time.time()))

    async def ask(account: Any, chats: list[ChatId]) -> list[Message]:
        asking.append(asyncio.Event())
        try:
            await asking[-1].wait()
        except asyncio.CancelledError:
            ended.append("given up")
            raise
        return [missed]

    monkeypatch.setattr(world.router._catching, "_fill_gap", ask)
    for number in range(1, 4):
        world.router.connected(world.account)
        await until(lambda: len(asking) == number)  # noqa: B023 - it is waited for within the loop
    assert ended == ["given up"] * 2
    asking[-1].set()
    await world.quiet()
    answer(await world.engine.next(), "here")
    await world.account.next()
    assert len([row for row in await world.history.recent(ChatId(10000, "private", 5), 9) if row.role == "user"]) == 1


async def test_what_is_recalled_while_the_record_is_gone_through_is_not_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was found before it was taken back."""
    left = Entry(role="user", text="left", time=int(time.time()), user_id=2, message_id=2, state="pending")
    await world.history.append(GONE, left)
    read, held, pending = asyncio.Queue[None](), asyncio.Semaphore(2), world.history.pending

    async def slowly(account: int, since: int) -> list[tuple[ChatId, Entry]]:
        found = await pending(account, since)
        read.put_nowait(None)
        await held.acquire()
        return found

    for _ in range(2):
        await held.acquire()
    monkeypatch.setattr(world.history, "pending", slowly)
    world.router.connected(world.account)
    for _ in range(3):
        await asyncio.wait_for(read.get(), 5)
        held.release()
    await asyncio.wait_for(read.get(), 5)
    recall = FriendRecall(time=1, self_id=10000, user_id=2, message_id=2)
    world.router.dispatch(world.account, recall)
    held.release()
    await until(lambda: len(world.router._owned) == len(world.sessions))
    assert not world.sessions[GONE].busy
    assert await world.history.recent(GONE, 1) == []


async def test_what_was_stopped_a_moment_ago_is_not_answered_after_a_reconnect(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record says so only once the stop is written."""
    marking, held, mark = asyncio.Event(), asyncio.Event(), world.history.mark

    async def slowly(ids: Collection[int], state: State) -> None:
        marking.set()
        await held.wait()
        await mark(ids, state)

    monkeypatch.setattr(world.history, "mark", slowly)
    world.say(world.private("hi", time=int(time.time())))
    await until(lambda: bool(world.clock.sleeping))
    world.sessions[ANN].stop()
    world.clock.advance(1.0)
    await asyncio.wait_for(marking.wait(), 5)
    world.router.connected(world.account)
    for _ in range(4):
        await world.history.counts()
        await world.history.pending(10000, 0)
    assert not world.sessions[ANN].busy
    held.set()
    await concluded(world, ANN)
    assert [entry.state for entry in await world.history.recent(ANN, 1)] == ["dropped"]


async def test_what_is_recalled_while_it_is_asked_for_is_not_taken_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QQ told of it just before; there is nothing on record yet that could be taken out of view."""
    missed = world.private("missed", user=2, time=int(time.time()))
    asked, held = asyncio.Event(), asyncio.Event()

    async def ask(account: Any, chats: list[ChatId]) -> list[Message]:
        asked.set()
        await held.wait()
        return [missed]

    monkeypatch.setattr(world.router._catching, "_fill_gap", ask)
    world.router.connected(world.account)
    await asyncio.wait_for(asked.wait(), 5)
    recall = FriendRecall(time=1, self_id=10000, user_id=2, message_id=missed.message_id)
    world.router.dispatch(world.account, recall)
    held.set()
    await until(lambda: len(world.router._owned) == len(world.sessions))
    await world.settled()
    assert (GONE in world.sessions, await world.history.recent(GONE, 1)) == (False, [])
