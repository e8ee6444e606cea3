"""Failures reach the owner, once per kind per hour."""

import asyncio
from typing import Any

from fakes import FakeAccount

from onebot_bot.chat.reports import QUIET_SECONDS, Reports
from onebot_bot.config import BotConfig
from onebot_bot.errors import ModelError
from onebot_bot.protocol.chat_id import ChatId


async def test_an_owner_is_told_once_an_hour_with_the_id(clock: Any) -> None:
    """The message names what, where and the id; the same kind is then silent for an hour."""
    account: Any = FakeAccount()
    async with asyncio.TaskGroup() as tasks:
        reports = Reports(lambda: BotConfig(owners=[5]), {10000: account}, tasks, clock.time)
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


async def test_no_owner_and_no_connection_are_no_errors(clock: Any) -> None:
    """The log still has it."""
    account: Any = FakeAccount()
    account.active = None
    async with asyncio.TaskGroup() as tasks:
        for bot in (BotConfig(), BotConfig(owners=[5])):
            Reports(lambda bot=bot: bot, {10000: account}, tasks, clock.time).report(  # type: ignore[misc]  # bound now
                "report.send", None, ModelError("x")
            )
    assert account.sent.empty()
