"""An evening of a group of thirty in compressed time: 2,000 messages over a real WebSocket, and what came of them."""

import asyncio
import socket
from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random

import msgspec
import pytest
from e2e.evening import (
    ASKED,
    BUSY,
    EVENING,
    FRIEND,
    KNOWN_BOT,
    LETTERS,
    ME,
    NAMED,
    OWNER,
    QQ,
    SECOND,
    UNKNOWN_BOT,
    Evening,
    Model,
    Stage,
    lines_in,
)
from e2e.evening_script import Author

from onebot_bot.app import App
from onebot_bot.chat.guards import LONG_ENOUGH_TO_REPEAT, normalised
from onebot_bot.chat.journal import TurnLine
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import History

MESSAGES, SEED = 2000, 20261121
EXCHANGES = 3
"""Answers to one person a minute."""
CONFIG = f"""version = 1
[bot]
owners = [{OWNER}]
names = ["小忆"]
persona = "你是小忆。"
[server]
port = {{port}}
token = "evening"
[model]
path = "echo"
[chat]
bots = [{KNOWN_BOT}]
talk_value = 0.02
exchanges_per_minute = {EXCHANGES}
[log]
file = ""
level = "error"
content = true
"""


class Played:
    """What an evening left behind."""

    def __init__(self, qq: QQ, model: Model, folder: Path) -> None:
        self.qq = qq
        self.model = model
        self.lines = [msgspec.json.decode(line, type=TurnLine) for line in lines_in(folder / "logs")]
        self.outcomes = {number: line.outcome for line in self.lines for number in line.messages}
        """How it ended with each message that has a line: what was interrupted has a later one."""
        self.tallies = asyncio.run(_tallies(folder))


async def _play(folder: Path) -> tuple[QQ, Model]:
    databases: list[Database] = []

    def make_history(database: Database) -> History:
        databases.append(database)
        return History(database)

    path = folder / "config.toml"
    path.write_text(CONFIG.format(port=_free_port()), encoding="utf-8")
    random, clock = Random(SEED), Evening()  # noqa: S311 - a script
    async with asyncio.timeout(300), asyncio.TaskGroup() as tasks:
        model = Model(clock, tasks, random)
        async with (
            App(path, make_history, engine=model, clock=clock) as app,
            QQ(app.url, app.token, clock, random) as qq,
        ):
            Author(qq, random).write(MESSAGES)
            await Stage(qq, clock, model, databases[0], random).play()
    return qq, model


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def _tallies(folder: Path) -> dict[str, float]:
    """What was counted, of all chats together."""
    async with Database(folder / "memory_store" / "memory.sqlite3") as database:
        sql = "SELECT what, sum(amount) FROM tallies GROUP BY what"
        return dict(await database.read(lambda connection: connection.execute(sql).fetchall()))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The evening, once for all tests."""
    folder = tmp_path_factory.mktemp("evening")
    return Played(*asyncio.run(_play(folder)), folder)


def test_every_call_is_answered_or_its_reason_is_in_the_log(played: Played) -> None:
    """Every @, every quote of the bot, every private message; nothing is left interrupted."""
    called = played.qq.asked
    assert len(called) > MESSAGES / 8
    assert called - played.outcomes.keys() == set()
    left = {number: played.outcomes[number] for number in called if played.outcomes[number] != "answered"}
    assert set(left.values()) <= {"silent", "recalled", "stopped", "repeat", "loop"}
    silent = {line.why for line in played.lines if line.outcome == "silent" and called.intersection(line.messages)}
    assert silent == {"bot", "loop"}
    assert len(left) < len(called) / 5


def test_what_counts_as_answered_was_sent(played: Played) -> None:
    """Every such line has messages that QQ got, of that chat."""
    answered = [line for line in played.lines if line.outcome == "answered"]
    assert all(line.sent for line in answered)
    sent = Counter(sent.peer for sent in played.qq.sent)
    for peer in (BUSY, SECOND, FRIEND):
        assert 0 < sum(len(line.sent) for line in answered if line.chat.endswith(f"/{peer}")) <= sent[peer]


def test_nothing_is_said_twice(played: Played) -> None:
    """No message is answered twice, not even one that QQ delivered twice, and no answer repeats the one before."""
    named = Counter(token for sent in played.qq.sent for token in NAMED.findall(sent.text))
    assert len(named) > MESSAGES / 10
    assert [token for token, times in named.items() if times > 1] == []
    for peer in (BUSY, SECOND, FRIEND):
        answers = [line for line in played.lines if line.chat.endswith(f"/{peer}") and line.outcome == "answered"]
        texts = [normalised("".join(line.said)) for line in answers]
        assert [a for a, b in pairwise(texts) if a == b and len(a) > LONG_ENOUGH_TO_REPEAT] == []


def test_it_answers_neither_itself_nor_other_bots(played: Played) -> None:
    """Whichever way QQ reports its own words; a bot that nobody listed is answered so often a minute."""
    answered = [line for line in played.lines if line.outcome == "answered"]
    assert {line.user for line in played.lines}.isdisjoint({ME})
    assert {line.user for line in answered}.isdisjoint({KNOWN_BOT})
    times = [sent.when for sent in played.qq.sent if played.qq.heard.get(sent.quoted) == UNKNOWN_BOT]
    assert len(times) > EXCHANGES
    # One more than the limit: what was written when the next call came is not counted yet.
    assert [a for a, b in zip(times, times[EXCHANGES + 1 :], strict=False) if b - a < 60] == []
    assert "loop" in {line.why for line in played.lines if line.user == UNKNOWN_BOT}


def test_no_chat_sees_another(played: Played) -> None:
    """Neither the model nor people: a second group and a private chat went on beside the busy one."""
    assert played.model.leaks == []
    for sent in played.qq.sent:
        tokens = [*NAMED.findall(sent.text), *ASKED.findall(sent.text)]
        assert {token[0] for token in tokens} <= {LETTERS.get(sent.peer)}


def test_the_busy_group_is_answered_all_evening(played: Played) -> None:
    """In every half hour, though people interrupt it all the time."""
    assert played.model.interrupted > 10
    spoken = Counter(int(sent.when // 1800) for sent in played.qq.sent if sent.peer == BUSY)
    assert min(spoken[half] for half in range(int(EVENING // 1800))) >= 5


def test_no_marks_leave_and_nothing_goes_wrong(played: Played) -> None:
    """Of templates, thoughts, forged speakers; and the owner hears of no failure."""
    said = "\n".join(sent.text for sent in played.qq.sent)
    for mark in ("<|", "<think>", "<recall>", "<no_reply>", f"({ME})]", "[主人"):
        assert mark not in said
    assert OWNER not in {sent.peer for sent in played.qq.sent}


def test_stats_agree(played: Played) -> None:
    """What was counted is what was sent and logged."""
    counted, outcomes = played.tallies, Counter(line.outcome for line in played.lines)
    assert counted["seen"] + counted["commands"] == len(played.qq.messages)
    assert counted["answered"] == outcomes["answered"]
    assert counted["bubbles"] == sum(len(line.sent) for line in played.lines)
    assert counted["ended.interrupted"] == outcomes["interrupted"]
    assert counted["tokens"] == sum(line.new for line in played.lines)
