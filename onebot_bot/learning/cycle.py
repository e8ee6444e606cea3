"""The nightly cycle: when nights are held, what is kept of them across restarts, and what the owner can do to them."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from msgspec import Struct

from onebot_bot.errors import BotError, LearningError, named
from onebot_bot.learning.drawing import draw_apart
from onebot_bot.learning.journal import Journal, open_run, unfinished, why_not_resumed
from onebot_bot.learning.schedule import Past, Schedule, claim, due, settle, zone_of
from onebot_bot.learning.sequence import Means, Sequence, close, inputs_of
from onebot_bot.learning.state import State, read_state, write_state
from onebot_bot.learning.work import STEPS, Ending, NightReport

log = structlog.get_logger(__name__)

WATCH: Final = 60.0
"""Seconds between two looks at the clock and the settings."""
JUMP: Final = 30.0
"""Seconds by which the wall clock may drift from the steady one between two looks; more: it was set, or the machine
slept."""


class NightSettings(Schedule, Protocol):
    """The section [learning], as far as the cycle reads it; read anew each time."""

    @property
    def enabled(self) -> bool:
        """Whether nights are held by themselves."""

    @property
    def report(self) -> bool:
        """Whether the owner is told in the morning."""


class Clock(Protocol):
    """Two clocks and waiting, so that tests need not wait."""

    def now(self) -> float:
        """Unix seconds: can be set, and jumps."""

    def steady(self) -> float:
        """Seconds that never jump; they may stand still while the machine sleeps."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's own."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()

    def steady(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class CycleStatus(Struct, frozen=True, kw_only=True):
    """How the nightly learning stands."""

    step: str | None = None
    """One of `work.STEPS`; None: no night is being held."""
    share: float = 0.0
    """Of that step, done, 0 to 1."""
    eta: float | None = None
    """Seconds until the night ends; None while nobody can say."""
    started: datetime | None = None
    next_run: datetime | None = None
    """In the configured zone; None: nights are switched off. In the past: about to begin."""
    last: NightReport | None = None
    serving: str = ""
    """The adapter that the pointer names; empty: none."""


class LearningCycle:
    """Holds the nights. An async context manager: entering goes on with a killed night, leaving ends one in order.

    Args:
        means: the work, the versions, how to let the chats rest.
        runs: the folder of the run folders.
        settings: [learning], read anew each time.
        tell: sends the morning report to the owner; what it raises is logged.
        clock: the time.
    """

    def __init__(
        self,
        means: Means,
        runs: Path,
        settings: Callable[[], NightSettings],
        tell: Callable[[NightReport], Coroutine[Any, Any, None]],
        clock: Clock,
    ) -> None:
        self._means = means
        self._runs = runs
        self._settings = settings
        self._tell = tell
        self._clock = clock
        self._night: Sequence | None = None
        """The night being held."""
        self._journal: Journal | None = None
        """Its journal."""
        self._busy = False
        """Whether a night is held or being prepared, or a rollback is under way."""
        self._tasks = asyncio.TaskGroup()
        self._owned: set[asyncio.Task[None]] = set()
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._state = State(clock.now())

    async def __aenter__(self) -> Self:
        """Read what is remembered; nights begin from now on."""
        self._runs.mkdir(parents=True, exist_ok=True)
        self._state = read_state(self._runs, self._clock.now())
        self._settle()
        self._save()
        await self._tasks.__aenter__()
        self._scheduler.start()
        self._schedule()
        killed = unfinished(self._runs, self._clock.now())
        self._busy = bool(killed)
        self._spawn(partial(self._go_on, killed) if killed else self._ring)
        self._spawn(partial(self._watch, self._ground()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything; a night that is being held goes on after the next start."""
        self._scheduler.shutdown(wait=False)
        for task in self._owned:
            task.cancel()
        await self._tasks.__aexit__(None, None, None)

    # --- for the owner -------------------------------------------------------------------------------------------

    def status(self) -> CycleStatus:
        """How it stands; never waits."""
        settings, night = self._settings(), self._night
        zone = zone_of(settings.timezone)
        return CycleStatus(
            step=night.step if night else None,
            share=night.share if night else 0.0,
            eta=self._eta(night) if night else None,
            started=datetime.fromtimestamp(self._journal.record.started, zone) if self._journal else None,
            next_run=due(self._past, self._now, settings) if settings.enabled else None,
            last=self._state.last,
            serving=self._means.versions.serving_name(),
        )

    def start_now(self) -> None:
        """Begin a night now, also when nights are switched off.

        Raises:
            LearningError: one is being held, or there is no room for its folder.
        """
        if self._busy:
            raise LearningError("a night is being held already: see /learn status")
        self._begin()

    def cancel(self) -> bool:
        """End the night, the old model serving; False when none is held, or it has come through already."""
        return self._night is not None and self._night.cancel()

    async def rollback(self) -> str | None:
        """Withdraw the adapter that serves; the one before it takes over.

        Returns:
            The name of what serves now, empty for the model without one; None: no adapter served.

        Raises:
            LearningError: a night is being held. ModelError: the swap failed; after a restart the one before serves.
        """
        if self._busy:
            raise LearningError("a night is being held: wait for it, or end it with /learn cancel")
        versions = self._means.versions
        self._busy = True
        try:
            if await asyncio.to_thread(versions.current) is None:
                return None
            earlier = await asyncio.to_thread(versions.rollback)
            await self._means.work.swap(earlier)
        finally:
            self._busy = False
        return earlier.name if earlier else ""

    def last_report(self) -> NightReport | None:
        """The last night's, also after a restart."""
        return self._state.last

    # --- when ----------------------------------------------------------------------------------------------------

    @property
    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)

    @property
    def _past(self) -> Past:
        return Past(self._state.installed, self._state.last_night)

    def _schedule(self) -> None:
        """Ring at the night's hour every day; whether that day has a night is decided then."""
        settings = self._settings()
        trigger = CronTrigger(hour=settings.hour, minute=settings.minute, timezone=zone_of(settings.timezone))
        self._scheduler.add_job(
            self._ring,
            trigger,
            id="night",
            replace_existing=True,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )

    def _settle(self) -> None:
        """Make the past fit a clock that was set back."""
        past = settle(self._past, self._now, self._settings())
        self._state.installed, self._state.last_night = past.installed, past.last_night

    async def _ring(self) -> None:
        """A night's hour has come, or may have."""
        settings = self._settings()
        if settings.enabled and not self._busy and due(self._past, self._now, settings) <= self._now:
            try:
                self._begin()
            except LearningError as error:
                log.warning("The night could not begin.", cause=str(error))
                ending = Ending("failed", named(error))
                report = NightReport(name="", ending=ending, started=self._clock.now(), seconds=0)
                self._spawn(partial(self._tell, report))

    async def _watch(self, seen: tuple[float, bool, int, int, str]) -> None:
        """APScheduler waits by the steady clock for an hour of the other: set it anew when the two part, and look."""
        while True:
            await self._clock.sleep(WATCH)
            ground = self._ground()
            if ground[1:] != seen[1:] or abs(ground[0] - seen[0]) > JUMP:
                log.info("The clock or the hour of the nights has changed.")
                self._schedule()
                self._settle()
                await self._ring()
            seen = ground

    def _ground(self) -> tuple[float, bool, int, int, str]:
        settings = self._settings()
        drift = self._clock.now() - self._clock.steady()
        return drift, settings.enabled, settings.hour, settings.minute, settings.timezone

    # --- nights --------------------------------------------------------------------------------------------------

    async def _go_on(self, killed: list[Journal]) -> None:
        """Go on with a night that was killed, or throw it away; then hold one that was missed."""
        try:
            journal = await self._judge(killed)
        except BotError as error:
            log.warning("The killed night waits for a start that succeeds.", cause=str(error))
            return
        finally:
            self._busy = False
        if journal is not None:
            log.info("The night that was killed goes on.", run=journal.name)
            self._hold(journal)
        else:
            await self._ring()

    async def _judge(self, killed: list[Journal]) -> Journal | None:
        # Until the model is there nobody knows whether the night was held for the same one.
        await self._means.work.plan()
        chosen = await asyncio.to_thread(self._choose, killed)
        if chosen is None:
            # What was thrown away may be what the model took up at the start.
            await self._means.work.swap(await asyncio.to_thread(self._means.versions.current))
        return chosen

    def _choose(self, killed: list[Journal]) -> Journal | None:
        """The night to go on with; all others are thrown away whole, with what they may have promoted."""
        now, chosen, inputs = self._clock.now(), None, inputs_of(self._means.versions)
        for journal in killed:
            reason = "a later night was begun" if chosen else why_not_resumed(journal, now, inputs)
            if self._means.versions.was_withdrawn(journal.name):
                reason = "what it promoted was withdrawn"
            if not reason:
                chosen = journal
                continue
            log.warning("A killed night is discarded.", run=journal.name, reason=reason)
            self._means.versions.withdraw(journal.name)
            close(journal, Ending("discarded", reason), now)
        return chosen

    def _begin(self) -> None:
        """Begin a night; it counts as held from now on, however it ends."""
        past = claim(self._past, self._now, self._settings())
        self._state.last_night = past.last_night
        self._save()
        try:
            journal = open_run(self._runs, self._clock.now())
        except OSError as error:
            raise LearningError(f"{self._runs} cannot be written: {error.strerror}. Free some disk space.") from error
        self._hold(journal)

    def _hold(self, journal: Journal) -> None:
        self._busy, self._journal, self._night = True, journal, Sequence(self._means, journal)
        self._spawn(partial(self._through, journal, self._night))

    async def _through(self, journal: Journal, night: Sequence) -> None:
        """A night from its beginning to the owner's breakfast."""
        try:
            ending = await night.run()
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                journal.release(night.step)
            raise
        finally:
            self._night = self._journal = None
            self._busy = False
        close(journal, ending, self._clock.now())
        report = await self._reported(journal, ending)
        if self._settings().report:
            await self._tell(report)

    async def _reported(self, journal: Journal, ending: Ending) -> NightReport:
        """Put the report together and on record."""
        picture = await draw_apart(journal.folder)
        report = _report(journal, ending, self._means.versions.serving_name(), picture)
        self._state.last = report
        if ending.state == "done":
            self._state.typical = report.spent
        self._save()
        log.info("The night has ended.", run=journal.name, state=ending.state, reason=ending.reason or ending.key)
        return report

    def _eta(self, night: Sequence) -> float | None:
        """By this step's own pace, and for the steps to come by the last night that came through."""
        typical, spent = self._state.typical, self._clock.now() - night.step_began
        if night.share > 0.02:
            left = spent * (1 - night.share) / night.share
        elif night.step in typical:
            left = max(0.0, typical[night.step] - spent)
        else:
            return None
        return left + sum(typical.get(step, 0.0) for step in STEPS[STEPS.index(night.step) + 1 :])

    def _save(self) -> None:
        """What cannot be written now is still remembered until the process ends."""
        try:
            write_state(self._runs, self._state)
        except OSError as error:
            log.warning("The nights' state cannot be written.", folder=str(self._runs), cause=str(error))

    def _spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = self._tasks.create_task(_logged(work))
        self._owned.add(task)
        task.add_done_callback(self._owned.discard)


async def _logged(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """What goes wrong around a night must not end the nights to come."""
    try:
        await work()
    except Exception:
        log.exception("The nightly cycle stumbled.", code="OB-1401")


def _report(journal: Journal, ending: Ending, serving: str, picture: Path | None) -> NightReport:
    record = journal.record
    return NightReport(
        name=journal.name,
        ending=ending,
        started=record.started,
        seconds=(record.ended or record.started) - record.started,
        learned=journal.gave("extract") or {},
        figures={name: (old, new) for name, (old, new) in (journal.gave("gate") or {}).get("figures", {}).items()},
        spent={step.name: step.finished - step.started for step in record.steps if step.finished is not None},
        serving=serving,
        plot=str(picture) if picture else "",
    )
