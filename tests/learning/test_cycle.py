"""The cycle around the nights: when they begin, what survives a kill and a restart, and what the owner can do."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from fakes import until
from nights import OLD, Nights, Step, raising
from structlog.testing import capture_logs

from onebot_bot.errors import LearningError, ModelError
from onebot_bot.learning.journal import FILE, TOO_OLD, read_journal
from onebot_bot.learning.work import STEPS, Plan, Run

ROOT = Path(__file__).parents[2]
HOUR = 3600.0
DAY = 24 * HOUR
DOING = [step for step in STEPS if step != "promote"]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:apscheduler")


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    """A bot with last night's adapter, started first at ten in the morning of 2026-11-21 in Shanghai."""
    made = Nights(tmp_path)
    made.begin_with_old()
    return made


async def passed(nights: Nights, seconds: float) -> None:
    """Let time go on in steps of an hour, as the machine's clocks do, and the cycle look at them."""
    await until(lambda: nights.clock.sleeping > 0)
    nights.clock.advance(seconds)
    await until(lambda: nights.clock.sleeping > 0)


async def jumped(nights: Nights, seconds: float) -> None:
    """Somebody sets the wall clock."""
    await until(lambda: nights.clock.sleeping > 0)
    nights.clock.set_by += seconds
    await passed(nights, 60)


async def ring(nights: Nights) -> None:
    """APScheduler's own clock cannot be set: the job rings now."""
    nights.cycle._scheduler.modify_job("night", next_run_time=datetime.now(UTC))
    await asyncio.sleep(0)


# --- when --------------------------------------------------------------------------------------------------------


async def test_apscheduler_rings_at_the_hour_in_the_zone(nights: Nights) -> None:
    """Every day, a missed ring included, and anew when the hour is changed in config.toml."""
    async with nights.running() as cycle:
        job = cycle._scheduler.get_job("night")
        assert (job.next_run_time.hour, str(job.next_run_time.tzinfo)) == (2, "Asia/Shanghai")
        assert (job.coalesce, job.misfire_grace_time, job.max_instances) == (True, None, 1)
        nights.settings.hour, nights.settings.timezone = 4, "Europe/Berlin"
        await passed(nights, 60)
        moved = cycle._scheduler.get_job("night").next_run_time
        assert (moved.hour, str(moved.tzinfo)) == (4, "Europe/Berlin")


async def test_the_first_night_waits_for_its_delay_and_then_rings(nights: Nights) -> None:
    """The ring on a day without a night changes nothing."""
    async with nights.running() as cycle:
        assert cycle.status().next_run == datetime(2026, 11, 21, 18, tzinfo=UTC)
        nights.clock.now += 15 * HOUR
        await ring(nights)
        await passed(nights, 60)
        assert nights.work.called == []
        nights.clock.now += HOUR
        await ring(nights)
        assert (await nights.report()).ending.state == "done"
        assert cycle.status().next_run == datetime(2026, 11, 22, 18, tzinfo=UTC)


async def test_missed_nights_are_caught_up_once_after_a_start(nights: Nights) -> None:
    """Five days off are one night; starting again the same day is none."""
    async with nights.running():
        pass
    nights.clock.now += 5 * DAY
    for expected in (1, 1):
        async with nights.running() as cycle:
            if not nights.rests:
                await nights.report()
            await passed(nights, 60)
            assert nights.rests == expected
            assert cycle.status().next_run == datetime(2026, 11, 26, 18, tzinfo=UTC)


@pytest.mark.parametrize("state", [b"", b'{"installed": 17', b"\x00\x01"])
async def test_a_garbage_state_file_gives_no_second_night(nights: Nights, state: bytes) -> None:
    """The run folders still tell when the last was."""
    async with nights.running() as cycle:
        cycle.start_now()
        await nights.report()
    (nights.runs / "state.json").write_bytes(state)
    async with nights.running() as cycle:
        await passed(nights, 60)
        assert nights.rests == 1
        assert cycle.status().next_run == datetime(2026, 11, 21, 18, tzinfo=UTC)


async def test_nights_that_are_switched_off_are_held_by_hand_only(nights: Nights) -> None:
    """And no next one is announced."""
    nights.settings.enabled = False
    async with nights.running():
        pass
    nights.clock.now += 3 * DAY
    async with nights.running() as cycle:
        await passed(nights, 60)
        assert (nights.work.called, cycle.status().next_run) == ([], None)
        cycle.start_now()
        assert (await nights.report()).ending.state == "done"


async def test_a_clock_that_jumps_ahead_or_a_machine_that_slept_makes_a_night_due(nights: Nights) -> None:
    """It is noticed within a minute, without APScheduler's waiting."""
    async with nights.running():
        await jumped(nights, 3 * DAY)
        assert (await nights.report()).ending.state == "done"
        await jumped(nights, HOUR)
        assert nights.rests == 1


@pytest.mark.parametrize("back", [600, 5 * HOUR, 400 * DAY])
async def test_a_clock_set_back_gives_no_second_night_and_starves_none(nights: Nights, back: float) -> None:
    """The next is within a day, by whatever clock there is."""
    async with nights.running() as cycle:
        await jumped(nights, DAY)
        await nights.report()
        await jumped(nights, -back)
        assert nights.rests == 1
        following = cycle.status().next_run
        assert following is not None
        now = datetime.fromtimestamp(nights.clock.wall(), UTC)
        assert timedelta(0) < following - now <= timedelta(days=1, hours=24)
        await jumped(nights, (following - now).total_seconds() + 120)
        await nights.report()
        assert nights.rests == 2


async def test_a_failed_night_is_not_tried_again_before_the_next(nights: Nights) -> None:
    """It counts as held."""
    nights.work.on["stage1"] = raising(LearningError("the loss is no number"))
    async with nights.running():
        await jumped(nights, DAY)
        await nights.report()
        await jumped(nights, HOUR)
    assert nights.rests == 1


async def test_no_room_for_the_runs_folder_is_told(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand at once, by itself as a report; and the night is not tried all the time."""
    async with nights.running() as cycle:
        monkeypatch.setattr(
            "onebot_bot.learning.cycle.open_run", lambda *_: raising(OSError(28, "No space left on device"))(None)
        )
        with pytest.raises(LearningError, match="No space left on device"):
            cycle.start_now()
        await jumped(nights, 2 * DAY)
        assert "No space left" in (await nights.report()).ending.reason
        assert cycle.status().step is None


# --- kills and restarts ------------------------------------------------------------------------------------------


def killed_in(nights: Nights, step: str) -> None:
    """Another process begins or goes on with the night, and dies in that step."""
    process = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "nights.py"), str(nights.folder), step],
        check=False,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
    )
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
@pytest.mark.parametrize("step", DOING)
async def test_a_night_killed_in_any_step_goes_on_where_it_was(nights: Nights, step: str) -> None:
    """Meanwhile a whole adapter serves; finished steps are not done again, and there is one night and one report."""
    killed_in(nights, step)
    assert nights.pointed == ("new" if step in ("swap", "canary") else "old")
    async with nights.running():
        report = await nights.report()
    assert report.ending.state == "done"
    assert (nights.pointed, nights.work.serving) == ("new", "new")
    again = ["swap"] if step == "canary" else []
    assert [name for name in nights.work.called if name != "plan"] == [*again, *DOING[max(1, DOING.index(step)) :]]
    assert nights.told.empty()
    assert len([path for path in nights.runs.iterdir() if path.is_dir()]) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
@pytest.mark.parametrize("step", ["extract", "stage2", "canary"])
async def test_after_two_kills_in_the_same_step_the_night_is_discarded(nights: Nights, step: str) -> None:
    """Whole, what it promoted included; its folder says why."""
    killed_in(nights, step)
    killed_in(nights, step)
    nights.settings.enabled = False
    async with nights.running():
        await until(lambda: not nights.cycle._busy)
        assert nights.pointed == "old"
    assert nights.work.called == ["plan", "swap"]
    (folder,) = [path for path in nights.runs.iterdir() if path.is_dir()]
    journal = read_journal(folder)
    assert journal is not None
    assert (journal.record.state, journal.record.reason) == (
        "discarded",
        f"the process ended 2 times in the step {step}",
    )
    assert [path.name for path in folder.iterdir()] == [FILE]


async def interrupted(nights: Nights, step: str) -> None:
    """A night that an orderly shutdown interrupts in a step."""
    reached = asyncio.Event()

    async def wait(run: Run | None) -> None:
        reached.set()
        await asyncio.Event().wait()

    nights.work.on[step] = wait
    async with nights.running() as cycle:
        with contextlib.suppress(LearningError):  # it goes on by itself
            cycle.start_now()
        await asyncio.wait_for(reached.wait(), 5)
    del nights.work.on[step]


async def test_a_shutdown_during_a_night_is_no_kill(nights: Nights) -> None:
    """However often the bot is restarted, the night goes on; the chats are let go each time."""
    for _ in range(3):
        await interrupted(nights, "stage1")
        assert not nights.resting
    async with nights.running():
        assert (await nights.report()).ending.state == "done"
    assert nights.work.called.count("extract") == 1


async def test_a_shutdown_asks_jobs_on_other_threads_to_stop(nights: Nights) -> None:
    """Or leaving would wait for the training."""
    runs: list[Run | None] = []
    step: Step = runs.append
    nights.work.on["extract"] = step
    await interrupted(nights, "stage1")
    assert runs[0] is not None
    assert runs[0].cancelled()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("age", "it began 13 hours ago"),
        ("model", "what it builds on has changed: base"),
        ("files", "candidate is gone"),
    ],
)
async def test_a_night_that_cannot_go_on_is_discarded(nights: Nights, change: str, reason: str) -> None:
    """Too old, for another model, or robbed of its files."""
    nights.settings.enabled = False
    await interrupted(nights, "refine")
    (folder,) = [path for path in nights.runs.iterdir() if path.is_dir()]
    if change == "age":
        nights.clock.now += TOO_OLD + HOUR
    elif change == "model":
        nights.base = "model-2"
    else:
        (folder / "candidate").rename(nights.folder / "elsewhere")
    nights.work.called.clear()
    async with nights.running():
        await until(lambda: not nights.cycle._busy)
    assert nights.work.called == ["plan", "swap"]
    journal = read_journal(folder)
    assert journal is not None
    assert journal.record.state == "discarded"
    assert reason in journal.record.reason


async def test_what_a_discarded_night_promoted_never_serves(nights: Nights) -> None:
    """Its canary was never asked to the end."""
    nights.settings.enabled = False
    await interrupted(nights, "canary")
    assert nights.pointed == "new"
    nights.clock.now += TOO_OLD + HOUR
    async with nights.running():
        await until(lambda: not nights.cycle._busy)
    assert nights.pointed == "old"


async def test_a_rollback_between_two_processes_ends_the_night_for_good(nights: Nights) -> None:
    """What the owner withdrew is not put back by going on."""
    nights.settings.enabled = False
    await interrupted(nights, "canary")
    nights.versions.rollback()
    async with nights.running():
        await until(lambda: not nights.cycle._busy)
    assert (nights.pointed, nights.work.serving) == ("old", "old")


async def test_a_model_that_does_not_load_keeps_the_killed_night_for_later(nights: Nights) -> None:
    """Whether it may go on is known only with the model."""
    await interrupted(nights, "stage1")
    nights.work.on["plan"] = raising(ModelError("no such folder"))
    with capture_logs() as logs:
        async with nights.running():
            await until(lambda: any("waits for a start" in entry["event"] for entry in logs))
    del nights.work.on["plan"]
    async with nights.running():
        assert (await nights.report()).ending.state == "done"


async def test_a_night_begun_before_the_model_was_loaded_goes_on(nights: Nights) -> None:
    """As after a start that catches up: only with the model is known what it builds on."""
    nights.base = ""

    def load(run: Run | None) -> None:
        nights.base = "model-1"

    nights.work.on["plan"] = load
    await interrupted(nights, "stage1")
    nights.base = ""
    async with nights.running():
        assert (await nights.report()).ending.state == "done"
    assert nights.work.called.count("extract") == 1


async def test_a_garbage_journal_discards_the_night(nights: Nights) -> None:
    """Its folder stays and says so; the old model serves."""
    await interrupted(nights, "stage2")
    (folder,) = [path for path in nights.runs.iterdir() if path.is_dir()]
    (folder / FILE).write_bytes(b'{"started": 17952')
    nights.work.called.clear()
    async with nights.running():
        await passed(nights, 60)
    assert (nights.work.called, nights.pointed) == ([], "old")
    journal = read_journal(folder)
    assert journal is not None
    assert journal.record.reason == "journal.json could not be read"


# --- the owner ---------------------------------------------------------------------------------------------------


@pytest.fixture
async def busy(nights: Nights) -> AsyncIterator[Nights]:
    """A night that is being held until the test ends."""
    reached = asyncio.Event()

    async def wait(run: Run | None) -> None:
        reached.set()
        await asyncio.Event().wait()

    nights.work.on["stage1"] = wait
    async with nights.running() as cycle:
        cycle.start_now()
        await asyncio.wait_for(reached.wait(), 5)
        yield nights


async def test_one_night_at_a_time(busy: Nights) -> None:
    """Neither by hand nor by the clock, nor is anything rolled back meanwhile."""
    with pytest.raises(LearningError, match="being held"):
        busy.cycle.start_now()
    with pytest.raises(LearningError, match="being held"):
        await busy.cycle.rollback()
    await jumped(busy, 2 * DAY)
    assert busy.rests == 1


async def test_nothing_is_cancelled_when_nothing_is_held(nights: Nights) -> None:
    """It says so."""
    async with nights.running() as cycle:
        assert not cycle.cancel()
        assert cycle.status().step is None


async def test_rollback_goes_back_one_version_and_says_to_which(nights: Nights) -> None:
    """To the model without an adapter in the end, and then there is nothing to roll back."""
    async with nights.running() as cycle:
        cycle.start_now()
        await nights.report()
        assert cycle.status().serving == "20261121T020000Z"
        assert await cycle.rollback() == OLD
        assert (nights.work.serving, nights.pointed) == ("old", "old")
        assert await cycle.rollback() == ""
        assert nights.work.serving == "bare"
        assert await cycle.rollback() is None


async def test_the_last_report_survives_a_restart(nights: Nights) -> None:
    """For /learn report."""
    async with nights.running() as cycle:
        assert cycle.last_report() is None
        cycle.start_now()
        report = await nights.report()
    async with nights.running() as cycle:
        assert cycle.last_report() == report
        assert cycle.status().last == report


async def test_the_time_left_is_known_from_the_last_night(nights: Nights) -> None:
    """Until the step itself has shown its pace, and for the steps to come."""

    def takes(seconds: float) -> Step:
        def happen(run: Run | None) -> None:
            nights.clock.now += seconds

        return happen

    nights.work.on = {"extract": takes(60), "stage1": takes(600), "stage2": takes(1200)}
    async with nights.running() as cycle:
        cycle.start_now()
        assert cycle.status().eta is None
        await nights.report()
        etas: list[float | None] = []
        nights.work.on["stage1"] = lambda _: etas.append(cycle.status().eta)
        cycle.start_now()
        await nights.report()
    assert etas == [1800.0]


async def test_a_failing_report_is_no_failing_night(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as without a connection; the next night comes all the same."""
    monkeypatch.setattr(nights, "tell", raising_tell)
    async with nights.running() as cycle:
        for _ in range(2):
            cycle.start_now()
            await until(lambda: len(cycle._owned) == 1)  # only the watch goes on
    assert nights.rests == 2


async def raising_tell(report: object) -> None:
    """Nobody is there."""
    raise RuntimeError("not connected")


async def test_no_report_is_sent_when_none_is_wanted(nights: Nights) -> None:
    """It can still be asked for."""
    nights.settings.report = False
    async with nights.running() as cycle:
        cycle.start_now()
        await until(lambda: cycle.last_report() is not None)
        await passed(nights, 60)
    assert nights.told.empty()


async def test_a_night_by_hand_counts_for_the_night_before(nights: Nights) -> None:
    """In the evening it does not take the place of the one at two."""
    nights.clock.now += 13 * HOUR
    async with nights.running() as cycle:
        cycle.start_now()
        await nights.report()
        assert cycle._past.last_night == date(2026, 11, 21)
        assert cycle.status().next_run == datetime(2026, 11, 21, 18, tzinfo=UTC)


async def test_a_night_without_room_is_reported_with_its_numbers(nights: Nights) -> None:
    """By itself as by hand."""
    nights.work.needs = Plan(3, 1 << 60, 1, 2)
    async with nights.running():
        await jumped(nights, DAY)
        assert (await nights.report()).ending.key == "night.no_disk"
