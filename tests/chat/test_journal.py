"""What the turn log and /stats are told of every message that called for an answer."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from fakes import FakeClock, ScriptedEngine, answer, until
from world import World

from onebot_bot.chat.access import Access
from onebot_bot.chat.explained import explain
from onebot_bot.chat.journal import Journal, Memory, TurnLine
from onebot_bot.chat.limits import Excess, Limits
from onebot_bot.chat.presence import Presence
from onebot_bot.chat.router import ChatRouter
from onebot_bot.engine.request import FinishReason, Recalled, Usage
from onebot_bot.errors import ActionFailed, RequestError
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import GroupRecall
from onebot_bot.protocol.segments import At, Text
from onebot_bot.sections.server import LogConfig
from onebot_bot.texts import say

ALICE, GROUP = ChatId(10000, "private", 1), ChatId(10000, "group", 77)
ME = At("10000")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
COST = Usage(prompt_tokens=90, reused_tokens=60, new_tokens=7, queued=0.01, first_token=0.2, total=0.5)


class Full(Limits):
    """Everybody has had enough."""

    def __init__(self) -> None:
        """Without a tally: nobody asks for it."""

    def excess(self, *_: object) -> Excess:
        """Told already."""
        return Excess(("user", 1), "day", tell=False)


class Noted(World):
    """A world that keeps what the journal writes and counts."""

    def __init__(self, engine: ScriptedEngine, clock: FakeClock, history: History) -> None:
        super().__init__(engine, clock, history)
        self.presence = Presence()
        self.lines: list[TurnLine] = []
        self.counts: dict[ChatId, dict[str, float]] = {}
        self.log = LogConfig(content=True)
        self.journal = Journal(self._write, self._count, lambda: self.log, lambda: NOON)

    def _write(self, day: str, line: TurnLine) -> None:
        assert day == "2026-11-21"
        self.lines.append(line)

    def _count(self, chat: ChatId, counts: Mapping[str, float]) -> None:
        mine = self.counts.setdefault(chat, {})
        for what, amount in counts.items():
            mine[what] = mine.get(what, 0) + amount

    async def newest(self, count: int = 1) -> TurnLine:
        """The newest line, once there are so many."""
        await until(lambda: len(self.lines) >= count)
        assert len(self.lines) == count
        return self.lines[-1]

    def why(self, chat: ChatId) -> str:
        """What /why says."""
        last = self.presence.last(chat)
        assert last is not None
        return explain(last, "en")


@pytest.fixture
async def noted(engine: ScriptedEngine, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Noted]:
    """A running router."""
    async with Database(tmp_path / "memory.sqlite3") as database:
        made = Noted(engine, clock, History(database))
        services = msgspec.structs.replace(made.services(), presence=made.presence, journal=made.journal)
        async with ChatRouter(services, made, made.accounts, made.sessions, made.fill_gap) as router:
            made.router = router
            yield made


async def test_an_answer_is_a_line(noted: Noted) -> None:
    """Chat, ids, decision, tokens, milliseconds, recalls, why it stopped, and the words."""
    first, second = noted.private("你好"), noted.private("在吗")
    noted.say(first)
    noted.clock.advance(0.5)
    noted.say(second)
    await noted.quiet()
    generation = await noted.engine.next()
    noted.clock.advance(2)
    recalls = (Recalled(0, 3, 0.81234, "x"), Recalled(4, None, 0.1, ""))
    answer(generation, "在呢", recalls=recalls, usage=COST)
    line = await noted.newest()
    assert (line.at, line.chat, line.user) == ("2026-11-21T12:00:00+00:00", "10000/private/1", 1)
    assert line.messages == [first.message_id, second.message_id]
    assert (line.why, line.outcome, line.finish, line.attempts) == ("private", "answered", "stop", 1)
    assert (line.prompt, line.cached, line.new) == (90, 60, 7)
    assert (line.ms.waited, line.ms.prepared, line.ms.queued, line.ms.first, line.ms.model) == (1500, 0, 10, 200, 500)
    assert line.recalls == [Memory(3, 0.8123), Memory(None, 0.1)]
    assert (line.sent, line.asked, line.said) == ([5000], ["你好", "在吗"], ["在呢"])
    assert noted.counts[ALICE] == {
        "seen": 2,
        "answered": 1,
        "bubbles": 1,
        "prompt": 90,
        "tokens": 7,
        "seconds": 0.5,
        "recalls": 1,
    }


async def test_words_are_left_out_where_the_log_has_none(noted: Noted) -> None:
    """`log.content = false` holds for this log, too."""
    noted.log = LogConfig()
    noted.say(noted.private("秘密"))
    await noted.quiet()
    answer(await noted.engine.next(), "我知道")
    line = await noted.newest()
    assert "秘密" not in str(line)
    assert "我知道" not in str(line)


async def test_what_goes_on_no_record_leaves_no_words_in_the_log(noted: Noted) -> None:
    """It is counted, answered or stopped."""
    for number in (1, 2):
        entry = Entry(role="user", text="秘密", time=1, user_id=1, message_id=number)
        noted.router.session(ALICE).resume(entry, unsaved=True)
        if number == 1:
            await noted.quiet()
            answer(await noted.engine.next(), "我知道")
        else:
            noted.sessions[ALICE].stop()
        line = await noted.newest(number)
        assert "秘密" not in str(line)
        assert "我知道" not in str(line)
    assert [line.outcome for line in noted.lines] == ["answered", "stopped"]


async def test_a_call_that_is_not_answered_has_its_reason(noted: Noted) -> None:
    """Also in /stats; talk that is not meant for the bot is only counted."""
    noted.configure("chat", bots=[5], name_chance=0.0)
    noted.say(noted.group((ME, Text("hi")), user=5))
    assert (await noted.newest()).why == "bot"
    noted.say(noted.group("小忆在吗"))
    line = await noted.newest(2)
    assert (line.outcome, line.why, line.chance) == ("silent", "unheard", 0.0)
    noted.say(noted.group("吃了吗"))
    assert len(noted.lines) == 2
    assert noted.counts[GROUP] == {"seen": 3, "silent.bot": 1, "silent.unheard": 1, "silent.closed": 1}


async def test_a_command_is_counted(noted: Noted) -> None:
    """It is no message of the chat."""
    noted.say(noted.private("/why"))
    await until(lambda: ALICE in noted.counts)
    assert noted.counts[ALICE] == {"commands": 1}


async def test_silence_by_choice(noted: Noted) -> None:
    """The model was asked, and said nothing."""
    noted.say(noted.private("你好"))
    await noted.quiet()
    answer(await noted.engine.next(), "<no_reply>", usage=COST)
    line = await noted.newest()
    assert (line.outcome, line.new, line.sent) == ("no_reply", 7, [])
    assert noted.counts[ALICE]["ended.no_reply"] == 1


async def test_an_interrupted_answer_and_the_one_after_it(noted: Noted) -> None:
    """Two lines: both cost tokens, and the second has all messages."""
    noted.say(noted.private("一"))
    await noted.quiet()
    generation = await noted.engine.next()
    noted.say(noted.private("二"))
    answer(generation, "写", FinishReason.INTERRUPTED, usage=COST)
    assert (await noted.newest()).outcome == "interrupted"
    await noted.quiet()
    answer(await noted.engine.next(), "好", usage=COST)
    line = await noted.newest(2)
    assert (line.outcome, len(line.messages)) == ("answered", 2)
    assert noted.counts[ALICE]["tokens"] == 14


async def test_stopped_before_and_while_it_is_written(noted: Noted) -> None:
    """Both have lines, and /why knows."""
    noted.say(noted.private("一"))
    await until(lambda: bool(noted.clock.sleeping))
    noted.sessions[ALICE].stop()
    noted.clock.advance(1)
    assert (await noted.newest()).outcome == "stopped"
    noted.say(noted.private("二"))
    await noted.quiet()
    generation = await noted.engine.next()
    noted.sessions[ALICE].stop()
    answer(generation, "写", FinishReason.INTERRUPTED)
    assert (await noted.newest(2)).outcome == "stopped"
    assert say("en", "withheld.stopped") in noted.why(ALICE)


async def test_a_message_that_was_taken_back(noted: Noted) -> None:
    """Its line is written when it goes; what the model wrote meanwhile still counts."""
    message = noted.group((ME, Text("看这个")))
    noted.say(message)
    await noted.quiet()
    generation = await noted.engine.next()
    noted.router.dispatch(
        noted.account,
        GroupRecall(time=1, self_id=10000, group_id=77, user_id=1, operator_id=1, message_id=message.message_id),
    )
    line = await noted.newest()
    assert (line.outcome, line.messages) == ("recalled", [message.message_id])
    answer(generation, "写", FinishReason.INTERRUPTED, usage=COST)
    await noted.newest(2)
    assert (noted.counts[GROUP]["ended.recalled"], noted.counts[GROUP]["tokens"]) == (1, 7)


async def test_what_failed_and_what_could_not_be_sent(noted: Noted) -> None:
    """Each with its own reason."""
    noted.say(noted.private("一"))
    await noted.quiet()
    (await noted.engine.next()).finish(RequestError("broken"))
    assert (await noted.newest()).outcome == "failed"
    noted.account.failures.append(ActionFailed("send_private_msg", 1200, "muted"))
    noted.say(noted.private("二"))
    await noted.quiet()
    answer(await noted.engine.next(), "好")
    assert (await noted.newest(2)).outcome == "unsent"


async def test_limits_and_lists(noted: Noted) -> None:
    """Who has had enough, and who was banned since."""
    services = msgspec.structs.replace(noted.services(), presence=noted.presence, journal=noted.journal, limits=Full())
    noted.router._services = services
    noted.say(noted.private("一"))
    await noted.quiet()
    assert (await noted.newest()).outcome == "limit"
    banned: set[int] = set()
    noted.sessions.clear()
    access = Access(lambda user: user in banned)
    noted.router._services = msgspec.structs.replace(services, access=access, limits=None)
    noted.say(noted.private("二"))
    banned.add(1)
    await noted.quiet()
    assert (await noted.newest(2)).outcome == "denied"


async def test_a_journal_without_a_log_still_counts(noted: Noted) -> None:
    """`log.turns` may be empty."""
    noted.journal._write = None
    noted.say(noted.private("你好"))
    await noted.quiet()
    answer(await noted.engine.next(), "好")
    await until(lambda: "answered" in noted.counts.get(ALICE, {}))
    assert noted.lines == []
