"""What a night does, step by step: the real `Work`. The training itself runs in a process of its own (train.py)."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
import structlog
from msgspec import Struct

from onebot_bot.config import Config
from onebot_bot.engine.request import (
    RECALL,
    RECALL_END,
    Engine,
    EngineStatus,
    GenerationRequest,
    RecallHit,
    RecallPolicy,
    SamplingParams,
    Vector,
)
from onebot_bot.learning.curator import Curator
from onebot_bot.learning.extraction import asking
from onebot_bot.learning.job import VERDICT, Job, Judged, Remembered, Vectors, read_refined, write_job
from onebot_bot.learning.lessons import conversation
from onebot_bot.learning.primed import primed_for
from onebot_bot.learning.prompts import load_prompts
from onebot_bot.learning.situations import language_of, situations_by_model, situations_from_forms
from onebot_bot.learning.teaching import teach
from onebot_bot.learning.versions import Versions, seal
from onebot_bot.learning.work import CANDIDATE, METRICS, Plan, Run, Verdict
from onebot_bot.memory.rows import Memory
from onebot_bot.memory.store import MemoryStore

log = structlog.get_logger(__name__)

MOST_MEMORIES = 20_000
"""Memories that a night trains on; beyond, all pinned and recent ones and an even sample of the rest."""
DISK_BYTES = 600 * 2**20
"""A night's checkpoints, candidate and log, and some room."""
PER_PARAMETER = 3.2
"""Bytes of device memory a parameter of the base takes while it trains: its weight, and its share of activations."""
CANARIES = (("user", "Hello!"), ("user", "你好，在吗？"))


class Swapper(Protocol):
    """Who follows the model from one adapter to the next: `Memories`, as far as the night needs it."""

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
    folder: Path
    """Of config.toml."""
    recipes: Path
    """Folder of the recipes, the prompts and the primed adapters."""
    capable: Callable[[], bool]
    """Whether the model is up to writing situations."""


class NightWork:
    """The steps."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._fresh: tuple[Path, list[int], list[str]] | None = None
        """The run whose refined values wait for its adapter to serve: folder, ids, texts."""

    async def plan(self) -> Plan:
        """What the night needs of disk and card."""
        parts = self._parts
        await parts.loaded()
        status = parts.engine.status
        free = await parts.engine.run_exclusive(lambda runner: runner.free_device_bytes)
        needed = int(status.parameters * PER_PARAMETER) if free is not None else 0
        count = await parts.store.count(None)
        return Plan(count, DISK_BYTES, needed, free if free is not None else 0)

    async def extract(self, run: Run) -> dict[str, Any]:
        """Read what the chats have not been read for, then write the job."""
        summary = await self._parts.curator.catch_up(run.cancelled)
        memories = sampled(await self._parts.store.page(None, limit=-1))
        if memories:
            await self._write_job(run, memories)
        return {
            "memories": len(memories),
            "added": summary.learned,
            "merged": summary.again,
            "superseded": 0,
            "examples": [example.text for example in summary.examples],
            "dropped": summary.dropped,
            "files": ["job.json", "values.npz"] if memories else [],
        }

    async def teach(self, run: Run, stage: Literal[1, 2]) -> dict[str, Any]:
        """Train a stage; the candidate is sealed when the second has ended."""
        await self._teach(run, f"stage{stage}")
        if stage == 2:
            job = read_plain_job(run.folder)
            await asyncio.to_thread(
                seal,
                run.folder / CANDIDATE,
                job.base,
                [memory.id for memory in job.memories],
                name=run.folder.name,
                floor=msgspec.json.decode(_floor(job)),
                primed=job.primed,
            )
        return {"files": [CANDIDATE] if stage == 2 else ["stage1"], "metrics": METRICS}

    async def refine(self, run: Run) -> dict[str, Any]:
        """Refine every value for the candidate."""
        await self._teach(run, "refine")
        refined = read_refined(run.folder)
        return {"refined": len(refined.exact), "exact": int(refined.exact.sum()), "files": ["refined.npz"]}

    async def gate(self, run: Run) -> Verdict:
        """Compare, and write the floor that was found into the candidate."""
        await self._teach(run, "gate")
        judged = msgspec.json.decode((run.folder / VERDICT).read_bytes(), type=Judged)
        await asyncio.to_thread(reseal, run.folder)
        return Verdict(passed=not judged.reasons, figures=judged.figures, reasons=judged.reasons)

    async def swap(self, adapter: Path | None) -> None:
        """Serve an adapter, let the memories follow it, and hand them the values that were refined for it."""
        parts = self._parts
        chosen = adapter or primed_for(parts.recipes / "primed", parts.engine.status.base)
        if parts.engine.status.adapter != adapter_name(chosen):
            parts.memories.suspend()
            try:
                await serve(parts.engine, chosen)
            finally:
                await follow(parts.engine, parts.memories)
        if adapter is not None:
            await self._hand_over(parts.folder / "training" / "runs" / adapter.name, adapter.name)

    async def canary(self) -> list[str]:
        """Two greetings and two memories asked for: the model answers, ends, and what it recalls is read out."""
        faults = [fault for role, text in CANARIES if (fault := await self._greet(role, text))]
        for memory in await self._parts.store.page(None, limit=2):
            fault = await self._ask_for(memory)
            faults += [fault] if fault else []
        return faults

    # --- steps in detail -----------------------------------------------------------------------------------------

    async def _teach(self, run: Run, step: str) -> None:
        def progress(share: float) -> None:
            run.progress(step, share)

        engine = self._parts.engine
        devices = await engine.run_exclusive(lambda runner: runner.make_room())
        try:
            await teach(run.folder, step, progress, devices)
        finally:
            await asyncio.shield(engine.run_exclusive(lambda runner: runner.come_back()))

    async def _write_job(self, run: Run, memories: list[Memory]) -> None:
        parts, config = self._parts, self._parts.config()
        status = parts.engine.status
        primed = primed_for(parts.recipes / "primed", status.base)
        serving = await asyncio.to_thread(parts.versions.current) or primed
        remembered = [await self._remembered(memory, number) for number, memory in enumerate(memories)]
        vectors = await self._vectors(memories, status.adapter)
        job = Job(
            model=str(parts.folder / config.model.path),
            config=config.model,
            base=status.base,
            primed=str(primed or ""),
            serving=str(serving or ""),
            recipes=str(parts.recipes),
            prompts=str(parts.recipes / "prompts.toml"),
            replies=str(parts.folder / "training" / "replies"),
            raw_width=vectors.raw.shape[1],
            persona=config.bot.persona,
            floor=status.calibrated_floor,
            memories=remembered,
        )
        await asyncio.to_thread(write_job, run.folder, job, vectors)

    async def _remembered(self, memory: Memory, number: int) -> Remembered:
        rng = Random(f"{memory.id} {memory.text}")  # noqa: S311 - the same situations for the same memory
        said = situations_from_forms(memory.text, rng)
        if self._parts.capable():
            prompts = await asyncio.to_thread(load_prompts, self._parts.recipes / "prompts.toml")
            said = [*await situations_by_model(memory.text, asking(self._parts.engine), prompts), *said]
        log.debug("situations", memory=memory.id, number=number, count=len(said))
        lang = language_of(memory.text)
        return Remembered(
            id=memory.id, text=memory.text, lang=lang, situations=[[("user", question)] for question in said]
        )

    async def _vectors(self, memories: list[Memory], adapter: str) -> Vectors:
        """Keys, and values as they serve now; a value that was refined for another adapter is a good start too."""
        keys = np.stack([memory.key for memory in memories if memory.key is not None]).astype(np.float32)
        projected = await self._parts.engine.project(keys)
        values, refined = projected.copy(), np.zeros(len(memories), np.bool_)
        for at, memory in enumerate(memories):
            if memory.value is not None and memory.exact and memory.value.shape == projected[at].shape:
                values[at], refined[at] = memory.value, True
        log.info("Keys and values for the night.", memories=len(memories), refined=int(refined.sum()), adapter=adapter)
        return Vectors(keys, values, refined)

    async def _hand_over(self, folder: Path, adapter: str) -> None:
        """The refined values of a night whose adapter serves now; a memory that was edited meanwhile keeps its own."""
        try:
            job, refined = read_plain_job(folder), read_refined(folder)
        except (OSError, msgspec.DecodeError, ValueError) as error:
            log.info("No refined values for this adapter are left.", adapter=adapter, cause=str(error))
            return
        for memory, value, exact in zip(job.memories, refined.values, refined.exact, strict=True):
            await self._parts.store.refine(memory.id, value, exact=bool(exact), maker=adapter, text=memory.text)

    async def _greet(self, role: str, text: str) -> str:
        """What is wrong with the answer to a greeting; empty: nothing."""
        persona = self._parts.config().bot.persona
        sampling = SamplingParams(temperature=0.0, max_new_tokens=32)
        request = GenerationRequest(conversation=conversation([(role, text)], persona), sampling=sampling)
        result = await self._parts.engine.submit(request).result()
        return "" if result.text.strip() else f"no answer to {text!r}"

    async def _ask_for(self, memory: Memory) -> str:
        """The memory's own text as the question: what comes to mind then has to be read out and closed."""
        status = self._parts.engine.status
        if not status.trained_recall:
            return ""
        policy = RecallPolicy(self._search_in(memory), status.calibrated_floor, 1)
        sampling = SamplingParams(temperature=0.0, max_new_tokens=96)
        request = GenerationRequest(
            conversation=conversation([("user", memory.text)]), sampling=sampling, recall=policy
        )
        result = await self._parts.engine.submit(request).result()
        opened = result.text.count(RECALL)
        return f"a recall that never ends, at {memory.id}" if opened > result.text.count(RECALL_END) else ""

    def _search_in(self, memory: Memory) -> Callable[[Vector], RecallHit | None]:
        def search(query: Vector) -> RecallHit | None:
            for hit in self._parts.store.search(query, memory.chat, 1):
                if hit.value is not None:
                    return RecallHit(hit.memory_id, hit.score, hit.text, hit.value)
            return None

        return search


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


def adapter_name(adapter: Path | None) -> str:
    """The name that the engine shows while it serves the folder; empty for the bare model."""
    if adapter is None:
        return ""
    name: str = msgspec.json.decode((adapter / "meta.json").read_bytes())["name"]
    return name


def sampled(memories: list[Memory]) -> list[Memory]:
    """At most `MOST_MEMORIES`, newest first, the old ones thinned out evenly; none without a key."""
    usable = [memory for memory in memories if memory.key is not None]
    if len(usable) <= MOST_MEMORIES:
        return usable
    kept = [memory for memory in usable[: MOST_MEMORIES // 2] if not memory.pinned]
    pinned = [memory for memory in usable if memory.pinned][: MOST_MEMORIES // 2]
    rest = [memory for memory in usable[MOST_MEMORIES // 2 :] if not memory.pinned]
    room = MOST_MEMORIES - len(kept) - len(pinned)
    step = max(1, len(rest) // max(1, room))
    return [*pinned, *kept, *rest[::step][:room]]


def read_plain_job(folder: Path) -> Job:
    """The job without its vectors."""
    return msgspec.json.decode((folder / "job.json").read_bytes(), type=Job)


def reseal(folder: Path) -> None:
    """Seal the candidate with the floor that the gate calibrated."""
    job = read_plain_job(folder)
    ids = [memory.id for memory in job.memories]
    floor = msgspec.json.decode((folder / "floor.json").read_bytes())
    seal(folder / CANDIDATE, job.base, ids, name=folder.name, floor=floor, primed=job.primed)


def _floor(job: Job) -> bytes:
    """Until the gate has calibrated it, the floor is what serves."""
    return msgspec.json.encode(job.floor)
