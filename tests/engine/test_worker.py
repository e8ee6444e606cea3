"""The one thread that owns the model: order, interrupts, failures, the end."""

import asyncio
import sys
import threading
import traceback
from collections.abc import AsyncIterator

import numpy as np
import pytest
from fakes import FakeRunner, FakeRunning

from onebot_bot.engine.pulse import Pulse
from onebot_bot.engine.request import Conversation, FinishReason, GenerationRequest, SamplingParams, Text, Turn
from onebot_bot.engine.runner import Runner
from onebot_bot.engine.worker import EngineWorker
from onebot_bot.errors import BotError, ModelError, ModelStalled, RequestError

LONG = 1_000_000


def request(tokens: int = 5, timeout: float = 60.0) -> GenerationRequest:
    """A request for that many letters."""
    conversation = Conversation((Turn("user", (Text("hi"),)),))
    return GenerationRequest(conversation=conversation, sampling=SamplingParams(max_new_tokens=tokens), timeout=timeout)


@pytest.fixture
async def worker() -> AsyncIterator[EngineWorker]:
    """A worker over a runner that writes letters."""
    async with EngineWorker("fake", FakeRunner) as running:
        yield running


async def test_an_answer_streams_and_finishes(worker: EngineWorker) -> None:
    """Deltas come in order and the result is their sum."""
    generation = worker.submit(request())
    deltas = [delta async for delta in generation]
    assert "".join(deltas) == "abcde"
    assert (await generation.result()).finish_reason is FinishReason.LENGTH


async def test_an_interrupt_keeps_what_was_written(worker: EngineWorker) -> None:
    """Interrupting is a value: the text so far survives."""
    generation = worker.submit(request(LONG))
    async for _ in generation:
        generation.interrupt()
    result = await generation.result()
    assert result.finish_reason is FinishReason.INTERRUPTED
    assert result.text.startswith("a")
    assert worker.status.interrupts == 1


async def test_an_interrupt_takes_effect_at_the_next_step() -> None:
    """After the flag is set no further token is written."""
    held, go = threading.Event(), threading.Event()

    def hold(running: list[FakeRunning]) -> None:
        if running[0].text == "abc":
            held.set()
            go.wait(5)

    async with EngineWorker("fake", lambda: FakeRunner(hold)) as worker:
        generation = worker.submit(request(LONG))
        await asyncio.to_thread(held.wait, 5)
        generation.interrupt()
        go.set()
        assert (await generation.result()).text == "abc"


async def test_a_timeout_is_a_finish_reason(worker: EngineWorker) -> None:
    """An answer that takes too long ends with what there is."""
    generation = worker.submit(request(LONG, timeout=0.0))
    assert (await generation.result()).finish_reason is FinishReason.TIMEOUT


async def test_an_interrupt_reaches_an_answer_that_still_waits() -> None:
    """A queued answer is resolved without ever running."""
    started = threading.Event()
    async with EngineWorker("fake", lambda: FakeRunner(lambda _: started.set()), max_running=1) as worker:
        first, second = worker.submit(request(LONG)), worker.submit(request())
        await asyncio.to_thread(started.wait, 5)
        second.interrupt()
        assert (await second.result()).text == ""
        assert not first.done
        first.interrupt()


async def test_a_bad_request_fails_alone(worker: EngineWorker) -> None:
    """One refused request does not touch the next."""
    bad, good = worker.submit(request(0)), worker.submit(request())
    with pytest.raises(RequestError):
        await bad.result()
    assert (await good.result()).text == "abcde"


async def test_an_exception_in_a_step_fails_that_step_only() -> None:
    """The worker outlives a broken step and serves the next answer."""

    def burst(running: list[FakeRunning]) -> None:
        if running[0].generation.request.sampling.max_new_tokens == 7:
            raise ZeroDivisionError

    async with EngineWorker("fake", lambda: FakeRunner(burst)) as worker:
        with pytest.raises(ModelError, match="generation failed"):
            await worker.submit(request(7)).result()
        assert (await worker.submit(request(5)).result()).text == "abcde"


async def test_a_model_that_does_not_load_fails_every_answer() -> None:
    """Those that waited and those that come later all hear why."""
    go = threading.Event()

    def load() -> FakeRunner:
        go.wait(5)
        raise ModelError("models/x does not exist")

    async with EngineWorker("x", load) as worker:
        early = worker.submit(request())
        go.set()
        with pytest.raises(ModelError, match="does not exist"):
            await early.result()
        await worker.loaded
        with pytest.raises(ModelError, match="does not exist"):
            await worker.submit(request()).result()
        with pytest.raises(ModelError, match="does not exist"):
            await worker.embed(["a"])
        assert worker.status.state.startswith("failed")


async def test_a_failure_told_often_holds_on_to_nobody() -> None:
    """Every chat that hears of it leaves its frames behind, or months of asking fill the memory."""

    def load() -> FakeRunner:
        raise ModelError("models/x does not exist")

    async with EngineWorker("x", load) as worker:
        await worker.loaded
        for _ in range(20):
            with pytest.raises(ModelError):
                await worker.submit(request()).result()
            with pytest.raises(ModelError):
                await worker.embed(["a"])
        assert worker.failure is not None
        assert len(list(traceback.walk_tb(worker.failure.__traceback__))) < 10


async def test_exclusive_work_waits_for_running_answers_and_holds_new_ones() -> None:
    """A reload never sees an answer in progress."""
    seen: list[int] = []
    runner = FakeRunner()
    async with EngineWorker("fake", lambda: runner) as worker:
        before = worker.submit(request(50))
        job = asyncio.ensure_future(worker.run_exclusive(lambda _: seen.append(worker.status.running)))
        after = worker.submit(request(5))
        await asyncio.gather(before.result(), job, after.result())
    assert seen == [0]


async def test_keys_are_made_between_steps(worker: EngineWorker) -> None:
    """Embedding does not wait for a long answer to end."""
    generation = worker.submit(request(LONG))
    keys = await asyncio.wait_for(worker.embed(["a", "b"]), 5)
    assert keys.shape == (2, 4)
    assert keys.dtype == np.float32
    generation.interrupt()


async def test_answers_run_side_by_side(worker: EngineWorker) -> None:
    """A short answer does not wait for a long one."""
    long, short = worker.submit(request(LONG)), worker.submit(request(3))
    assert (await asyncio.wait_for(short.result(), 5)).text == "abc"
    assert not long.done
    long.interrupt()


@pytest.mark.parametrize("wait", [True, False])
async def test_shutting_down_resolves_every_waiter(wait: bool) -> None:  # noqa: FBT001 - a parameter
    """What runs and what queues get a final result when the worker ends."""
    started = threading.Event()
    async with EngineWorker("fake", lambda: FakeRunner(lambda _: started.set()), max_running=1) as worker:
        generations = [worker.submit(request(LONG)) for _ in range(3)]
        if wait:
            await asyncio.to_thread(started.wait, 5)
    assert {(await g.result()).finish_reason for g in generations} == {FinishReason.INTERRUPTED}
    assert (await worker.submit(request()).result()).finish_reason is FinishReason.INTERRUPTED


async def test_shutting_down_keeps_what_was_written() -> None:
    """The last words before a restart are not lost."""
    held = threading.Event()

    def hold(running: list[FakeRunning]) -> None:
        if running[0].text == "abc":
            held.set()

    async with EngineWorker("fake", lambda: FakeRunner(hold)) as worker:
        generation = worker.submit(request(LONG))
        await asyncio.to_thread(held.wait, 5)
    result = await generation.result()
    assert result.finish_reason is FinishReason.INTERRUPTED
    assert result.text.startswith("abc")
    assert "".join([delta async for delta in generation]) == result.text


async def test_a_last_step_that_fails_leaves_nobody_waiting() -> None:
    """Then there is no text, and the waiter hears of it."""
    started = threading.Event()

    def burst(running: list[FakeRunning]) -> None:
        started.set()
        if running[0].generation.interrupted:
            raise ZeroDivisionError

    async with EngineWorker("fake", lambda: FakeRunner(burst)) as worker:
        generation = worker.submit(request(LONG))
        await asyncio.to_thread(started.wait, 5)
    with pytest.raises(ModelError, match="generation failed"):
        await asyncio.wait_for(generation.result(), 5)


async def test_keys_asked_for_after_the_end_are_refused() -> None:
    """Nobody would make them any more, and the waiter would hang."""
    async with EngineWorker("fake", FakeRunner) as worker:
        pass
    with pytest.raises(ModelError, match="shutting down"):
        await asyncio.wait_for(worker.embed(["late"]), 5)


async def test_the_loop_stays_free_while_the_model_loads() -> None:
    """Entering returns before the model is there."""
    go = threading.Event()

    def load() -> FakeRunner:
        go.wait(5)
        return FakeRunner()

    async with EngineWorker("slow", load) as worker:
        assert worker.status.state == "loading"
        assert not worker.loaded.done()
        go.set()
        await worker.loaded
        assert worker.status.state == "ready"


async def test_leaving_while_the_model_loads_does_not_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that is stopped then has ten seconds, a large model takes minutes; waiters are told at once."""
    monkeypatch.setattr("onebot_bot.engine.worker.LOADING_SECONDS", 0.01)
    go = threading.Event()

    def load() -> FakeRunner:
        go.wait(5)
        return FakeRunner()

    async with EngineWorker("slow", load) as worker:
        generation = worker.submit(request())
    go.set()
    assert (await asyncio.wait_for(generation.result(), 5)).finish_reason is FinishReason.INTERRUPTED


async def test_the_status_counts_what_was_written(worker: EngineWorker) -> None:
    """Finished answers show up in the figures."""
    await worker.submit(request()).result()
    assert worker.status.answers == 1


async def test_a_job_that_fails_is_a_model_error_for_its_waiter_alone() -> None:
    """Out of memory while keys are made, say: answers go on."""
    runner = FakeRunner()

    def fail(texts: list[str]) -> None:
        raise RuntimeError("CUDA out of memory")

    runner.embed = fail  # type: ignore[method-assign,assignment]  # breaks on purpose
    async with EngineWorker("fake", lambda: runner) as worker:
        with pytest.raises(ModelError, match="CUDA out of memory"):
            await worker.embed(["x"])
        assert (await worker.submit(request()).result()).text == "abcde"


# --- a thread that hangs or dies ----------------------------------------------------------------------------------


class Stuck:
    """A runner whose step does not come back before it may."""

    def __init__(self) -> None:
        self.inside, self.free = threading.Event(), threading.Event()
        self.runner = FakeRunner(self.hang)

    def hang(self, _: list[FakeRunning]) -> None:
        """As a kernel does."""
        self.inside.set()
        assert self.free.wait(30)


async def told(worker: EngineWorker) -> BotError:
    """The next trouble."""
    return await asyncio.wait_for(worker.troubles.get(), 10)


async def test_a_hang_is_told_once_and_ends_when_the_step_comes_back() -> None:
    """The answer is not lost, and jobs that would hold others up are not left waiting."""
    stuck = Stuck()
    async with EngineWorker("fake", lambda: stuck.runner, stall=0.02) as worker:
        generation = worker.submit(request())
        await asyncio.to_thread(stuck.inside.wait, 5)
        job = asyncio.ensure_future(worker.embed(["a"]))
        trouble = await told(worker)
        assert isinstance(trouble, ModelStalled)
        assert "model.stall is 0.02" in str(trouble)
        assert worker.status.state == "stalled"
        with pytest.raises(ModelStalled):
            await job
        with pytest.raises(ModelStalled):
            await worker.embed(["b"])
        stuck.free.set()
        assert (await generation.result()).text == "abcde"
        assert worker.status.state == "ready"
        assert worker.troubles.empty()


async def test_a_hang_that_was_given_up_fails_everybody_until_the_step_comes_back() -> None:
    """Who waits, who comes; and afterwards it answers as before."""
    stuck = Stuck()
    async with EngineWorker("fake", lambda: stuck.runner, max_running=1, stall=0.02) as worker:
        waiting = [worker.submit(request()) for _ in range(3)]
        trouble = await told(worker)
        assert isinstance(trouble, ModelStalled)
        worker.give_up(trouble)
        for generation in [*waiting, worker.submit(request())]:
            with pytest.raises(ModelStalled):
                await generation.result()
        assert worker.status.state.startswith("failed")
        stuck.free.set()
        assert "come back" in str(await told(worker))
        assert (await worker.submit(request()).result()).text == "abcde"


async def test_leaving_a_thread_that_hangs_resolves_every_waiter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process can end although the thread does not."""
    monkeypatch.setattr("onebot_bot.engine.worker.LOADING_SECONDS", 0.01)
    stuck = Stuck()
    async with EngineWorker("fake", lambda: stuck.runner, stall=0.02) as worker:
        generation = worker.submit(request())
        await told(worker)
    assert (await generation.result()).finish_reason is FinishReason.INTERRUPTED
    stuck.free.set()


async def test_a_slow_step_is_no_hang() -> None:
    """Every step that ends is a sign of life, however many there are."""
    pulse = Pulse(10.0, clock=iter([0.0, 9.0, 9.0, 18.0, 18.0, 18.0, 29.0, 29.0]).__next__)
    for seconds in (9.0, 9.0):
        with pulse.during():
            assert pulse.silent == seconds
    with pulse.during():
        assert not pulse.stalled
        assert pulse.stalled
        assert str(pulse.error()).startswith("the model has not finished a step for 11 s")
    assert pulse.silent == 0.0


async def test_without_a_limit_nothing_is_a_hang() -> None:
    """`model.stall = 0`."""
    pulse = Pulse(0.0, clock=iter([0.0, 1e9]).__next__)
    with pulse.during():
        assert not pulse.stalled


@pytest.mark.parametrize("error", [SystemExit("a library"), MemoryError()])
async def test_no_exception_ends_the_thread(error: BaseException) -> None:
    """Not even those that are no errors: the answer fails, the next one is written."""

    def burst(running: list[FakeRunning]) -> None:
        if running[0].generation.request.sampling.max_new_tokens == 7:
            raise error

    async with EngineWorker("fake", lambda: FakeRunner(burst)) as worker:
        with pytest.raises(ModelError, match=r"generation failed: (a library|MemoryError)"):
            await worker.submit(request(7)).result()
        with pytest.raises(ModelError, match="could not run"):
            await worker.run_exclusive(lambda _: sys.exit(3))
        assert (await worker.submit(request()).result()).text == "abcde"


async def test_a_fault_outside_of_the_model_ends_the_answers_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, the thread goes on; where it happens again at once, those that wait are told too."""
    faults, real = iter([True, True]), FakeRunning.take_delta

    def take_delta(running: FakeRunning) -> str:
        if next(faults, False):
            raise KeyError("text")
        return real(running)

    monkeypatch.setattr(FakeRunning, "take_delta", take_delta)
    async with EngineWorker("fake", FakeRunner, max_running=1) as worker:
        answers = [worker.submit(request()) for _ in range(3)]
        for generation in answers:
            with pytest.raises(ModelError, match="thread failed: 'text'"):
                await generation.result()
        assert "thread failed" in str(await told(worker))
        assert (await worker.submit(request()).result()).text == "abcde"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_thread_that_died_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ended it: what waited is answered by the next one."""
    monkeypatch.setattr("onebot_bot.engine.worker.WATCH_SECONDS", 0.01)
    deaths = iter([True])

    class Mortal(EngineWorker):
        def _work(self, runner: Runner) -> None:
            if bool(self._waiting) and next(deaths, False):
                sys.exit(1)
            super()._work(runner)

        def _stumble(self, error: BaseException) -> None:
            raise error

    async with Mortal("fake", FakeRunner) as worker:
        assert (await asyncio.wait_for(worker.submit(request()).result(), 10)).text == "abcde"
        assert "another one goes on" in str(await told(worker))
