"""Taking part, in chats: what is asked of the model, what is sent, what is on record."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from fakes import FakeAccount, FakeClock, ScriptedEngine, answer, until
from world import World

from onebot_bot.chat.participation import Silence, Trigger
from onebot_bot.chat.presence import Presence
from onebot_bot.chat.reply import NO_REPLY
from onebot_bot.chat.router import ChatRouter
from onebot_bot.engine.request import Generation, Text
from onebot_bot.memory.chat_settings import ChatSettings, ChatSettingsStore
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import History
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import At
from onebot_bot.protocol.segments import Text as Words

GROUP, ALICE = ChatId(10000, "group", 77), ChatId(10000, "private", 1)
ME = At("10000")


class Company(World):
    """A world whose dice and settings of groups a test holds."""

    def __init__(self, engine: ScriptedEngine, clock: FakeClock, database: Database) -> None:
        super().__init__(engine, clock, History(database))
        self.groups = ChatSettingsStore(database)
        self.dice = 0.0
        noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
        self.presence = Presence(self.groups.of, lambda: noon, lambda: self.dice)

    async def record(self) -> list[tuple[str, str]]:
        """Text and state of everything on record in the group."""
        await self.settled()
        return [(entry.text, entry.state) for entry in await self.history.recent(GROUP, 100)]

    async def concluded(self) -> None:
        """Until no turn is open in the group."""
        await until(lambda: not self.sessions[GROUP].busy)

    def why(self, chat: ChatId = GROUP) -> Trigger | Silence | None:
        """The last decision."""
        last = self.presence.last(chat)
        return last.decision.why if last is not None else None


@pytest.fixture
async def company(engine: ScriptedEngine, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Company]:
    """A running router."""
    async with Database(tmp_path / "memory.sqlite3") as database:
        made = Company(engine, clock, database)
        services = msgspec.structs.replace(made.services(), presence=made.presence)
        async with ChatRouter(services, made, made.accounts, made.sessions, made.fill_gap) as router:
            made.router = router
            yield made


def told(generation: Generation) -> str:
    """All that the model is told."""
    turns = generation.request.conversation.turns
    return "".join(part.text for turn in turns for part in turn.parts if isinstance(part, Text))


async def test_the_gate_lets_it_join_in_and_the_model_is_told_that_it_may_say_nothing(company: Company) -> None:
    """Nobody called it; an @ in the same turn would make an answer due."""
    company.configure("chat", talk_value=0.5)
    company.say(company.group("who likes tea?"))
    await company.quiet()
    generation = await company.engine.next()
    assert NO_REPLY in told(generation)
    answer(generation, "me!")
    assert (await company.account.next()).message[-1] == Words("me!")


@pytest.mark.parametrize("message", ["小忆?", (ME, Words("tea?"))])
async def test_who_calls_it_gets_no_choice_of_silence(company: Company, message: str | tuple[At | Words, ...]) -> None:
    """The system turn does not speak of it."""
    company.configure("chat", talk_value=1.0)
    company.say(company.group(message))
    await company.quiet()
    assert NO_REPLY not in told(await company.engine.next())


async def test_an_at_behind_uncalled_words_makes_an_answer_due(company: Company) -> None:
    """One turn of both."""
    company.configure("chat", talk_value=1.0)
    company.say(company.group("who likes tea?"))
    company.say(company.group((ME, Words("you?"))))
    await company.quiet()
    assert NO_REPLY not in told(await company.engine.next())


async def test_chosen_silence_sends_and_stores_nothing(company: Company) -> None:
    """What was said is dealt with, and no turn of the bot is on record."""
    company.configure("chat", talk_value=1.0)
    company.say(company.group("who likes tea?"))
    await company.quiet()
    answer(await company.engine.next(), NO_REPLY)
    await company.concluded()
    assert await company.record() == [("who likes tea?", "answered")]
    assert company.account.sent.empty()
    assert (last := company.presence.last(GROUP)) is not None
    assert last.outcome == "no_reply"


async def test_uncalled_talk_does_not_queue(company: Company) -> None:
    """While it writes, others' words are only heard."""
    company.configure("chat", talk_value=1.0)
    company.say(company.group((ME, Words("hi"))))
    company.say(company.group("chatter", user=2))
    assert company.why() is Silence.BUSY
    await company.quiet()
    answer(await company.engine.next(), "hello")
    await company.account.next()
    await company.concluded()
    assert company.engine.requests.empty()


async def test_an_observer_records_and_says_nothing(company: Company) -> None:
    """Not even to an @."""
    await company.groups.put(GROUP, ChatSettings(mode="observe"))
    company.say(company.group((ME, Words("hi"))))
    assert await company.record() == [("@小忆 hi", "heard")]
    assert company.why() is Silence.OBSERVING
    assert company.engine.requests.empty()


async def test_a_shadow_thinks_and_says_nothing(company: Company) -> None:
    """The model is asked, the log is told, and the record has no answer; private chats know no shadow."""
    company.configure("chat", mode="shadow")
    company.say(company.group((ME, Words("hi"))))
    await company.quiet()
    answer(await company.engine.next(), "hello")
    await company.concluded()
    assert await company.record() == [("@小忆 hi", "heard")]
    assert company.account.sent.empty()
    assert (last := company.presence.last(GROUP)) is not None
    assert last.outcome == "shadow"
    company.say(company.private("hi"))
    await company.quiet()
    answer(await company.engine.next(), "hello")
    assert (await company.account.next()).user_id == 1


async def test_switched_off_it_does_not_even_listen(company: Company) -> None:
    """Commands are carried out all the same: one of them switches it on."""
    await company.groups.put(GROUP, ChatSettings(mode="off"))
    company.say(company.group((ME, Words("hi"))))
    company.say(company.group("/on"))
    assert await company.commands.get() == "/on"
    assert await company.record() == []


async def test_in_quiet_hours_only_an_at_or_a_quote_is_answered(company: Company) -> None:
    """Its name is not enough."""
    company.configure("chat", talk_value=1.0, quiet_hours="11:00-13:00")
    company.say(company.group("小忆?", user=2))
    assert company.why() is Silence.QUIET
    company.say(company.group((ME, Words("hi"))))
    assert company.why() is Trigger.MENTION


async def test_a_bot_that_nobody_listed_is_left_alone_after_some_exchanges(company: Company) -> None:
    """For a minute; what it says is still on record."""
    company.configure("chat", exchanges_per_minute=2)
    for _ in range(2):
        company.say(company.private("beep"))
        await company.quiet()
        answer(await company.engine.next(), "ok")
        await company.account.next()
        await until(lambda: not company.sessions[ALICE].busy)
    company.say(company.private("beep"))
    assert company.why(ALICE) is Silence.LOOP
    company.clock.advance(60)
    company.say(company.private("still there?"))
    assert company.why(ALICE) is Trigger.PRIVATE


async def test_of_two_accounts_in_a_group_one_throws_the_dice(company: Company) -> None:
    """The one that only observes leaves it to the other."""
    company.configure("chat", talk_value=1.0)
    other, theirs = FakeAccount(10001), ChatId(10001, "group", 77)
    company.accounts[10001] = other
    company.say(company.group("tea?", real_seq="1"))
    company.say(company.group("tea?", real_seq="1", self_id=10001), other)
    assert (company.why(), company.why(theirs)) == (Trigger.GATE, Silence.ELSEWHERE)
    await company.groups.put(GROUP, ChatSettings(mode="observe"))
    company.say(company.group("cake?", real_seq="2"))
    company.say(company.group("cake?", real_seq="2", self_id=10001, user=2), other)
    assert (company.why(), company.why(theirs)) == (Silence.OBSERVING, Trigger.GATE)


async def test_settings_of_a_group_survive_a_restart(tmp_path: Path) -> None:
    """And are that group's alone."""
    path, kept = tmp_path / "memory.sqlite3", ChatSettings(mode="shadow", talk_value=0.3, talk_times=("1:00-2:00 1",))
    async with Database(path) as database:
        await ChatSettingsStore(database).put(GROUP, kept)
    async with Database(path) as database:
        groups = ChatSettingsStore(database)
        await groups.restore()
        assert (groups.of(GROUP), groups.of(ALICE)) == (kept, ChatSettings())
