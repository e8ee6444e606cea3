"""What happens while a command changes the record: nothing is answered twice, or after it was taken back."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from commands.lounge import ALICE, PRIVATE, Lounge
from fakes import until
from watching import seen

from onebot_bot.protocol.events import FriendRecall, Message


class Hold:
    """Something that is stopped before it is done, once."""

    def __init__(self, patch: pytest.MonkeyPatch, thing: object, name: str) -> None:
        self.reached, self.released = asyncio.Event(), asyncio.Event()
        self._does: Callable[..., Any] = getattr(thing, name)
        patch.setattr(thing, name, self._do)

    async def _do(self, *values: Any) -> Any:
        done = await self._does(*values)
        self.reached.set()
        await self.released.wait()
        return done


async def _said(lounge: Lounge) -> Message:
    """A message of now, and its answer."""
    message = lounge.message("helo", time=int(time.time()))
    lounge.world.say(message)
    await lounge.reply(await lounge.next(), "what?")
    return message


async def _look_for_what_is_left(lounge: Lounge) -> None:
    """The account connects again; until the record was read as often as it is."""
    lounge.world.router.connected(lounge.world.account)
    for _ in range(4):
        await lounge.world.settled()


async def _answers(lounge: Lounge) -> list[list[str]]:
    """What the engine saw until nobody is answered any more."""
    shown = []
    while any(session.busy for session in lounge.world.sessions.values()):
        generation = await lounge.next()
        shown.append(seen(generation))
        await lounge.reply(generation, "hello to you")
    return shown


async def test_an_edit_is_answered_once_when_the_account_connects_meanwhile(
    lounge: Lounge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who looks for what was left over finds a message that waits for its answer, and leaves it to the command."""
    await _said(lounge)
    hold = Hold(monkeypatch, lounge.kept.rewriting, "edit")
    lounge.type("/edit hello")
    await hold.reached.wait()
    await _look_for_what_is_left(lounge)
    assert not lounge.world.sessions[PRIVATE].busy
    hold.released.set()
    await until(lambda: lounge.world.sessions[PRIVATE].busy)
    assert await _answers(lounge) == [["hello"]]
    assert await lounge.record() == [("user", "hello"), ("assistant", "hello to you")]


@pytest.mark.parametrize("command", ["/retry", "/continue"])
async def test_what_is_asked_again_is_answered_once_when_the_account_connects_meanwhile(
    lounge: Lounge, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The same of the other commands that the model answers."""
    await _said(lounge)
    thing, name = (lounge.kept.rewriting, "ask_again") if command == "/retry" else (lounge.kept.history, "append")
    hold = Hold(monkeypatch, thing, name)
    lounge.type(command)
    await hold.reached.wait()
    await _look_for_what_is_left(lounge)
    assert not lounge.world.sessions[PRIVATE].busy
    hold.released.set()
    await until(lambda: lounge.world.sessions[PRIVATE].busy)
    assert len(await _answers(lounge)) == 1


async def test_an_edited_message_that_is_recalled_meanwhile_is_not_answered(
    lounge: Lounge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command holds it already; the model is not shown it all the same."""
    message = await _said(lounge)
    hold = Hold(monkeypatch, lounge.kept.rewriting, "edit")
    lounge.type("/edit hello")
    await hold.reached.wait()
    recall = FriendRecall(time=1, self_id=10000, user_id=ALICE, message_id=message.message_id)
    lounge.world.router.dispatch(lounge.world.account, recall)
    hold.released.set()
    await until(lambda: not lounge.world.sessions[PRIVATE].opening.locked())
    assert not lounge.world.sessions[PRIVATE].busy
