"""Speaking first: when, how often, to whom, and that it gives way to whoever speaks."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fakes import FakeClock, ScriptedEngine, answer, until
from world import World

from onebot_bot.chat.access import Access
from onebot_bot.chat.explained import explain
from onebot_bot.chat.initiative import LOOK_EVERY, SETTLED, Initiative, Lull, is_due, is_open, prompt_of, share_of
from onebot_bot.chat.limits import Limits
from onebot_bot.chat.presence import Presence
from onebot_bot.chat.reply import NO_REPLY
from onebot_bot.chat.router import ChatRouter
from onebot_bot.engine.request import Generation, Text
from onebot_bot.errors import StoreError
from onebot_bot.memory.chat_settings import ChatSettings, ChatSettingsStore
from onebot_bot.memory.database import Database
from onebot_bot.memory.first_words import FirstWords, Tried
from onebot_bot.memory.history import Entry, History
from onebot_bot.memory.usage import Usage
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import Message
from onebot_bot.protocol.segments import Text as Words
from onebot_bot.sections.chat import ChatConfig
from onebot_bot.sections.proactive import ProactiveConfig
from onebot_bot.texts import say

GROUP, ALICE = ChatId(10000, "group", 77), ChatId(10000, "private", 1)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
BOT = 99
HOUR = 3600.0


def at(hour: float) -> datetime:
    """That hour of the day."""
    return NOON + timedelta(hours=hour - 12)


def second(hour: float) -> int:
    """The same as a unix second."""
    return int(at(hour).timestamp())


@pytest.mark.parametrize(
    ("lull", "config", "due"),
    [
        (Lull(second(9), 0, Tried()), {}, True),
        (Lull(second(9.1), 0, Tried()), {}, False),
        (Lull(second(3), 0, Tried(second(9), 1, "2026-11-21", 1)), {}, False),
        (Lull(second(3), 0, Tried(second(6), 1, "2026-11-21", 1)), {}, True),
        (Lull(second(3), 0, Tried(second(6), 1, "2026-11-21", 1)), {"backoff": 3}, False),
        (Lull(second(7), second(7), Tried(second(6), 3, "2026-11-21", 1)), {}, True),
        (Lull(second(-90), second(-90), Tried(second(-80), 3, "2026-11-18", 1)), {}, False),
        (Lull(second(3), 0, Tried(second(3), 1, "2026-11-21", 2)), {}, False),
        (Lull(second(-9), 0, Tried(second(-8), 1, "2026-11-20", 2)), {}, True),
        (Lull(second(9), 0, Tried()), {"per_day": 0}, False),
        (Lull(second(9), 0, Tried()), {"hours": "13:00-22:00"}, False),
    ],
    ids=[
        *("quiet", "not for long enough", "just spoke", "ignored once", "waits longer", "was answered"),
        *("ignored too often", "enough today", "that was yesterday", "never", "not at noon"),
    ],
)
def test_when_to_speak_first(lull: Lull, config: dict[str, Any], due: bool) -> None:  # noqa: FBT001 - a case
    """After three hours, ever later while ignored, twice a day."""
    assert is_due(lull, NOON, ProactiveConfig(**config), ChatConfig(), share=0) == due


def test_the_wait_is_up_to_half_longer_and_the_same_for_one_silence() -> None:
    """Dice thrown at every look would nearly always fall early."""
    config = ProactiveConfig()
    assert is_due(Lull(second(7.5), 0, Tried()), NOON, config, ChatConfig(), share=1)
    assert not is_due(Lull(second(7.6), 0, Tried()), NOON, config, ChatConfig(), share=1)
    shares = [share_of(GROUP, Lull(heard, 0, Tried())) for heard in range(100)]
    assert shares == [share_of(GROUP, Lull(heard, 0, Tried())) for heard in range(100)]
    assert min(shares) < 0.1
    assert max(shares) > 0.9


@pytest.mark.parametrize(
    ("hour", "hours", "quiet", "share", "opened"),
    [
        (9, "09:00-22:00", "", 0, True),
        (9, "09:00-22:00", "", 0.5, False),
        (9.5, "09:00-22:00", "", 0.5, True),
        (22, "09:00-22:00", "", 0, False),
        (12, "09:00-22:00", "12:00-14:00", 0, False),
        (1, "20:00-02:00", "", 1, True),
        (2, "20:00-02:00", "", 0, False),
        (23, "00:00-24:00", "", 1, True),
        (12.1, "12:00-12:10", "", 1, True),
    ],
)
def test_the_hours(hour: float, hours: str, quiet: str, share: float, opened: bool) -> None:  # noqa: FBT001 - a case
    """What became due before they begin is spread over their first hour; quiet hours hold in any case."""
    assert is_open(round(60 * hour), hours, quiet, share) == opened


def test_the_model_is_told_how_things_stand() -> None:
    """The time, the silence, whether it was ignored, and how to say nothing."""
    told = prompt_of(Lull(second(9), 0, Tried()), NOON, "en")
    assert "2026-11-21 12:00" in told
    assert "about 3 hours" in told
    assert NO_REPLY in told
    assert "nobody reacted" not in told
    assert "nobody reacted" in prompt_of(Lull(second(-60), 0, Tried(second(-60), 1)), NOON, "en")
    assert "about 3 days" in prompt_of(Lull(second(-60), 0, Tried()), NOON, "en")
    assert "大约 5 分钟" in prompt_of(Lull(second(12) - 300, 0, Tried()), NOON, "zh")


class Parlour(World):
    """A world in which the bot may speak first in one group and with one person."""

    def __init__(self, engine: ScriptedEngine, clock: FakeClock, database: Database) -> None:
        self.clock = clock
        super().__init__(engine, clock, History(database, lambda: self.local().timestamp()))
        self.groups = ChatSettingsStore(database)
        self.presence = Presence(self.groups.of, self.local)
        self.usage = Usage(database, lambda: "2026-11-21")
        self.words = FirstWords(database)
        self.awake = True
        self.configure("proactive", enabled=True)
        self.initiative = self.made(self.words)

    def local(self) -> datetime:
        """Noon at the beginning."""
        return NOON + timedelta(seconds=self.clock.now - 1000)

    def made(self, words: FirstWords) -> Initiative:
        """One that begins with what is on record."""
        initiative = Initiative(
            words,
            groups=self.groups,
            accounts=self.accounts,
            settings=lambda: self.settings,
            presence=self.presence,
            access=Access(lambda user: user == 2),
            speak=self.speak,
            awake=lambda: self.awake,
            language=lambda chat, _user: "en" if chat == GROUP else "zh",
            report=self.report,
            clock=self.clock,
            local=self.local,
        )
        initiative.connected(self.account)
        return initiative

    def speak(self, account: Any, chat: ChatId, entry: Entry) -> bool:
        """Ask the router, which is made later."""
        return self.router.speak_first(account, chat, entry)

    async def welcome(self, *chats: ChatId) -> None:
        """Somebody types /proactive on there."""
        for chat in chats:
            settings = ChatSettings(first_words_since=int(self.local().timestamp()))
            await self.groups.put(chat, settings)

    def say(self, message: Message, account: Any = None) -> None:
        """A message arrives."""
        self.initiative.heard(message.chat_id, message.user_id)
        super().say(message, account)

    async def wait(self, hours: float) -> None:
        """Let time pass, then look."""
        self.clock.advance(hours * HOUR)
        await self.initiative.look()

    async def first_words(self, text: str, hours: float = 4.5) -> Generation:
        """Let time pass; the model then speaks first."""
        await self.wait(hours)
        await self.quiet()
        generation = await self.engine.next()
        answer(generation, text)
        await until(lambda: not any(session.busy for session in self.sessions.values()))
        return generation

    async def record(self, chat: ChatId) -> list[tuple[str, str]]:
        """Role and text of everything on record."""
        await self.settled()
        return [(entry.role, entry.text) for entry in await self.history.recent(chat, 100)]

    def why(self, chat: ChatId) -> str:
        """What /why says."""
        last = self.presence.last(chat)
        assert last is not None
        return explain(last, "zh")

    @property
    def silent(self) -> bool:
        """Whether nothing was asked of the model, nor waits to be."""
        return self.engine.requests.empty() and not any(session.busy for session in self.sessions.values())


@pytest.fixture
async def parlour(engine: ScriptedEngine, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Parlour]:
    """A running router."""
    async with Database(tmp_path / "memory.sqlite3") as database:
        made = Parlour(engine, clock, database)
        limits = Limits(made.usage, clock.time)
        services = msgspec.structs.replace(made.services(), presence=made.presence, limits=limits)
        async with ChatRouter(services, made, made.accounts, made.sessions, made.fill_gap) as router:
            made.router = router
            yield made


async def test_after_a_long_silence_the_model_speaks_first(parlour: Parlour) -> None:
    """Told to by a note that goes on no record; what it says does, and goes out without a quote."""
    await parlour.welcome(GROUP)
    parlour.say(parlour.group("bye", user=5))
    await parlour.wait(2.9)
    assert parlour.silent
    generation = await parlour.first_words("大家在忙什么？", 1.7)
    parts = generation.request.conversation.turns[-1].parts
    shown = "".join(part.text for part in parts if isinstance(part, Text))
    assert shown.startswith("[card5(5)] bye\n(System: ")
    assert NO_REPLY in shown
    assert (await parlour.account.next()).message == (Words("大家在忙什么？"),)
    assert await parlour.record(GROUP) == [("user", "bye"), ("assistant", "大家在忙什么？")]
    assert parlour.why(GROUP) == say("zh", "part.first")


async def test_chosen_silence_sends_and_stores_nothing(parlour: Parlour) -> None:
    """It counts as a try all the same: nobody is thought of every minute."""
    await parlour.welcome(ALICE)
    await parlour.first_words(NO_REPLY)
    assert await parlour.record(ALICE) == []
    assert parlour.account.sent.empty()
    assert parlour.why(ALICE) == say("zh", "part.first_silent")
    await parlour.wait(1)
    assert parlour.silent


async def test_nobody_is_spoken_to_who_did_not_ask_for_it(parlour: Parlour) -> None:
    """Nor if they thought better of it, nor where the owner has it off, as it is by default."""
    parlour.say(parlour.group("hi", user=5))
    await parlour.wait(9)
    await parlour.welcome(GROUP)
    await parlour.groups.put(GROUP, ChatSettings())
    await parlour.wait(9)
    await parlour.welcome(GROUP)
    parlour.configure("proactive", enabled=ProactiveConfig().enabled)
    await parlour.wait(9)
    assert parlour.silent


async def test_of_who_wants_it_no_more_nothing_is_kept(parlour: Parlour) -> None:
    """Many chats may have wanted it once."""
    await parlour.welcome(GROUP, ALICE)
    parlour.say(parlour.group("hi", user=5))
    await parlour.wait(0.1)
    initiative = parlour.initiative
    assert (set(initiative._read), set(initiative._heard)) == ({GROUP, ALICE}, {GROUP})
    await parlour.groups.put(GROUP, ChatSettings())
    await parlour.wait(0.1)
    assert (set(initiative._read), set(initiative._heard)) == ({ALICE}, set())


async def test_who_ignores_it_is_left_alone_for_longer_and_then_for_good(parlour: Parlour) -> None:
    """Until somebody says something; a bot's chatter is nobody's reaction."""
    parlour.configure("proactive", hours="00:00-24:00", per_day=24, max_ignored=2)
    parlour.configure("chat", bots=[BOT])
    await parlour.welcome(GROUP)
    await parlour.first_words("one")
    await parlour.wait(4.5)
    assert parlour.silent
    await parlour.first_words("two", 4.5)
    parlour.say(parlour.group("the news", user=BOT))
    await parlour.wait(100)
    assert parlour.silent
    parlour.say(parlour.group("hi", user=5))
    await parlour.wait(2.9)
    assert parlour.silent
    await parlour.first_words("three", 1.7)
    assert parlour.words.of(GROUP).ignored == 1


async def test_a_restart_greets_nobody_twice(parlour: Parlour) -> None:
    """The day's count and how often it was ignored live on; a process that ended in the middle has tried."""
    await parlour.welcome(ALICE)
    await parlour.wait(4.5)
    again = FirstWords(parlour.words._database)
    await again.restore()
    assert again.of(ALICE) == Tried(second(16.5), 1, "2026-11-21", 1)
    assert again.on("2026-11-21") == 1
    assert again.on("2026-11-22") == 0
    parlour.sessions[ALICE].stop()
    parlour.initiative = parlour.made(again)
    await parlour.wait(3)
    assert parlour.silent


async def test_after_a_restart_the_record_tells_who_spoke_when(parlour: Parlour) -> None:
    """And after an outage, what came meanwhile."""
    await parlour.welcome(GROUP)
    parlour.clock.advance(4 * HOUR)
    parlour.router.dispatch(parlour.account, parlour.group("hi", user=5))
    await parlour.settled()
    await parlour.wait(1)
    assert parlour.silent
    parlour.router.dispatch(parlour.account, parlour.group("ho", user=5))
    await parlour.settled()
    parlour.initiative.connected(parlour.account)
    await parlour.wait(2.5)
    assert parlour.silent


@pytest.mark.parametrize(
    ("text", "user"),
    [("小忆, hi", 5), ("who has seen my keys?", 5), ("/help", 5), ("hm", 6), ("typed elsewhere", 10000)],
)
async def test_it_gives_way_to_whoever_speaks_while_it_writes(parlour: Parlour, text: str, user: int) -> None:
    """What it would have said is dropped, and only what was said to it is answered; number 6 is denied."""
    parlour.configure("access", deny_users=[6])
    await parlour.welcome(GROUP)
    await parlour.wait(4.5)
    await parlour.quiet()
    generation = await parlour.engine.next()
    parlour.say(parlour.group(text, user=user))
    assert generation.interrupted
    answer(generation, "hello all")
    if text.startswith("小忆"):
        await parlour.quiet()
        answer(await parlour.engine.next(), "hi you")
        assert (await parlour.account.next()).message[-1] == Words("hi you")
    await until(lambda: not parlour.sessions[GROUP].busy)
    assert parlour.account.sent.empty()


async def test_it_gives_way_before_it_begins_to_write_and_when_it_is_about_to_send(parlour: Parlour) -> None:
    """Up to the last moment."""
    await parlour.welcome(GROUP)
    await parlour.wait(4.5)
    parlour.say(parlour.group("hm", user=5))
    assert not parlour.sessions[GROUP].busy
    parlour.configure("chat", typing_speed=1.0)
    await parlour.wait(4.5)
    await until(lambda: parlour.clock.sleeping > 0)
    parlour.clock.advance(1)
    answer(await parlour.engine.next(), "hello all")
    await until(lambda: parlour.clock.sleeping > 0)
    parlour.say(parlour.group("hm", user=5))
    parlour.clock.advance(10)
    await until(lambda: not parlour.sessions[GROUP].busy)
    assert parlour.account.sent.empty()
    assert await parlour.record(GROUP) == [("user", "hm"), ("user", "hm")]


async def test_what_it_does_not_listen_to_is_talk_as_well(parlour: Parlour) -> None:
    """Commands, and people who are denied."""
    await parlour.welcome(GROUP, ALICE)
    parlour.configure("access", deny_users=[5])
    parlour.clock.advance(4 * HOUR)
    parlour.say(parlour.group("psst", user=5))
    parlour.say(parlour.private("/help"))
    await parlour.wait(2.9)
    assert parlour.silent


async def test_one_chat_at_a_time_and_no_more_than_the_day_allows(parlour: Parlour) -> None:
    """Who has waited longest comes first."""
    chats = [ChatId(10000, "private", user) for user in (11, 12, 13)]
    parlour.configure("proactive", hours="00:00-24:00", total_per_day=2)
    await parlour.welcome(*chats)
    for text in ("one", "two"):
        await parlour.first_words(text, 4.5 if text == "one" else 0)
    await parlour.wait(1)
    assert [parlour.words.of(chat).count for chat in chats] == [1, 1, 0]
    await parlour.first_words("three", 8)
    assert parlour.words.of(chats[2]).day == "2026-11-22"


@pytest.mark.parametrize("obstacle", ["asleep", "new connection", "no connection", "observer", "banned", "quiet"])
async def test_when_it_may_not_or_cannot_it_waits(parlour: Parlour, obstacle: str) -> None:
    """And has not tried."""
    await parlour.welcome(GROUP, ChatId(10000, "private", 2))
    parlour.clock.advance(5 * HOUR)
    parlour.configure("chat", mode="observe" if obstacle in ("observer", "banned") else "on")
    if obstacle == "asleep":
        parlour.awake = False
    elif obstacle == "new connection":
        parlour.initiative.connected(parlour.account)
    elif obstacle == "no connection":
        parlour.account.active = None
    elif obstacle == "quiet":
        parlour.configure("chat", quiet_hours="16:00-18:00")
    await parlour.initiative.look()
    assert parlour.silent
    assert parlour.words.on("2026-11-21") == 0
    if obstacle == "new connection":
        await parlour.wait(SETTLED / HOUR)
        assert not parlour.silent


async def test_a_busy_or_resting_chat_is_left_alone(parlour: Parlour) -> None:
    """As the session knows at the last moment."""
    parlour.say(parlour.private("hi"))
    entry = Entry(role="event", text="speak", time=1)
    assert not parlour.router.speak_first(parlour.account, ALICE, entry)
    await parlour.quiet()
    answer(await parlour.engine.next(), "hello")
    await parlour.account.next()
    await until(lambda: not parlour.sessions[ALICE].busy)
    async with parlour.router.paused():
        assert not parlour.router.speak_first(parlour.account, ALICE, entry)
    assert parlour.router.speak_first(parlour.account, ALICE, entry)


async def test_what_a_rest_interrupts_is_not_said_after_it(parlour: Parlour) -> None:
    """By then it is morning."""
    assert parlour.router.speak_first(parlour.account, ALICE, Entry(role="event", text="speak", time=1, user_id=1))
    async with parlour.router.paused():
        await parlour.quiet()
    await until(lambda: not parlour.sessions[ALICE].busy)
    assert parlour.silent


async def test_a_group_at_its_limit_is_not_told_of_it_unasked(parlour: Parlour) -> None:
    """Nobody asked for anything."""
    parlour.configure("limits", group_per_day=1)
    parlour.usage.add(("group", 77), answers=1)
    await parlour.welcome(GROUP)
    await parlour.wait(4.5)
    await parlour.quiet()
    await until(lambda: not parlour.sessions[GROUP].busy)
    assert parlour.silent
    assert parlour.account.sent.empty()


async def test_a_shadow_speaks_first_to_the_log_alone(parlour: Parlour) -> None:
    """As it answers."""
    parlour.configure("chat", mode="shadow")
    await parlour.welcome(GROUP)
    await parlour.first_words("hello all")
    assert parlour.account.sent.empty()
    assert parlour.why(GROUP) == say("zh", "part.first_shadow")


async def test_a_look_that_fails_is_told_and_not_the_last(parlour: Parlour, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database may be free again a minute later."""
    await parlour.welcome(GROUP)
    parlour.clock.advance(4.5 * HOUR)
    heard, failures = parlour.words.heard, [StoreError("locked")]

    async def failing(*arguments: Any) -> tuple[int, int]:
        if failures:
            raise failures.pop()
        return await heard(*arguments)

    monkeypatch.setattr(parlour.words, "heard", failing)
    router: Any = parlour.router
    router.spawn(parlour.initiative.run())
    await parlour.quiet(LOOK_EVERY)
    kind, error = await parlour.reports.get()
    assert (kind, str(error)) == ("report.background", "locked")
    await parlour.quiet(LOOK_EVERY)
    await until(lambda: GROUP in parlour.sessions)
    assert parlour.sessions[GROUP].busy
