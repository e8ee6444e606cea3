"""What a night does, step by step: the real `Work`. The training itself runs in a process of its own (train.py)."""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, Literal, Protocol
from zipfile import BadZipFile

import msgspec
import numpy as np
import structlog
from msgspec import Struct

from onebot_bot.config import Config
from onebot_bot.engine.request import Engine, EngineStatus, Vector
from onebot_bot.errors import BotError, ModelError
from onebot_bot.extraction.by_model import asking
from onebot_bot.extraction.curator import Curator
from onebot_bot.extraction.prompts import load_prompts
from onebot_bot.learning.canary import Canary, greet, read_out
from onebot_bot.learning.job import (
    JOB,
    REFINED,
    VALUES,
    Job,
    Refinements,
    Remembered,
    Vectors,
    read_floor,
    read_plain_job,
    read_refined,
    read_verdict,
    write_job,
)
from onebot_bot.learning.primed import name_of, primed_for
from onebot_bot.learning.situations import situations_by_model, situations_from_forms
from onebot_bot.learning.teaching import teach
from onebot_bot.learning.versions import META, Versions, seal
from onebot_bot.learning.work import CANDIDATE, METRICS, Plan, Run, Verdict
from onebot_bot.memory.rows import Memory
from onebot_bot.memory.store import MemoryStore
from onebot_bot.texts import language_of

log = structlog.get_logger(__name__)

MOST_MEMORIES = 20_000
"""Memories that a night trains on; beyond, pinned and recent ones and an even sample of the rest."""
DISK_BYTES = 600 * 2**20
"""A night's checkpoints, candidate and log, and some room."""
PER_PARAMETER = 3.2
"""Bytes of device memory a parameter of the base takes while it trains: its weight, and its share of activations."""
GREETINGS = ("Hello!", "你好，在吗？")
EXAMPLES = 5
"""New memories that the morning report quotes."""
WRITING_SECONDS = 1800.0
"""Most time for the model to write situations; the memories it did not come to get theirs from forms."""
WRITERS = 4
"""Memories that situations are written for side by side."""
AT_ONCE = 256
"""Rows that are read or changed in one go."""


class Swapper(Protocol):
    """Who follows the model from one adapter to the next: `VectorMaker`, as far as the night needs it."""

    def suspend(self) -> None:
        """Recall nothing from now on."""

    async def switch(self, adapter_id: str, centre: Vector | None = None, head: Vector | None = None) -> None:
        """Recall by another adapter's view."""


class Parts(Struct, frozen=True):
    """What the night works with."""

    engine: Engine
    loaded: Callable[[], Awaitable[None]]
    """Waits until the model is loaded; raises BotError when it cannot be."""
    store: MemoryStore
    memories: Swapper
    curator: Curator
    versions: Versions
    config: Callable[[], Config]
    persona: Callable[[], str]
    """What the model is told of who it is, wherever no other persona was chosen."""
    folder: Path
    """Of config.toml."""
    recipes: Path
    """Folder of the recipes, the prompts and the primed adapters."""
    capable: Callable[[], bool]
    """Whether the model is up to writing situations."""

    def primed(self) -> Path | None:
        """The primed adapter of the model."""
        return primed_for(self.recipes / "primed", self.engine.status.base)


class _Fresh(Struct, frozen=True):
    """What a night refined for its adapter, not yet in the store."""

    job: Job
    refined: Refinements


class NightWork:
    """The steps."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._promoted = ""
        """The run whose adapter was just taken up; its refined values are handed over when it has proved itself."""

    async def plan(self) -> Plan:
        """What the night needs of disk and card."""
        parts = self._parts
        await parts.loaded()
        free = await parts.engine.run_exclusive(lambda runner: runner.free_device_bytes)
        needed = int(parts.engine.status.parameters * PER_PARAMETER) if free is not None else 0
        return Plan(await parts.store.count(None), DISK_BYTES, needed, free if free is not None else 0)

    async def extract(self, run: Run) -> dict[str, Any]:
        """Read what the chats have not been read for, then write the job."""
        summary = await self._parts.curator.catch_up(run.cancelled)
        memories = await self._learnable()
        if memories:
            await self._write_job(run, memories)
        known = max(await asyncio.to_thread(self._known), default=0)
        fresh = [memory for memory in memories if memory.id > known]
        return {
            "memories": len(memories),
            "added": len(fresh),
            "merged": summary.again,
            "superseded": await self._superseded(known),
            "examples": [memory.id for memory in fresh[:EXAMPLES]],
            "dropped": summary.dropped,
            "files": [JOB, VALUES] if memories else [],
        }

    async def teach(self, run: Run, stage: Literal[1, 2]) -> dict[str, Any]:
        """Train a stage; the candidate is sealed when the second has ended."""
        await self._teach(run, f"stage{stage}")
        if stage == 2:
            await asyncio.to_thread(seal_candidate, run.folder, None)
        return {"files": [CANDIDATE] if stage == 2 else ["stage1"], "metrics": METRICS}

    async def refine(self, run: Run) -> dict[str, Any]:
        """Refine every value for the candidate."""
        await self._teach(run, "refine")
        refined = await asyncio.to_thread(read_refined, run.folder)
        return {"refined": len(refined.exact), "exact": int(refined.exact.sum()), "files": [REFINED]}

    async def gate(self, run: Run) -> Verdict:
        """Compare, and write the floor that was found into the candidate."""
        await self._teach(run, "gate")
        judged = await asyncio.to_thread(read_verdict, run.folder)
        await asyncio.to_thread(seal_candidate, run.folder, read_floor(run.folder))
        figures = {name: (_number(before), _number(after)) for name, (before, after) in judged.figures.items()}
        return Verdict(passed=not judged.reasons, figures=figures, reasons=judged.reasons)

    async def swap(self, adapter: Path | None) -> None:
        """Serve an adapter (None: the primed one, or none at all), and let the memories follow it.

        Raises:
            ModelError: it cannot be loaded; the memories follow whatever serves then.
        """
        engine, memories = self._parts.engine, self._parts.memories
        self._promoted = adapter.name if adapter is not None else ""
        memories.suspend()
        try:
            await self._serve(adapter)
        except BaseException:
            with contextlib.suppress(BotError):
                await follow(engine, memories)
            raise
        await follow(engine, memories)

    async def canary(self) -> list[str]:
        """Greetings and memories that the adapter must read out; without a fault, it gets the values refined for it.

        Not before: an adapter that is taken back leaves the values of the one before as they were.
        """
        fresh = await asyncio.to_thread(self._fresh)
        persona, engine = self._parts.persona(), self._parts.engine
        faults = [await greet(engine, text, persona) for text in GREETINGS]
        faults += [await read_out(engine, canary, persona) for canary in await self._canaries(fresh)]
        found = [fault for fault in faults if fault]
        if not found and fresh is not None:
            await self._hand_over(fresh)
        return found

    # --- what the night learns from ------------------------------------------------------------------------------

    async def _learnable(self) -> list[Memory]:
        made_by = self._parts.engine.status.fingerprint
        memories, silent = await self._parts.store.page(None, limit=-1), await self._parts.store.opted_out()
        return sampled([m for m in memories if m.fingerprint == made_by and m.speaker not in silent])

    def _known(self) -> list[int]:
        """Ids of what the version that serves was trained on."""
        serving = self._parts.versions.current()
        return msgspec.json.decode((serving / META).read_bytes(), type=_Trained).memories if serving else []

    async def _superseded(self, known: int) -> int:
        """How many memories gave way to one that is newer than `known`."""
        count, offset = 0, 0
        while old := await self._parts.store.page(None, status="superseded", limit=AT_ONCE, offset=offset):
            count += sum((memory.superseded_by or 0) > known for memory in old)
            offset += len(old)
        return count

    async def _write_job(self, run: Run, memories: list[Memory]) -> None:
        written = await self._written(run, memories) if self._parts.capable() else {}
        vectors = await self._vectors(memories)
        job = await asyncio.to_thread(self._job, memories, written, vectors.raw.shape[1])
        await asyncio.to_thread(write_job, run.folder, job, vectors)

    def _job(self, memories: list[Memory], written: dict[int, list[str]], raw_width: int) -> Job:
        parts, config, status = self._parts, self._parts.config(), self._parts.engine.status
        primed = parts.primed()
        serving = parts.versions.current() or primed
        return Job(
            model=str(parts.folder / config.model.path),
            config=config.model,
            base=status.base,
            primed=str(primed or ""),
            serving=str(serving or ""),
            recipes=str(parts.recipes),
            prompts=str(parts.recipes / "prompts.toml"),
            replies=str(parts.folder / "training" / "replies"),
            raw_width=raw_width,
            persona=parts.persona(),
            floor=status.calibrated_floor,
            memories=[remembered(memory, written.get(memory.id, [])) for memory in memories],
        )

    async def _written(self, run: Run, memories: list[Memory]) -> dict[int, list[str]]:
        """Situations that the model writes, newest memories first, as far as the time goes."""
        prompts = await asyncio.to_thread(load_prompts, self._parts.recipes / "prompts.toml")
        ask, seats = asking(self._parts.engine, max_new_tokens=600), asyncio.Semaphore(WRITERS)
        now, written = asyncio.get_running_loop().time, dict[int, list[str]]()
        end = now() + WRITING_SECONDS

        async def write(memory: Memory) -> None:
            async with seats:
                if now() < end and not run.cancelled():
                    written[memory.id] = await situations_by_model(memory.text, ask, prompts)
                    run.progress("extract", len(written) / len(memories))

        async with asyncio.TaskGroup() as tasks:
            for memory in memories:
                tasks.create_task(write(memory))
        return written

    async def _vectors(self, memories: list[Memory]) -> Vectors:
        """Keys, and values as they serve now; a value that was refined for another adapter is a good start too."""
        keys = np.stack([memory.key for memory in memories if memory.key is not None]).astype(np.float32)
        values = (await self._parts.engine.project(keys)).copy()
        refined = np.zeros(len(memories), np.bool_)
        for at, memory in enumerate(memories):
            if memory.value is not None and memory.exact and memory.value.shape == values[at].shape:
                values[at], refined[at] = memory.value, True
        log.info("Keys and values for the night.", memories=len(memories), refined=int(refined.sum()))
        return Vectors(keys, values, refined)

    # --- training ------------------------------------------------------------------------------------------------

    async def _teach(self, run: Run, step: str) -> None:
        def progress(share: float) -> None:
            run.progress(step, share)

        engine = self._parts.engine
        try:
            cards = await engine.run_exclusive(lambda runner: runner.make_room())
            # Refining and judging are short, and one process writes what they find.
            await teach(run.folder, step, progress, cards if step.startswith("stage") else min(1, cards))
        finally:
            # Also when this was cancelled before the model's thread came to make room.
            await asyncio.shield(engine.run_exclusive(lambda runner: runner.come_back()))

    # --- taking up what was learned ------------------------------------------------------------------------------

    async def _serve(self, adapter: Path | None) -> None:
        chosen = adapter or await asyncio.to_thread(self._parts.primed)
        if await self._serves(chosen):
            return
        try:
            await serve(self._parts.engine, chosen)
        except ModelError:
            if adapter is not None or chosen is None:
                raise
            log.exception("The primed adapter cannot be used; none serves.", code="OB-1205", adapter=str(chosen))
            await serve(self._parts.engine, None)

    async def _serves(self, adapter: Path | None) -> bool:
        away = await self._parts.engine.run_exclusive(lambda runner: bool(runner.away))
        return not away and self._parts.engine.status.adapter == (name_of(adapter) if adapter else "")

    def _fresh(self) -> _Fresh | None:
        """What the night refined for the adapter that was just taken up; None when it was an earlier one."""
        if not self._promoted:
            return None
        folder = self._parts.folder / "training" / "runs" / self._promoted
        try:
            return _Fresh(read_plain_job(folder), read_refined(folder))
        except (OSError, msgspec.DecodeError, ValueError, KeyError, BadZipFile) as error:
            log.info("No refined values for this adapter are left.", adapter=self._promoted, cause=str(error))
            return None

    async def _canaries(self, fresh: _Fresh | None) -> list[Canary]:
        """Two memories that were read exactly after the refinement, and are as they were then."""
        if fresh is None or not self._parts.engine.status.trained_recall:
            return []
        found: list[Canary] = []
        for at in np.flatnonzero(fresh.refined.exact):
            told = fresh.job.memories[at]
            memory = await self._parts.store.get(told.id)
            if memory is not None and memory.status == "active" and memory.text == told.text:
                found.append(Canary(told.id, told.text, fresh.refined.values[at]))
            if len(found) == len(GREETINGS):
                break
        return found

    async def _hand_over(self, fresh: _Fresh) -> None:
        """Refined values into the store; a memory that was edited or forgotten meanwhile is left as it is."""
        for start in range(0, len(fresh.job.memories), AT_ONCE):
            part = range(start, min(start + AT_ONCE, len(fresh.job.memories)))
            # Side by side, so that the database commits them together.
            await asyncio.gather(*(self._keep(fresh, at) for at in part))

    async def _keep(self, fresh: _Fresh, at: int) -> None:
        memory, value = fresh.job.memories[at], fresh.refined.values[at]
        if np.isfinite(value).all():
            exact = bool(fresh.refined.exact[at])
            await self._parts.store.refine(memory.id, value, exact=exact, maker=self._promoted, text=memory.text)


class _Trained(Struct):
    memories: list[int] = []


async def serve(engine: Engine, adapter: Path | None) -> None:
    """Have the model's thread take up an adapter once no answer is running."""
    await engine.run_exclusive(lambda runner: runner.serve(adapter))


async def follow(engine: Engine, memories: Swapper) -> None:
    """Have the memories seen as the adapter that serves now asks for them."""
    centre, head = await engine.run_exclusive(lambda runner: runner.key_view)
    await memories.switch(maker_of(engine.status), centre, head)


def maker_of(status: EngineStatus) -> str:
    """What values are made for now: the adapter, or the model as it came."""
    return status.adapter or f"base-{status.base}"


def remembered(memory: Memory, written: Sequence[str]) -> Remembered:
    """A memory with the situations written for it, and those that forms give; the same ones every night."""
    rng = Random(f"{memory.id} {memory.text}")  # noqa: S311 - no secret
    said = [*written, *situations_from_forms(memory.text, rng)]
    situations = [[("user", words)] for words in said]
    return Remembered(id=memory.id, text=memory.text, lang=language_of(memory.text), situations=situations)


def sampled(memories: list[Memory]) -> list[Memory]:
    """At most `MOST_MEMORIES`, newest first, the old ones thinned out evenly; none without a sound key."""
    usable = [memory for memory in memories if memory.key is not None and np.isfinite(memory.key).all()]
    if len(usable) <= MOST_MEMORIES:
        return usable
    kept = [memory for memory in usable[: MOST_MEMORIES // 2] if not memory.pinned]
    pinned = [memory for memory in usable if memory.pinned][: MOST_MEMORIES // 2]
    rest = [memory for memory in usable[MOST_MEMORIES // 2 :] if not memory.pinned]
    room = MOST_MEMORIES - len(kept) - len(pinned)
    step = max(1, math.ceil(len(rest) / max(1, room)))
    return [*pinned, *kept, *rest[::step][:room]]


def seal_candidate(folder: Path, floor: float | None) -> None:
    """Seal the candidate of a run; `floor` is what the gate calibrated, before it the one that serves."""
    job = read_plain_job(folder)
    ids = [memory.id for memory in job.memories]
    floor = job.floor if floor is None else floor
    seal(folder / CANDIDATE, job.base, ids, name=folder.name, floor=floor, primed=job.primed)


def _number(value: float | None) -> float:
    return math.nan if value is None else value
