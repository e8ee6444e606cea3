"""One night: in every step whatever may go wrong goes wrong, and the old model serves and the chats go on."""

import asyncio
import errno
import math
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import until
from nights import OLD, START, Nights, Step, make_adapter, raising, read_adapter

from onebot_bot.errors import LearningError, ModelError
from onebot_bot.learning.journal import FILE, read_journal
from onebot_bot.learning.work import CANDIDATE, STEPS, NightReport, Plan, Run, Verdict

DOING = [step for step in STEPS if step != "promote"]
"""The steps that are the work's own."""


@pytest.fixture
def nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nights:
    """A bot with last night's adapter, which does not wait for the disk: nothing here cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    made = Nights(tmp_path)
    made.begin_with_old()
    return made


async def held(nights: Nights) -> NightReport:
    """One night, begun by hand."""
    async with nights.running() as cycle:
        cycle.start_now()
        return await nights.report()


def unharmed(nights: Nights) -> bool:
    """Whether all is as before the night, and the disk holds nothing of it but small files."""
    (run,) = [path for path in nights.runs.iterdir() if path.is_dir()]
    small = all(path.is_file() for path in run.iterdir())
    return nights.pointed == "old" and nights.work.serving in ("old", "untouched") and not nights.resting and small


async def test_a_night_goes_through_its_steps_and_the_new_adapter_serves(nights: Nights) -> None:
    """In order; the chats rest from the first to the last, and the report says it all."""
    resting: list[tuple[str, bool]] = []

    def note(step: str) -> Step:
        return lambda _: resting.append((step, nights.resting))

    for step in DOING:
        nights.work.on[step] = note(step)
    report = await held(nights)
    assert nights.work.called == DOING
    assert [step for step, rested in resting if not rested] == ["plan"]
    assert (nights.pointed, nights.work.serving, nights.resting) == ("new", "new", False)
    assert (report.ending.state, report.serving, report.name) == ("done", "20261121T020000Z", "20261121T020000Z")
    assert report.figures == {"hit@1": (0.5, 0.75)}
    assert report.learned["examples"] == ["Alice has a cat."]
    assert report.started == START
    assert set(report.spent) == set(STEPS) - {"plan"}


ERRORS: list[Exception] = [
    LearningError("stage 1: the loss is no number"),
    OSError(errno.ENOSPC, "No space left on device", "checkpoint.pt"),
    RuntimeError("CUDA error: device-side assert triggered"),
    TimeoutError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("step", DOING)
async def test_an_error_in_any_step_leaves_the_old_model_serving(nights: Nights, step: str, error: Exception) -> None:
    """A loss that is no number, a full disk, a poisoned batch; the report says why."""
    nights.work.on[step] = raising(error, times=1)
    report = await held(nights)
    assert unharmed(nights)
    assert report.ending.state == "failed"
    assert str(error) in report.ending.reason
    assert report.ending.key == ("night.disk_full" if isinstance(error, OSError) and error.errno else "")
    assert nights.work.serving == ("untouched" if step == "plan" else "old")
    assert nights.rests == (0 if step == "plan" else 1)


@pytest.mark.parametrize("step", DOING)
async def test_a_night_can_be_cancelled_in_any_step(nights: Nights, step: str) -> None:
    """At once, though the step would wait forever; jobs on other threads are asked to stop."""
    reached, asked = asyncio.Event(), []

    async def wait(run: Run | None) -> None:
        asked.append(run.cancelled if run else bool)
        reached.set()
        if nights.work.called.count(step) == 1:
            await asyncio.Event().wait()

    nights.work.on[step] = wait
    async with nights.running() as cycle:
        cycle.start_now()
        await asyncio.wait_for(reached.wait(), 5)
        assert asked[0]() is False
        assert cycle.cancel()
        assert cycle.cancel()
        report = await nights.report()
        assert not cycle.cancel()
    assert report.ending.state == "cancelled"
    assert unharmed(nights)
    if step not in ("plan", "swap", "canary"):
        assert asked[0]() is True


async def test_a_cancellation_that_the_work_swallows_still_counts(nights: Nights) -> None:
    """It came in time, so what the night made is withdrawn."""
    reached = asyncio.Event()

    async def stubborn(run: Run | None) -> None:
        reached.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    nights.work.on["canary"] = stubborn
    async with nights.running() as cycle:
        cycle.start_now()
        await asyncio.wait_for(reached.wait(), 5)
        cycle.cancel()
        assert (await nights.report()).ending.state == "cancelled"
    assert unharmed(nights)


async def test_a_cancellation_during_the_promotion_waits_for_the_disk(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copying ends before the copy is withdrawn, so no pointer is written afterwards."""
    promote = nights.versions.promote
    loop = asyncio.get_running_loop()

    def cancelled_meanwhile(candidate: Path, name: str | None = None) -> Path:
        asyncio.run_coroutine_threadsafe(_cancel(nights), loop).result(5)
        return promote(candidate, name)

    monkeypatch.setattr(nights.versions, "promote", cancelled_meanwhile)
    assert (await held(nights)).ending.state == "cancelled"
    assert unharmed(nights)
    assert nights.versions.all()[0].withdrawn


async def _cancel(nights: Nights) -> None:
    nights.cycle.cancel()
    await asyncio.sleep(0)


async def test_what_the_gate_refuses_is_never_promoted(nights: Nights) -> None:
    """The report has the figures and the reasons."""
    nights.work.verdict = Verdict(passed=False, figures={"chat loss": (2.0, 2.5)}, reasons=["chat loss rose by 25%"])
    report = await held(nights)
    assert (report.ending.state, report.ending.reason) == ("refused", "chat loss rose by 25%")
    assert report.figures == {"chat loss": (2.0, 2.5)}
    assert [version.name for version in nights.versions.all()] == [OLD]
    assert unharmed(nights)


async def test_a_figure_that_is_no_number_does_not_pass(nights: Nights) -> None:
    """Whatever the gate itself thinks of it."""
    nights.work.verdict = Verdict(passed=True, figures={"loss": (2.0, math.nan)}, reasons=[])
    report = await held(nights)
    assert (report.ending.state, report.figures) == ("refused", {"loss": (2.0, None)})
    assert unharmed(nights)


async def test_an_adapter_that_gives_no_numbers_is_rolled_back(nights: Nights) -> None:
    """NaN ends the canary's answer with an error, and that speaks against the adapter as a wrong answer does."""
    nights.work.on["canary"] = raising(ModelError("the model produced NaN or infinite logits"))
    report = await held(nights)
    assert report.ending.state == "failed"
    assert "NaN" in report.ending.reason
    assert nights.work.called[-3:] == ["swap", "canary", "swap"]
    assert unharmed(nights)


async def test_a_failing_canary_rolls_back(nights: Nights) -> None:
    """The model serves the old adapter again, also after a restart and after every later rollback."""
    nights.work.faults = ["it repeats itself"]
    report = await held(nights)
    assert (report.ending.state, report.ending.reason) == ("refused", "it repeats itself")
    assert nights.work.called[-3:] == ["swap", "canary", "swap"]
    assert unharmed(nights)
    assert [(version.name, version.withdrawn) for version in nights.versions.all()] == [
        ("20261121T020000Z", True),
        (OLD, False),
    ]


async def test_a_swap_back_that_fails_too_is_told(nights: Nights) -> None:
    """The chats go on, and the owner reads that a restart is needed, and what began it."""
    nights.work.on["swap"] = raising(RuntimeError("no kernel image"))
    report = await held(nights)
    assert (report.ending.state, report.ending.key) == ("failed", "night.not_restored")
    assert report.ending.values == {
        "first": "RuntimeError: no kernel image [OB-1401]",
        "error": "RuntimeError: no kernel image [OB-1401]",
    }
    assert (nights.pointed, nights.resting) == ("old", False)


@pytest.mark.parametrize(
    ("plan", "key", "needed"),
    [
        (Plan(3, 1 << 60, 1, 2), "night.no_disk", "1152921504.6 GB"),
        (Plan(3, 1, 24 * 10**9, 9), "night.no_memory", "24.0 GB"),
    ],
)
async def test_a_night_without_room_does_not_begin(nights: Nights, plan: Plan, key: str, needed: str) -> None:
    """Nobody is made to wait, and the report has the numbers."""
    nights.work.needs = plan
    report = await held(nights)
    assert (nights.work.called, nights.rests) == (["plan"], 0)
    assert (report.ending.state, report.ending.key) == ("failed", key)
    assert report.ending.values["needed"] == needed
    assert "free" in report.ending.values
    assert unharmed(nights)


async def test_without_memories_nothing_is_trained(nights: Nights) -> None:
    """A bot that nobody has talked to keeps what it has."""
    nights.work.learned = {"memories": 0}
    report = await held(nights)
    assert (report.ending.state, nights.work.called) == ("empty", ["plan", "extract", "swap"])
    assert unharmed(nights)


async def test_a_candidate_that_is_damaged_on_the_disk_is_not_promoted(nights: Nights) -> None:
    """Its checksums are from the time it was made."""

    def truncate(run: Run | None) -> None:
        assert run is not None
        (run.folder / CANDIDATE / "adapter.safetensors").write_text("n")

    nights.work.on["gate"] = truncate
    report = await held(nights)
    assert report.ending.state == "failed"
    assert "adapter.safetensors has 1 bytes, not 3" in report.ending.reason
    assert unharmed(nights)


@pytest.mark.parametrize("step", ["swap", "canary"])
async def test_a_disk_full_to_the_last_byte_still_leaves_the_old_model(
    nights: Nights, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the withdrawal, the pointer or the journal can be written: then the new adapter is deleted."""
    full = OSError(errno.ENOSPC, "No space left on device")

    def fill(run: Run | None) -> None:
        if nights.work.called.count(step) == 1:
            for module in ("versions", "journal", "state"):
                monkeypatch.setattr(f"onebot_bot.learning.{module}.write_whole", raising_write(full))
            raise full

    nights.work.on[step] = fill
    report = await held(nights)
    assert (report.ending.key, nights.work.serving, nights.pointed) == ("night.disk_full", "old", "old")


def raising_write(error: OSError) -> Callable[[Path, str], None]:
    """A `write_whole` on a full disk."""

    def write(path: Path, text: str) -> None:
        raise error

    return write


async def test_chats_that_cannot_rest_end_the_night(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a report, and without harm."""
    monkeypatch.setattr(nights, "pause", raising(RuntimeError("no rest")))
    nights_pause: Any = nights.pause
    monkeypatch.setattr(nights, "pause", lambda: nights_pause(None))
    report = await held(nights)
    assert (report.ending.state, report.ending.reason) == ("failed", "RuntimeError: no rest [OB-1401]")
    assert unharmed(nights)


async def test_old_versions_are_pruned_after_a_good_night(nights: Nights) -> None:
    """Three stay."""
    for day in range(16, 20):
        nights.versions.promote(make_adapter(nights.folder / str(day), str(day)), f"202611{day}T020000Z")
    assert (await held(nights)).ending.state == "done"
    assert [read_adapter(version.path) for version in nights.versions.all()] == ["new", "19", "18"]


async def test_the_journal_tells_how_it_ended(nights: Nights) -> None:
    """For whoever looks into the folder."""
    nights.work.measures = True
    nights.work.on["stage2"] = raising(LearningError("the loss diverges"))
    report = await held(nights)
    journal = read_journal(nights.runs / report.name)
    assert journal is not None
    assert (journal.record.state, journal.record.reason) == ("failed", "the loss diverges [OB-1401]")
    assert sorted(path.name for path in journal.folder.iterdir()) == [FILE, "metrics.jsonl", "training.png"]
    assert report.plot == str(journal.folder / "training.png")


async def test_progress_is_shown_of_the_present_step_only(nights: Nights) -> None:
    """A late word of a step before does not confuse it."""
    go = asyncio.Event()

    async def train(run: Run | None) -> None:
        assert run is not None
        run.progress("stage1", 0.25)
        run.progress("extract", 0.9)
        nights.clock.now += 60
        await go.wait()

    nights.work.on["stage1"] = train
    waiting: Callable[[], Awaitable[None]] = lambda: until(lambda: nights.cycle.status().share > 0)  # noqa: E731
    async with nights.running() as cycle:
        cycle.start_now()
        await waiting()
        status = cycle.status()
        assert (status.step, status.share, status.eta) == ("stage1", 0.25, 180.0)
        assert status.started is not None
        assert status.started.timestamp() == START
        go.set()
        await nights.report()
        assert cycle.status().step is None
