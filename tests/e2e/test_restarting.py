"""The process ends, gently or not, and starts again: nothing is lost, nothing is said twice.

One bot goes through all of them: what a test leaves running, the next one takes over.
"""

import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from e2e.bot_process import BRIEF, ENDLESS, Bot, NapCat, Sent

pytestmark = pytest.mark.model

USER, OTHER, GROUP = 20001, 20002, 30001
START_LIMIT = 10.0
"""Seconds in which a start listens, and an end is over: what docker and systemd allow for."""


@pytest.fixture
def running(own_bot: Bot) -> Iterator[Bot]:
    """The bot, which this test may end."""
    own_bot.start()
    yield own_bot
    own_bot.write(BRIEF)


async def _start_endless(napcat: NapCat) -> None:
    """Somebody has asked and the model writes, and will not stop by itself."""
    await napcat.configure(ENDLESS)
    await napcat.tell(USER, "Tell me a long story about a dog.")
    await napcat.status("正在写 1")


async def test_killed_while_writing(running: Bot, account: int) -> None:
    """A power cut while the model writes: the message is answered after the restart, once, and the record is whole."""
    async with running.dial(account) as napcat:
        await napcat.ask(OTHER, "Hello!")
        await napcat.settled()
        await _start_endless(napcat)
        running.kill()
    running.write(BRIEF)
    running.start()
    async with running.dial(account) as napcat:
        answer = await napcat.answer(USER)
        await napcat.settled()
        following = await napcat.ask(USER, "Hello, how are you?")
        await napcat.settled()
        assert [answer.text, following] == [sent.text for sent in napcat.outgoing[USER]]
        assert [row.role for row in napcat.record(USER)] == ["user", "assistant"] * 2
        assert [row.state for row in napcat.record(OTHER)] == ["answered", "heard"]
    assert running.query("PRAGMA integrity_check") == [("ok",)]


async def test_killed_after_answer(running: Bot, account: int) -> None:
    """A power cut after an answer, confirmed or not: it is not sent again, and memories are still found."""
    async with running.dial(account) as napcat:
        await napcat.ask(USER, "Hello, how are you?")
        await napcat.settled()
        assert "记住了" in await napcat.command("/memory add 小明的猫叫豆豆")
        napcat.unconfirmed.add(OTHER)
        await napcat.ask(OTHER, "Hello!")
        running.kill()
    running.start()
    async with running.dial(account) as napcat:
        following = await napcat.ask(USER, "What is the capital of France?")
        assert "[1.00] 小明的猫叫豆豆" in await napcat.command("/memory search 小明的猫叫豆豆")
        await napcat.settled()
        assert [following] == [sent.text for sent in napcat.outgoing[USER]]
        assert [row.role for row in napcat.record(USER)] == ["user", "assistant"] * 2
        assert [row.state for row in napcat.record(OTHER)] == ["answered"]
        assert OTHER not in napcat.outgoing


async def test_missed_messages(running: Bot, account: int) -> None:
    """What was said while the bot was down is fetched: recent questions are answered, the rest is recorded, once."""
    async with running.dial(account) as napcat:
        heard = _aged(napcat.group_message(GROUP, OTHER, "I have a cat."), 2000)
        known = _aged(napcat.private_message(USER, "Hello, how are you?"), 2000)
        for event in (heard, known):
            await napcat.send_event(event)
        mine = _sent_by_bot(napcat, await napcat.answer(USER))
        await napcat.settled()
        running.kill()
    running.start()
    napcat = running.dial(account)
    old = _aged(napcat.private_message(USER, "Are you there?"), 1000)
    recent = _aged(napcat.private_message(USER, "Please answer me."), 30)
    talk = _aged(napcat.group_message(GROUP, OTHER, "It is called Tom."), 40)
    asked = _aged(napcat.group_message(GROUP, USER, napcat.mention("Where is Tom?")), 20)
    napcat.histories = {USER: [known, mine, old, recent], GROUP: [heard, talk, asked]}
    async with napcat:
        answer, reply = await napcat.answer(USER), await napcat.answer(GROUP)
        await napcat.settled()
        await napcat.reconnect()
        await napcat.ask(USER, "What is the capital of France?")
        await napcat.settled()
    assert [(row.message_id, row.state) for row in napcat.record(USER)][:-2] == [
        (known["message_id"], "answered"),
        (mine["message_id"], "heard"),
        (old["message_id"], "heard"),
        (recent["message_id"], "answered"),
        (answer.message_id, "heard"),
    ]
    assert [(row.message_id, row.state) for row in napcat.record(GROUP)] == [
        (heard["message_id"], "heard"),
        (talk["message_id"], "heard"),
        (asked["message_id"], "answered"),
        (reply.message_id, "heard"),
    ]
    assert str(asked["message_id"]) == reply.quoted
    assert (len(napcat.outgoing[USER]), len(napcat.outgoing[GROUP])) == (2, 1)


def _aged(event: dict[str, Any], seconds: int) -> dict[str, Any]:
    """The event, said so long ago."""
    return {**event, "time": int(time.time()) - seconds}


def _sent_by_bot(napcat: NapCat, sent: Sent) -> dict[str, Any]:
    """What the bot sent, as QQ's history has it."""
    event = napcat.private_message(napcat.self_id, sent.text, target_id=USER, message_id=sent.message_id)
    return {**event, "post_type": "message_sent"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGTERM: it ends a process at once")
async def test_stopped_while_writing(running: Bot, account: int) -> None:
    """SIGTERM ends it in time, status 0, no traceback, what it owes on record; the next start listens in time."""
    async with running.dial(account) as napcat:
        await _start_endless(napcat)
        assert await running.stop(START_LIMIT) == 0
        assert await napcat.wait_closed() == 1001
    assert "Traceback" not in running.log
    assert [row.state for row in napcat.record(USER)] == ["pending"]
    running.write(BRIEF)
    began = time.monotonic()
    running.start()
    async with running.dial(account):
        assert time.monotonic() - began < START_LIMIT
