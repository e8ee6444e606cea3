"""onebot_bot.restarting, onebot_bot.health and the hang of onebot_bot.start: what one process leaves for the next."""

import asyncio
import os
import sys
import threading

import pytest
from fakes import FakeRunner, FakeRunning, ScriptedEngine

from onebot_bot import start
from onebot_bot.chat.reports import Reports
from onebot_bot.chat.rest import Rest
from onebot_bot.engine.request import Conversation, GenerationRequest, SamplingParams
from onebot_bot.engine.worker import EngineWorker
from onebot_bot.errors import ModelStalled
from onebot_bot.health import NEVER, tell_restart, watch_engine
from onebot_bot.restarting import MOST, STATUS, TIMES, WHY, WINDOW, Restarted, may_restart, note, start_again, take
from onebot_bot.start import Hang

NOW = 1_795_176_000.0
WORD = Restarted("the model hung", NOW - 300)


def test_the_word_is_taken_once() -> None:
    """What the process before left is no news to the one after."""
    environment: dict[str, str] = {}
    note(NOW, WORD, environment)
    assert take(environment) == WORD
    assert take(environment) is None


@pytest.mark.parametrize("garbage", ["", "x", "[]", '["why"]', '{"a": 1}'])
def test_garbage_is_no_word(garbage: str) -> None:
    """Anybody may set an environment."""
    assert take({WHY: garbage}) is None
    assert may_restart(NOW, {TIMES: garbage})


def test_restarts_are_counted_within_an_hour() -> None:
    """So that what hangs at every start does not restart for ever."""
    environment: dict[str, str] = {}
    for number in range(MOST):
        assert may_restart(NOW + number, environment)
        note(NOW + number, WORD, environment)
    assert not may_restart(NOW + MOST, environment)
    assert may_restart(NOW + WINDOW, environment)
    note(NOW + WINDOW, WORD, environment)
    assert len(environment[TIMES].split(",")) == MOST


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no exec")
def test_the_same_command_is_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the interpreter's own options, however it was called."""
    monkeypatch.setattr(sys, "orig_argv", ["python", "-X", "dev", "-m", "onebot_bot", "run"])
    run: list[tuple[str, list[str]]] = []
    ended: list[int] = []
    monkeypatch.setattr(os, "execv", lambda path, argv: run.append((path, argv)))
    monkeypatch.setattr(os, "_exit", ended.append)
    start_again()
    assert run == [(sys.executable, [sys.executable, "-X", "dev", "-m", "onebot_bot", "run"])]
    assert ended == [STATUS]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a word of any process before."""
    monkeypatch.delenv(TIMES, raising=False)
    monkeypatch.delenv(WHY, raising=False)


@pytest.mark.usefixtures("environment")
def test_a_hang_ends_the_process_in_order_and_at_the_latest_by_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it happens too often: then it goes on without its model."""
    forced, ended = threading.Semaphore(0), list[bool]()
    monkeypatch.setattr(start, "LEAVING_SECONDS", 0.0)
    monkeypatch.setattr(start, "start_again", forced.release)
    hang = Hang(lambda: ended.append(True))
    assert not hang.noted
    for _ in range(MOST):
        assert hang.restart(ModelStalled(301, 300))
        assert forced.acquire(timeout=5)
    assert not hang.restart(ModelStalled(301, 300))
    assert (hang.noted, ended) == (True, [True] * MOST)
    left = take()
    assert left is not None
    assert "301 s" in left.reason


# --- looking after the engine -------------------------------------------------------------------------------------


class Told(Reports):
    """What the owners are told."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.news = asyncio.Event()

    def report(self, kind: str, chat: object, error: BaseException) -> str:
        """Note the kind."""
        self.kinds.append(kind)
        self.news.set()
        return ""


async def nothing() -> None:
    """There are no memories."""


def test_a_restart_is_told_and_what_came_since_is_answered() -> None:
    """A hang counts as a rest: messages are as old as its end."""
    rest, told = Rest(), Told()
    rest.remember(NOW - 10, NOW)
    tell_restart(WORD, rest, told)
    assert told.kinds == ["report.restarted"]
    assert rest.oldest(NOW, within=60) <= WORD.since


async def test_where_no_restart_helps_everybody_is_told() -> None:
    """The chats get an error, and the owner hears of the hang."""
    free, told = threading.Event(), Told()

    def hang(_: list[FakeRunning]) -> None:
        assert free.wait(30)

    async with EngineWorker("fake", lambda: FakeRunner(hang), stall=0.02) as worker:
        watch = asyncio.ensure_future(watch_engine(worker, told, NEVER.restart, nothing))
        generation = worker.submit(GenerationRequest(conversation=Conversation(()), sampling=SamplingParams()))
        with pytest.raises(ModelStalled):
            await asyncio.wait_for(generation.result(), 10)
        assert told.kinds == ["report.engine"]
        free.set()
        watch.cancel()


async def test_an_engine_without_a_thread_needs_no_watching(engine: ScriptedEngine) -> None:
    """The echo's."""
    await asyncio.wait_for(watch_engine(engine, Told(), NEVER.restart, nothing), 5)
