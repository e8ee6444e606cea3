"""What bench/months.py lives in: a whole bot with a model that needs no torch, a NapCat, and what people do all day."""

import asyncio
import base64
import contextlib
import functools
import io
import itertools
import random
import shutil
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from PIL import Image as Pictures

from bench import months_teacher
from bench.virtual_time import CLOCK, counted
from onebot_bot import app as app_module
from onebot_bot import logfile, nights
from onebot_bot.app import App
from onebot_bot.engine.request import Counters, FinishReason, Generation, GenerationResult, ProfileState, Usage, Vector
from onebot_bot.engine.worker import EngineWorker
from onebot_bot.errors import BotError, NotConnected
from onebot_bot.learning import cycle, night, teaching
from onebot_bot.learning.versions import META
from onebot_bot.memory.database import Database
from onebot_bot.protocol.segments import At, Image, Segment, Text
from onebot_bot.transport.client import Answer, Call, OneBotClient, ok

T = TypeVar("T")
OWNER, ACCOUNT = 1, 10000
PEOPLE = tuple(range(2, 10))
GROUPS = (20000, 20001, 20002)
THINGS = ("cat", "dog", "green tea", "long walks", "old films", "maths", "rain", "trains", "noodles", "the sea")
LOG_BYTES = 64 * 2**10
"""A log file is turned over at this size, so that a month turns it over often."""
BEAT = 30.0
"""Seconds between NapCat's heartbeats."""
CONFIG = """version = 1
[bot]
owners = [1]
language = "en"
[server]
port = {port}
token = "a-token-of-the-bench"
[model]
path = "models/none"
[chat]
merge_window = 1.0
[sending]
interval = 1.0
per_minute = 0
[vision]
store_mib = 1
[log]
turns_days = 3
[learning]
first_delay_days = 1
quiet_minutes = 1.0
refine_idle = false
[backup]
keep = 3
"""


# --- the model ---------------------------------------------------------------------------------------------------


class _Answer:
    """An answer, three letters a step; no two are the same."""

    numbers: ClassVar[Iterator[int]] = itertools.count()

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.outcome: GenerationResult | BotError | None = None
        self._text = f"Good to hear that, the {next(_Answer.numbers)}th time."
        self._written = 0

    def take_delta(self) -> str:
        return self._text[self._written - 3 : self._written]

    def step(self) -> None:
        self._written += 3
        if self.generation.interrupted or self._written >= len(self._text):
            reason = FinishReason.INTERRUPTED if self.generation.interrupted else FinishReason.STOP
            usage = Usage(prompt_tokens=100, new_tokens=6)
            self.outcome = GenerationResult(text=self._text[: self._written], finish_reason=reason, usage=usage)


class Model:
    """What the worker drives, without a network: its keys count letters."""

    device = "bench"
    sees = True
    trained_recall = False
    fingerprint = "bench"
    base = "bench"
    floor = 0.3
    parameters = 0
    counters = Counters()
    profiles: ClassVar[Mapping[str, ProfileState]] = {}
    key_view = (np.zeros(16, np.float32), np.eye(16, dtype=np.float32))
    free_device_bytes: int | None = None
    away = False

    def __init__(self) -> None:
        self.adapter = ""

    def serve(self, adapter: Path | None) -> None:
        """Take its name."""
        self.adapter = adapter.name if adapter is not None and (adapter / META).is_file() else ""

    def make_room(self) -> int:
        """No cards."""
        return 0

    def come_back(self) -> None:
        """It was never away."""

    def ready(self, generation: Generation) -> bool:
        """There is nothing to load."""
        return generation.request is not None

    def start(self, generation: Generation) -> _Answer:
        """Begin."""
        return _Answer(generation)

    def step(self, running: Sequence[_Answer]) -> None:
        """Three letters each."""
        for answer in running:
            answer.step()

    def embed(self, texts: list[str]) -> Vector:
        """How often each letter is in it."""
        keys = np.zeros((len(texts), 16), np.float32)
        for row, text in enumerate(texts):
            np.add.at(keys[row], [ord(letter) % 16 for letter in text], 1)
        return keys

    def project(self, keys: Vector) -> Vector:
        """Two ones each."""
        return np.ones((len(keys), 2, 16), np.float32)

    def memory(self) -> int:
        """None."""
        return 0


# --- what other threads and processes do stops the time ----------------------------------------------------------


def hold_time() -> None:
    """Have the time stand still while the database, the model or a training works, and nights train without torch."""
    nights.load_runner = lambda *_: Model()
    teaching.command = lambda _: (sys.executable, "-m", months_teacher.__name__)  # type: ignore[assignment]
    for module, name in ((night, "teach"), (cycle, "draw_apart")):
        setattr(module, name, _waiting(getattr(module, name)))
    for name in ("embed", "project", "run_exclusive"):
        setattr(EngineWorker, name, _waiting(getattr(EngineWorker, name)))
    submit, write = EngineWorker.submit, Database.submit

    def submit_counted(self: EngineWorker, request: Any) -> Generation:
        generation = submit(self, request)
        counted(generation._settling())  # noqa: SLF001 - what ends when the thread has answered
        return generation

    EngineWorker.submit = submit_counted  # type: ignore[method-assign]
    Database.submit = lambda self, *given, **named: counted(write(self, *given, **named))  # type: ignore[method-assign]
    logfile.FILE_BYTES = LOG_BYTES


def _waiting(work: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(work)
    async def waiting(*given: Any, **named: Any) -> Any:
        CLOCK.busy += 1
        try:
            return await work(*given, **named)
        finally:
            CLOCK.busy -= 1

    return waiting


# --- the world ---------------------------------------------------------------------------------------------------


class World:
    """A running bot with NapCat connected."""

    def __init__(self, app: App, client: OneBotClient, seed: int) -> None:
        self.app = app
        self.client = client
        self.beats = 0
        """Heartbeats sent."""
        self.said = 0
        self.replies = 0
        self._random = random.Random(seed)

    async def read(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        """Ask the database."""
        return await self.app._stores.database.read(ask)  # noqa: SLF001 - the application shows nobody its database

    async def beat(self) -> None:
        """NapCat's heartbeats, on and on."""
        while True:
            await asyncio.sleep(BEAT)
            with contextlib.suppress(NotConnected):
                await self.client.send_heartbeat(interval=int(BEAT * 1000))
                self.beats += 1

    async def day(self, number: int) -> None:
        """From six in the morning to the next: talk every hour, then a backup and a night."""
        for passed in range(24):
            if (hour := (6 + passed) % 24) >= 8:
                await self._talk(number, hour)
            await self._quiet_until((number * 24 + passed + 1) * 3600.0)

    async def _quiet_until(self, moment: float) -> None:
        CLOCK.quantum = BEAT / 2
        await asyncio.sleep(moment - CLOCK.now)
        CLOCK.quantum = 0.0

    async def _talk(self, day: int, hour: int) -> None:
        who, thing = self._random.choice(PEOPLE), self._random.choice(THINGS)
        await self._private(who, f"I like {thing} number {day}.{hour}.")
        await self._group(self._random.choice(GROUPS), who, (At(str(ACCOUNT)), Text(f" what about {thing}?")))
        await self._group(GROUPS[hour % len(GROUPS)], self._random.choice(PEOPLE), (Text(f"{thing} again"),))
        match hour:
            case 9:
                await self._private(OWNER, f"/memory add Somebody likes {thing}, day {day}.")
            case 10:
                await self._private(OWNER, f"/memory forget {self._random.randint(1, 5 * day + 5)} -y")
            case 12:
                await self._private(who, (Image(file=f"noise-{day}.png"), Text("look")))
            case 15:
                await self._reconnect()
            case 18 if day % 7 == 6:
                await self._private(self._random.choice(PEOPLE), "/forget me -y")
            case 20:
                await self._private(OWNER, "/stats")
        await asyncio.sleep(60)
        self._take_replies()

    async def _private(self, user: int, words: str | tuple[Segment, ...]) -> None:
        await self._send(self.client.private_message(user, words))

    async def _group(self, group: int, user: int, words: tuple[Segment, ...]) -> None:
        await self._send(self.client.group_message(group, user, words))

    async def _send(self, event: dict[str, Any]) -> None:
        await self.client.send_event(event)
        self.said += 1
        await asyncio.sleep(5)

    async def _reconnect(self) -> None:
        """NapCat is gone for two minutes."""
        await self.client.disconnect()
        await asyncio.sleep(120)
        await self.client.connect()

    def _take_replies(self) -> None:
        self.replies += sum(call.action in ("send_private_msg", "send_group_msg") for call in self.client.calls)
        self.client.calls.clear()
        with contextlib.suppress(asyncio.QueueEmpty):
            while True:
                self.client._arrived.get_nowait()  # noqa: SLF001 - it would grow for a month


def _picture(chance: random.Random) -> str:
    """A picture of noise, which no codec makes small, in base64."""
    out = io.BytesIO()
    Pictures.frombytes("RGB", (256, 256), chance.randbytes(3 * 256 * 256)).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


@contextlib.asynccontextmanager
async def live(folder: Path, seed: int = 0) -> AsyncIterator[World]:
    """A bot in `folder` and a NapCat that is connected to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        (folder / "config.toml").write_text(CONFIG.format(port=probe.getsockname()[1]), encoding="utf-8")
    training = Path(app_module.__file__).parents[1] / "training"
    shutil.copytree(training, folder / "training", ignore=shutil.ignore_patterns("primed", "runs", "replies"))

    def answer(call: Call) -> Answer:
        if call.action == "get_image":
            return ok({"base64": _picture(random.Random(str(call.params["file"])))})
        return client.succeed(call)

    async with (
        App(folder / "config.toml") as app,
        OneBotClient(app.url, ACCOUNT, app.token, on_call=answer) as client,
    ):
        world = World(app, client, seed)
        beating = asyncio.create_task(world.beat())
        try:
            yield world
        finally:
            beating.cancel()
