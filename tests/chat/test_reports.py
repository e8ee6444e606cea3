"""Failures reach the owner, once per kind per hour."""

import asyncio
from typing import Any

from fakes import FakeAccount

from onebot_bot.chat.reports import MOST_KEPT, QUIET_SECONDS, Reports
from onebot_bot.errors import ActionFailed, ActionUnknown, ModelError, NotConnected, ProfileError
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.sections.bot import BotConfig
from onebot_bot.texts import next_step


async def at_once(account: Any) -> None:
    """A queue that is empty."""


async def test_an_owner_is_told_once_an_hour_with_the_id(clock: Any) -> None:
    """The message names what, where and the id; the same kind is then silent for an hour."""
    account: Any = FakeAccount()
    async with asyncio.TaskGroup() as tasks:
        reports = Reports(lambda: BotConfig(owners=[5]), {10000: account}, tasks, clock.time, at_once)
        first = reports.report("report.answer", ChatId(10000, "group", 7), ModelError("out of memory"))
        reports.report("report.answer", None, ModelError("again"))
        clock.advance(QUIET_SECONDS)
        reports.report("report.answer", None, ValueError("secret detail"))
    told = [account.sent.get_nowait() for _ in range(account.sent.qsize())]
    assert [message.user_id for message in told] == [5, 5]
    text = told[0].message[0].text
    assert first in text
    assert "out of memory" in text
    assert "10000/group/7" in text
    assert "secret detail" not in told[1].message[0].text
    assert (text.splitlines()[0], text.splitlines()[-1]) == (
        "⚠️ 有一条消息没能回复。 [OB-1201]",
        f"→ {next_step('zh', 'OB-1201')}",
    )
    assert told[1].message[0].text.endswith(f"ValueError\n→ {next_step('zh', 'OB-2101')}")


async def test_each_profile_that_fails_is_told(clock: Any) -> None:
    """Once in an hour each."""
    account: Any = FakeAccount()
    async with asyncio.TaskGroup() as tasks:
        reports = Reports(lambda: BotConfig(owners=[5]), {10000: account}, tasks, clock.time, at_once)
        for name in ("small", "large", "small"):
            reports.report("report.profile", None, ProfileError(name, "no such folder"))
    told = [account.sent.get_nowait().message[0].text for _ in range(account.sent.qsize())]
    assert [text.splitlines()[-2] for text in told] == [
        f"profiles.{name}: no such folder" for name in ("small", "large")
    ]


async def test_what_could_not_be_told_is_told_once_something_connects(clock: Any) -> None:
    """Each kind once; a second connection repeats nothing."""
    account: Any = FakeAccount()
    connection, account.active = account.active, None
    async with asyncio.TaskGroup() as tasks:
        reports = Reports(lambda: BotConfig(owners=[5, 6]), {10000: account}, tasks, clock.time, at_once)
        number = reports.report("report.model", None, ModelError("no such folder"))
        reports.report("report.model", None, ModelError("again"))
        await settled()
        reports.connected()  # of another account, say, and gone again at once
        await settled()
        account.active = connection
        reports.connected()
        reports.connected()
    told = [account.sent.get_nowait() for _ in range(account.sent.qsize())]
    assert [message.user_id for message in told] == [5, 6]
    assert all(number in message.message[0].text for message in told)


async def test_a_report_that_met_a_closing_connection_is_kept(clock: Any) -> None:
    """But not one that QQ refused, nor one that may have arrived."""
    account: Any = FakeAccount()
    account.failures = [NotConnected("closed"), ActionFailed("send_private_msg", 1, "no friend"), ActionUnknown("late")]
    async with asyncio.TaskGroup() as tasks:
        reports = Reports(lambda: BotConfig(owners=[5]), {10000: account}, tasks, clock.time, at_once)
        for kind in ("report.model", "report.answer", "report.send"):
            reports.report(kind, None, ModelError(kind))
        tried = [await account.next() for _ in range(3)]
        await settled()
        reports.connected()
    assert account.sent.get_nowait() == tried[0]
    assert account.sent.empty()


async def test_only_the_latest_reports_are_kept(clock: Any) -> None:
    """A bot that is offline for days does not fill the owner's screen."""
    account: Any = FakeAccount()
    connection, account.active = account.active, None
    async with asyncio.TaskGroup() as tasks:
        reports = Reports(lambda: BotConfig(owners=[5]), {10000: account}, tasks, clock.time, at_once)
        numbers = []
        for _ in range(MOST_KEPT + 2):
            numbers.append(reports.report("report.answer", None, ModelError("x")))
            clock.advance(QUIET_SECONDS)
        await settled()
        account.active = connection
        reports.connected()
    texts = [account.sent.get_nowait().message[0].text for _ in range(account.sent.qsize())]
    assert len(texts) == MOST_KEPT
    assert all(number in text for number, text in zip(numbers[2:], texts, strict=True))


async def test_without_owners_nothing_is_kept(clock: Any) -> None:
    """Whoever becomes the owner later has the log."""
    account: Any = FakeAccount()
    connection, account.active = account.active, None
    bot = BotConfig()
    async with asyncio.TaskGroup() as tasks:
        reports = Reports(lambda: bot, {10000: account}, tasks, clock.time, at_once)
        reports.report("report.send", None, ModelError("x"))
        await settled()
        bot = BotConfig(owners=[5])
        account.active = connection
        reports.connected()
    assert account.sent.empty()


async def settled() -> None:
    """Let the tasks that can run do so: sending to an account that is not connected takes no time."""
    for _ in range(5):
        await asyncio.sleep(0)
