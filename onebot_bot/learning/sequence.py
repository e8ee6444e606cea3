"""One night from its first step to its last: whatever happens, a good model serves and the chats go on."""

import asyncio
import errno
import math
import shutil
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from msgspec import Struct

from onebot_bot.errors import BotError, named, with_id
from onebot_bot.learning.journal import Journal
from onebot_bot.learning.versions import Versions
from onebot_bot.learning.work import CANDIDATE, Ending, Plan, Run, Verdict, Work

T = TypeVar("T")
log = structlog.get_logger(__name__)

SHOWN: Final = 200
"""Characters of an unexpected error that the owner is shown; the log has all of it."""
UNEXPECTED: Final = "OB-1401"
"""The id of what no step raised on purpose."""
_AGAIN: Final = frozenset({"swap"})
"""Steps that a new process does again though they were finished: what they did went with the old process."""


class Means(Struct, frozen=True):
    """What every night needs."""

    work: Work
    versions: Versions
    pause: Callable[[], AbstractAsyncContextManager[None]]
    """Lets the chats rest while it is entered."""
    now: Callable[[], float]
    """Unix seconds."""
    keep: Callable[[], int]
    """How many versions to keep."""


class Sequence:
    """The steps of one night, new or gone on with after a kill. `run` is called once."""

    def __init__(self, means: Means, journal: Journal) -> None:
        self.step = "plan"
        """The one being done."""
        self.share = 0.0
        """Of it, from 0 to 1; set from any thread."""
        self.step_began = means.now()
        self._means = means
        self._work = means.work
        self._versions = means.versions
        self._journal = journal
        self._cancelled = threading.Event()
        self._scope: asyncio.Timeout | None = None
        """Around what the owner may cancel; None outside of it."""
        self._settled = False
        """Whether it is decided how the night ends: then it cannot be cancelled any more."""
        self._run = Run(journal.folder, journal, self._cancelled.is_set, self._progress)

    def cancel(self) -> bool:
        """End the night with the old model serving; False when it has ended already."""
        if self._settled:
            return False
        if self._scope is not None and not self._cancelled.is_set():
            self._scope.reschedule(asyncio.get_running_loop().time())
        self._cancelled.set()
        return True

    async def run(self) -> Ending:
        """Do what is left to do. Nothing but a cancellation of the task itself, at a shutdown, is raised."""
        try:
            ending = await self._guarded(self._check_room)
            if ending.state == "done":
                async with self._means.pause():
                    ending = await self._learn_or_restore()
        except asyncio.CancelledError:
            self._cancelled.set()  # what still runs on other threads is to stop too
            raise
        except Exception as error:  # noqa: BLE001 - the chats' failure to pause or go on is told like any other
            ending = explain(error)
        self._settled = True
        return ending

    async def _learn_or_restore(self) -> Ending:
        ending = await self._guarded(self._learn)
        self._settled = True
        if ending.state == "done":
            await self._tidy()
            return ending
        return await self._restore(ending)

    async def _guarded(self, steps: Callable[[], Awaitable[Ending]]) -> Ending:
        """The outcome of some steps, whatever they raise; the owner may cancel them meanwhile."""
        try:
            async with asyncio.timeout(None) as self._scope:
                ending = Ending("cancelled") if self._cancelled.is_set() else await steps()
        except Exception as error:  # noqa: BLE001 - poisoned batch, full disk, broken model: the bot goes on
            ending = explain(error)
        finally:
            self._scope = None
        return Ending("cancelled") if self._cancelled.is_set() else ending

    # --- the steps -----------------------------------------------------------------------------------------------

    async def _check_room(self) -> Ending:
        self._begin("plan")
        plan = await self._work.plan()
        self._journal.build_on(inputs_of(self._versions))
        return shortage(plan, self._journal.folder)

    async def _learn(self) -> Ending:
        work, run = self._work, self._run
        learned = await self._do("extract", partial(work.extract, run))
        if learned.get("memories") == 0:
            return Ending("empty", key="night.no_memories")
        await self._do("stage1", partial(work.teach, run, 1))
        await self._do("stage2", partial(work.teach, run, 2))
        await self._do("refine", partial(work.refine, run))
        verdict = await self._do("gate", self._judge)
        if not verdict["passed"]:
            return Ending("refused", "; ".join(verdict["reasons"]))
        promoted = await self._do("promote", self._promote)
        await self._do("swap", partial(self._swap, Path(promoted["adapter"])))
        faults = (await self._do("canary", self._ask_canary))["faults"]
        return Ending("refused", "; ".join(faults)) if faults else Ending("done")

    async def _judge(self) -> dict[str, Any]:
        verdict = await self._work.gate(self._run)
        odd = [name for name, pair in verdict.figures.items() if not all(map(math.isfinite, pair))]
        if odd:
            verdict = Verdict(passed=False, figures=verdict.figures, reasons=[*verdict.reasons, f"no number: {odd}"])
        figures = {name: [_finite(value) for value in pair] for name, pair in verdict.figures.items()}
        return {"passed": verdict.passed, "figures": figures, "reasons": verdict.reasons}

    async def _promote(self) -> dict[str, Any]:
        """Under the run's own name, so that a promotion that was killed is completed, not repeated."""
        folder = self._run.folder / CANDIDATE
        return {"adapter": str(await whole(partial(self._versions.promote, folder, self._journal.name)))}

    async def _swap(self, adapter: Path) -> dict[str, Any]:
        await self._work.swap(adapter)
        return {}

    async def _ask_canary(self) -> dict[str, Any]:
        return {"faults": await self._work.canary()}

    async def _do(self, name: str, work: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """One step, unless the journal has its result already."""
        known = self._journal.gave(name)
        if known is not None and name not in _AGAIN:
            return known
        self._begin(name)
        self._journal.begin(name, self._means.now())
        gave = await work()
        self._journal.finish(name, self._means.now(), gave)
        return gave

    def _begin(self, name: str) -> None:
        log.info("The night goes on.", step=name, run=self._journal.name)
        self.step, self.share, self.step_began = name, 0.0, self._means.now()

    def _progress(self, step: str, share: float) -> None:
        if step == self.step:
            self.share = share

    # --- afterwards ----------------------------------------------------------------------------------------------

    async def _restore(self, ending: Ending) -> Ending:
        """The model that served before serves again; what this night promoted never will."""
        try:
            await whole(self._take_back)
            # Now, and not when the chats have gone on: a kill must not find a night to go on with.
            close(self._journal, ending, self._means.now())
            await self._work.swap(await whole(self._versions.current))
        except Exception as error:
            log.exception("The model that served before cannot be put back.", code="OB-1405")
            values = {"first": ending.reason or ending.state, "error": explain(error).reason}
            return Ending("failed", "the model that served before cannot be put back", "night.not_restored", values)
        return ending

    def _take_back(self) -> None:
        if self._journal.step("promote") is not None:
            self._versions.withdraw(self._journal.name)

    async def _tidy(self) -> None:
        try:
            await whole(partial(self._versions.prune, self._means.keep()))
        except OSError as error:
            log.warning("Old adapters could not be deleted.", cause=str(error))


def inputs_of(versions: Versions) -> dict[str, str]:
    """What a night builds on, once the model is loaded."""
    return {"base": versions.base}


async def whole(call: Callable[[], T]) -> T:
    """Do it on another thread; who cancels meanwhile waits, so that nothing is still being written afterwards."""
    work = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


def close(journal: Journal, ending: Ending, now: float) -> None:
    """Note how a night ended, and free its room; when even that cannot be written, the log says so."""
    try:
        journal.close(ending.state, ending.reason or ending.key, now)
    except OSError as error:
        log.warning("The journal cannot be written.", run=journal.name, cause=str(error))


def shortage(plan: Plan, folder: Path) -> Ending:
    """What the night would lack, with the numbers and the fix; `done` when it lacks nothing."""
    free = shutil.disk_usage(folder).free
    if free < plan.disk_bytes:
        values = {"needed": _size(plan.disk_bytes), "free": _size(free), "folder": str(folder.parent)}
        return Ending("failed", f"not enough disk: {values}", "night.no_disk", values)
    if plan.free_device_bytes < plan.device_bytes:
        values = {"needed": _size(plan.device_bytes), "free": _size(plan.free_device_bytes)}
        return Ending("failed", f"not enough device memory: {values}", "night.no_memory", values)
    return Ending("done")


def explain(error: Exception) -> Ending:
    """What to tell of an error; one that was not raised on purpose goes into the log with its traceback."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        log.error("The disk is full.", code="OB-1305", cause=str(error))
        return Ending("failed", str(error), "night.disk_full", {"file": str(error.filename or "")})
    if isinstance(error, BotError):
        log.error("The night has ended early.", code=error.id, cause=str(error))
        return Ending("failed", named(error))
    log.error("The night has ended early.", code=UNEXPECTED, exc_info=error)
    return Ending("failed", with_id(f"{type(error).__name__}: {str(error)[:SHOWN]}", UNEXPECTED))


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
