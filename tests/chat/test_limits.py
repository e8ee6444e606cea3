"""Limits: for one person, for one group, for a minute and for a day; told once, and then silence."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from fakes import FakeClock, ScriptedEngine, answer, until
from world import World

from onebot_bot.chat.access import Access
from onebot_bot.chat.limits import Excess, Limits
from onebot_bot.chat.presence import Presence
from onebot_bot.chat.router import ChatRouter
from onebot_bot.engine.request import Usage as Cost
from onebot_bot.errors import StoreError
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import History
from onebot_bot.memory.usage import LOST, Usage
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import At, Text
from onebot_bot.sections.limits import LimitsConfig
from onebot_bot.texts import say

OWNER, TOM, ANN = 9, 1, 2
GROUP, PRIVATE = ChatId(10000, "group", 77), ChatId(10000, "private", TOM)
ME = At("10000")


class Office:
    """Limits over real usage, on a day that the test says."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.day, self.database = "2026-11-21", database
        self.usage = Usage(database, lambda: self.day, clock.time)
        self.limits = Limits(self.usage, clock.time)

    def excess(self, chat: ChatId, user: int, **config: int) -> Excess | None:
        """What forbids an answer."""
        return self.limits.excess(chat, user, LimitsConfig(**config), [OWNER])


@pytest.fixture
async def office(clock: FakeClock, tmp_path: Path) -> AsyncIterator[Office]:
    """With nothing used."""
    async with Database(tmp_path / "memory.sqlite3") as database:
        made = Office(database, clock)
        await made.usage.restore()
        yield made


async def test_a_person_is_limited_in_all_chats_and_a_group_for_all_people(office: Office) -> None:
    """The owner is not; nor is anybody where there is no limit."""
    office.limits.answered(GROUP, [TOM])
    office.limits.answered(PRIVATE, [TOM])
    assert office.excess(PRIVATE, TOM) is None
    assert office.excess(PRIVATE, TOM, user_per_day=3) is None
    assert office.excess(PRIVATE, TOM, user_per_day=2) == Excess(("user", TOM), "day", tell=True)
    assert office.excess(GROUP, ANN, user_per_day=1) is None
    assert office.excess(GROUP, ANN, group_per_day=1) == Excess(("group", 77), "day", tell=True)
    assert office.excess(GROUP, 0, group_per_minute=1) == Excess(("group", 77), "minute", tell=True)
    assert office.excess(GROUP, OWNER, group_per_day=1, user_per_day=1) is None


async def test_a_minute_slides(office: Office, clock: FakeClock) -> None:
    """What was said sixty seconds ago no longer counts; being too quick is told again after ten minutes only."""
    office.limits.answered(PRIVATE, [TOM])
    clock.advance(30)
    office.limits.answered(PRIVATE, [TOM])
    excess = office.excess(PRIVATE, TOM, user_per_minute=2)
    assert excess == Excess(("user", TOM), "minute", tell=True)
    office.limits.told(excess)
    assert office.excess(PRIVATE, TOM, user_per_minute=2) == Excess(("user", TOM), "minute", tell=False)
    clock.advance(30)
    assert office.excess(PRIVATE, TOM, user_per_minute=2) is None
    clock.advance(570)
    for _ in range(2):
        office.limits.answered(PRIVATE, [TOM])
    assert office.excess(PRIVATE, TOM, user_per_minute=2) == excess


async def test_tokens_count_whether_or_not_they_were_sent(office: Office) -> None:
    """For the person and for the group."""
    office.limits.spent(GROUP, TOM, 70)
    office.limits.spent(PRIVATE, TOM, 30)
    assert office.excess(PRIVATE, TOM, user_tokens_per_day=101) is None
    assert office.excess(PRIVATE, TOM, user_tokens_per_day=100) == Excess(("user", TOM), "tokens", tell=True)
    assert office.excess(GROUP, ANN, group_tokens_per_day=70) == Excess(("group", 77), "tokens", tell=True)


async def test_a_day_is_remembered_through_a_restart_and_ends(office: Office, tmp_path: Path) -> None:
    """Also that it was told already."""
    office.limits.answered(PRIVATE, [TOM])
    office.limits.spent(PRIVATE, TOM, 5)
    excess = office.excess(PRIVATE, TOM, user_per_day=1)
    assert excess is not None
    office.limits.told(excess)
    await office.usage.restore()
    assert office.excess(PRIVATE, TOM, user_per_day=1) == Excess(("user", TOM), "day", tell=False)
    used = office.usage.of(("user", TOM))
    assert (used.answers, used.tokens, used.told) == (1, 5, True)
    office.day = "2026-11-22"
    assert office.excess(PRIVATE, TOM, user_per_day=1) is None
    await office.usage.restore()
    assert office.usage.of(("user", TOM)).answers == 0


async def test_what_the_disk_did_not_take_is_written_later(office: Office, clock: FakeClock, tmp_path: Path) -> None:
    """Here another program holds the file for too long, and lets go."""
    other = sqlite3.connect(tmp_path / "memory.sqlite3", isolation_level=None)
    await office.database.write(lambda connection: connection.execute("PRAGMA busy_timeout = 0").fetchall())
    other.execute("BEGIN IMMEDIATE")
    office.limits.answered(PRIVATE, [TOM])
    with pytest.raises(StoreError):
        await office.database.write(lambda connection: connection.execute("SELECT 1").fetchall())
    other.close()
    clock.now += LOST
    office.limits.answered(PRIVATE, [TOM])
    await office.usage.restore()
    assert office.usage.of(("user", TOM)).answers == 2


# --- in chats ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def company(engine: ScriptedEngine, clock: FakeClock, tmp_path: Path) -> AsyncIterator[World]:
    """A router with limits."""
    async with Database(tmp_path / "chats.sqlite3") as database:
        made = World(engine, clock, History(database))
        made.banned = set()  # type: ignore[attr-defined]  # this file's own
        usage = Usage(database, lambda: "2026-11-21")
        await usage.restore()
        services = msgspec.structs.replace(
            made.services(),
            presence=Presence(draw=lambda: 0.0),
            limits=Limits(usage, clock.time),
            access=Access(lambda user: user in made.banned),  # type: ignore[attr-defined]  # as above
        )
        async with ChatRouter(services, made, made.accounts, made.sessions, made.fill_gap) as router:
            made.router = router
            yield made


async def states(company: World, chat: ChatId) -> list[str]:
    """Of everything on record there."""
    await until(lambda: not company.sessions[chat].busy)
    await company.settled()
    return [entry.state for entry in await company.history.recent(chat, 100)]


async def test_who_had_enough_is_told_once_and_then_nothing(company: World) -> None:
    """What they say is heard all the same."""
    company.configure("limits", user_per_day=1)
    company.say(company.private("one"))
    await company.quiet()
    answer(await company.engine.next(), "first", usage=Cost(new_tokens=7))
    assert (await company.account.next()).message == (Text("first"),)
    await states(company, PRIVATE)
    company.say(company.private("two"))
    await company.quiet()
    assert (await company.account.next()).message == (Text(say("zh", "limits.user_day")),)
    await states(company, PRIVATE)
    company.say(company.private("three"))
    await company.quiet()
    assert await states(company, PRIVATE) == ["answered", "heard", "heard", "heard"]
    assert company.account.sent.empty()
    assert company.engine.requests.empty()


async def test_tokens_are_counted_in_chats(company: World) -> None:
    """Those of an answer that was none, too."""
    company.configure("limits", user_tokens_per_day=7)
    company.say(company.private("one"))
    await company.quiet()
    answer(await company.engine.next(), "<no_reply>", usage=Cost(new_tokens=7))
    await states(company, PRIVATE)
    company.say(company.private("two"))
    await company.quiet()
    assert (await company.account.next()).message == (Text(say("zh", "limits.user_tokens")),)


async def test_uncalled_the_bot_is_simply_silent(company: World) -> None:
    """Nobody asked, so nobody is told."""
    company.configure("limits", group_per_day=1)
    company.say(company.group((ME, Text("one"))))
    await company.quiet()
    answer(await company.engine.next(), "first")
    await company.account.next()
    await states(company, GROUP)
    company.configure("chat", talk_value=1.0)
    company.say(company.group("two", ANN))
    await company.quiet()
    assert await states(company, GROUP) == ["answered", "heard", "heard"]
    assert company.account.sent.empty()


async def test_who_is_banned_while_the_burst_lasts_gets_no_answer(company: World) -> None:
    """What waits is dropped."""
    company.say(company.private("one"))
    company.banned.add(TOM)  # type: ignore[attr-defined]  # the fixture's
    await company.quiet()
    assert await states(company, PRIVATE) == ["dropped"]
    assert company.engine.requests.empty()
