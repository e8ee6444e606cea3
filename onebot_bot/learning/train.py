"""The process that trains: `python -m onebot_bot.learning.train FOLDER stage1|stage2|refine|gate`.

A process of its own: running out of memory, or a driver's crash, ends a night and not the bot. It writes one JSON
object a line to stdout: `{"share": 0.4}` for progress, `{"error": "..."}` before it fails. It ends with its parent:
when stdin closes, nobody is left to learn for. On several GPUs it is started by accelerate's launcher, unchanged.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np
import torch

from onebot_bot.engine.adapter import read_meta
from onebot_bot.engine.kv import is_out_of_memory
from onebot_bot.engine.model import LoadedModel, fingerprint, pick_device
from onebot_bot.errors import BotError, LearningError, ModelError
from onebot_bot.extraction.prompts import load_prompts
from onebot_bot.learning.base import lacking_for_four_bit, load_base
from onebot_bot.learning.beginnings import beginnings, own_beginnings
from onebot_bot.learning.course import Class, Night
from onebot_bot.learning.files import write_whole
from onebot_bot.learning.fitting import halved, out_of_memory
from onebot_bot.learning.job import (
    Job,
    Judged,
    Refinements,
    Remembered,
    Vectors,
    read_job,
    read_refined,
    write_refined,
    write_verdict,
)
from onebot_bot.learning.judge import ask_all, calibrate_asking, chat_loss, ranks, share, sparing_floor
from onebot_bot.learning.learner import Bank, Learner
from onebot_bot.learning.lessons import Lesson, Talk, Writer, seated, situated
from onebot_bot.learning.orphan import end_with_parent
from onebot_bot.learning.reading import begin, read_out
from onebot_bot.learning.recipes import Recipes, load_recipes
from onebot_bot.learning.refine import Refined, refine
from onebot_bot.learning.replay import replay, weighed
from onebot_bot.learning.school import ordinary_talks, silent
from onebot_bot.learning.sft import FILE as SFT
from onebot_bot.learning.sft import read_sft
from onebot_bot.learning.stage import Plan, Report, train, writes
from onebot_bot.learning.work import CANDIDATE, METRICS
from onebot_bot.texts import Language
from onebot_bot.worlds.words import Part

TALKS = 240
TURNS = 600
"""Ordinary turns without a reply."""
HELD_OUT = 48
LANGUAGES: tuple[Language, ...] = ("en", "zh")
MOST_JUDGED = 200
"""Memories that the gate asks for, spread over their age."""
LOSS_ALLOWED = 1.01
"""The candidate's loss on held-out chat, relative to the base model's."""
SLACK = 0.02
"""What a figure may lose by chance."""
MOST_FALSE = 0.01
"""False recalls on ordinary turns that need no comparison."""
SHOWN = 1000
"""Characters of an error that the parent is told."""
FOUR_BIT_BELOW = 24 * 2**30
"""Bytes of a card below which the base is loaded in 4 bits, where bitsandbytes is there."""


class Teacher:
    """One step of a night, with everything that it needs loaded."""

    def __init__(self, folder: Path, report: Callable[[dict[str, Any]], None]) -> None:
        self.folder = folder
        self.job, self.vectors = read_job(folder)
        self._report = report
        self.recipes: Recipes = load_recipes(Path(self.job.recipes))
        model = load_learnable(self.job)
        self.learner = Learner(model, self.recipes.read, self.recipes.read.modules)
        self.writer = Writer(model.renderer, load_prompts(Path(self.job.prompts)), self.recipes.read.longest)
        self.bank = _bank(self.vectors, model.device)
        if self.job.primed:
            self.learner.load(Path(self.job.primed))
        else:
            self.learner.calibrate(self.bank.raw)

    def stage(self, number: int) -> None:
        """Train one stage; stage 2 leaves the candidate."""
        if number == 2:
            self.learner.load(self.folder / "stage1")
        lessons = [_lesson(memory, self.job.persona) for memory in self.job.memories]
        talks = self._talks()
        course = Night(Class(lessons, self.bank), talks)
        plan = Plan(
            stage=1 if number == 1 else 2,
            recipes=self.recipes,
            course=course,
            writer=self.writer,
            folder=self.folder / f"checkpoint{number}",
            seed=self.job.seed,
        )
        train(self.learner, plan, self._metrics())
        if number == 2:
            calibrate_asking(self.learner, silent(talks, Random(self.job.seed)), self.writer)  # noqa: S311 - no secret
        if _is_first():
            self.learner.save(self.folder / ("stage1" if number == 1 else CANDIDATE))

    def refine(self) -> None:
        """Refine every value for the candidate, until all are exact or the time is up."""
        self.learner.load(self.folder / CANDIDATE)
        end = time.monotonic() + self.job.minutes * 60
        start, texts = self._start(), [memory.text for memory in self.job.memories]
        renderer = self.learner.model.renderer
        starts = beginnings(renderer, self.job.persona)
        lessons = [_lesson(memory, self.job.persona) for memory in self.job.memories]
        own = [own_beginnings(renderer, lesson.contexts) for lesson in lessons]
        size, recipe = self.recipes.refine.batch, self.recipes.refine
        late, found = partial(_is_late, end), list[Refined]()

        def some(first: int, last: int) -> Refined:
            part = slice(first, last)
            return refine(self.learner, starts, texts[part], start[part], recipe, late, self.job.seed, own[part])

        for at in range(0, len(texts), size):
            found += halved(at, min(at + size, len(texts)), some)
            self._report({"share": min(1.0, (at + size) / len(texts))})
        values = torch.cat([part.values.cpu() for part in found]).float().numpy()
        write_refined(self.folder, Refinements(values, np.array([e for part in found for e in part.exact], np.bool_)))

    @torch.no_grad()
    def _start(self) -> torch.Tensor:
        """Values `[N, v, d]` to refine from: those that were refined before, else the candidate's projector's."""
        projected: torch.Tensor = self.learner.heads.projector(self.bank.raw)
        return torch.where(self.bank.refined.view(-1, 1, 1), self.bank.values, projected)

    def gate(self) -> None:
        """Judge what serves and the candidate by the same questions, and say what speaks against the candidate."""
        chosen = _spread(len(self.job.memories))
        held = self._replayed(HELD_OUT, "test")
        with self.learner.base():
            base_loss = chat_loss(self.learner, held, self.writer)
        self._take_serving()
        before, _ = self._judge(chosen, held, self.vectors.values)
        self._report({"share": 0.5})
        self.learner.load(self.folder / CANDIDATE)
        after, floor = self._judge(chosen, held, read_refined(self.folder).values)
        figures = {name: (before[name], after[name]) for name in after}
        write_verdict(self.folder, Judged(dict(figures), against(figures, base_loss)), self._settled(floor))

    def _take_serving(self) -> None:
        """What serves; where it was trained by another recipe than today's, what this night began with stands for it.

        A night that could not be compared with what serves would never be promoted, nor any after it.
        """
        if not self.job.serving:
            return
        try:
            self.learner.load(Path(self.job.serving))
        except ModelError:
            if not self.job.primed:
                raise
            self.learner.load(Path(self.job.primed))

    def _judge(self, chosen: list[int], held: Sequence[Talk], values: Any) -> tuple[dict[str, float], float]:
        """hit@1, exact share, false recalls, chat loss and so on of what is loaded; and the floor that suits it."""
        memories = [self.job.memories[index] for index in chosen]
        situations = [
            situated(seated(memory.situations[-1], memory.lang, memory.id), self.job.persona) for memory in memories
        ]
        asked = ask_all(self.learner, situations, self.writer)
        strange = ask_all(self.learner, [talk.context for talk in held], self.writer)
        with torch.no_grad():
            keys = self.learner.heads.key(self.bank.raw)
        found = ranks(asked.queries, keys, chosen)
        right = (asked.queries * keys[chosen]).sum(1).tolist()
        wrong = (strange.queries @ keys.T).max(1).values.tolist()
        told = self._read(torch.from_numpy(values)[chosen])
        exact = sum(text == memory.text for text, memory in zip(told, memories, strict=True))
        figures = {
            "hit@1": share(found, 1),
            "hit@10": share(found, 10),
            "exact": exact / len(chosen),
            "asks": sum(asked.asks) / len(chosen),
            "false recalls": sum(strange.asks) / max(1, len(held)),
            "chat loss": chat_loss(self.learner, held, self.writer),
        }
        return figures, sparing_floor(right, wrong)

    def _read(self, values: torch.Tensor) -> list[str]:
        """What the values are read out as, after a beginning that refining only checked with."""
        start = begin(self.learner, beginnings(self.learner.model.renderer, self.job.persona)[-1])
        told: list[str] = []
        for at in range(0, len(values), 32):
            told += read_out(self.learner, start, values[at : at + 32].to(self.learner.model.device))
        return told

    def _settled(self, floor: float) -> float:
        """A few memories tell little of where the floor belongs: the many that priming saw count as much."""
        return (floor + read_meta(Path(self.job.primed)).floor) / 2 if self.job.primed else floor

    def _talks(self) -> list[Talk]:
        """Ordinary turns to train with: the operator's own conversations, or the base model's own replies."""
        replied = read_sft(Path(self.job.recipes) / SFT) or self._replayed(TALKS, "train")
        rng = Random(self.job.seed)  # noqa: S311 - which turns, not a secret
        more = [talk for lang in LANGUAGES for talk in ordinary_talks(rng, TURNS // 2, lang, "train", "prime")]
        return weighed(replied, more)

    def _replayed(self, count: int, part: Part) -> list[Talk]:
        """Ordinary turns with the base model's own replies, written once for a base and kept."""
        path = Path(self.job.replies) / f"{self.job.base}-{part}-{count}.json"
        with contextlib.suppress(OSError, msgspec.DecodeError):
            return msgspec.json.decode(path.read_bytes(), type=list[Talk])
        rng = Random(0)  # noqa: S311 - which turns, not a secret
        turns = [talk for lang in LANGUAGES for talk in ordinary_talks(rng, count // 2, lang, part, "prime")]
        with self.learner.base():
            talks = replay(self.learner, turns)
        if _is_first():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, msgspec.json.encode(talks).decode())
        return talks

    def _metrics(self) -> Report:
        write = writes(self.folder / METRICS)

        def report(line: dict[str, Any]) -> None:
            write(line)
            self._report({"share": line["step"] / line["of"]})

        return report


def against(figures: dict[str, tuple[float, float]], base_loss: float) -> list[str]:
    """What speaks against a candidate: it must not lose to what serves, nor move away from the base model."""
    reasons = []
    for name in ("hit@1", "exact"):
        before, after = figures[name]
        if after < before - SLACK:
            reasons.append(f"{name} {before:.3f} -> {after:.3f}")
    before, after = figures["false recalls"]
    if after > max(before, MOST_FALSE) + SLACK:
        reasons.append(f"false recalls {before:.3f} -> {after:.3f}")
    before, after = figures["chat loss"]
    if not after <= max(before, base_loss * LOSS_ALLOWED):
        reasons.append(f"chat loss {before:.3f} -> {after:.3f} (base model {base_loss:.3f})")
    return reasons


def load_learnable(job: Job) -> LoadedModel:
    """The pristine base on this process's own card, and with every core: nobody else is served meanwhile.

    Raises:
        LearningError: the memories' keys are another model's.
    """
    if fingerprint(Path(job.model)) != job.base:
        raise LearningError(
            f"model.path: {job.model} is not the model that serves (its fallback does, or it was replaced): "
            "what is learned would not fit; restart the bot with a model that fits, then /learn now"
        )
    card = os.environ.get("LOCAL_RANK")
    device = f"cuda:{card}" if card is not None and torch.cuda.is_available() else job.config.device
    config = msgspec.structs.replace(job.config, device=device, threads=job.config.threads or os.cpu_count() or 1)
    return load_base(Path(job.model), config, four_bit=_is_small(pick_device(device)), raw=job.raw_width)


def _is_small(device: torch.device) -> bool:
    """Whether the base goes into 4 bits: the card is small, and what it takes is there."""
    if lacking_for_four_bit(device):
        return False
    return torch.cuda.get_device_properties(device).total_memory < FOUR_BIT_BELOW


def _is_first() -> bool:
    """Whether this is the one process of several that writes."""
    return os.environ.get("RANK", "0") == "0"


def _bank(vectors: Vectors, device: torch.device) -> Bank:
    """The memories; a refined value that is no number counts as not refined."""
    sound = np.isfinite(vectors.values).all((1, 2))
    return Bank(
        torch.from_numpy(vectors.raw).to(device),
        torch.from_numpy(vectors.values).to(device),
        torch.from_numpy(vectors.refined & sound).to(device),
    )


def _lesson(memory: Remembered, persona: str) -> Lesson:
    """All situations but the gate's, every other under the bot's persona, alone with the bot and in groups by turns."""
    turns = memory.situations[:-1] or memory.situations
    contexts = tuple(
        situated(seated(said, memory.lang, memory.id, group=at % 4 > 1), persona if at % 2 == 0 else "")
        for at, said in enumerate(turns)
    )
    return Lesson(id=memory.id, text=memory.text, lang=memory.lang, contexts=contexts)


def _spread(count: int) -> list[int]:
    """At most `MOST_JUDGED` indices, spread evenly: old memories count as much as new ones."""
    if count <= MOST_JUDGED:
        return list(range(count))
    return [round(at * (count - 1) / (MOST_JUDGED - 1)) for at in range(MOST_JUDGED)]


def _is_late(end: float) -> bool:
    return time.monotonic() > end


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Do one step; the exit status."""
    folder, step = Path(arguments[0]), arguments[1]
    end_with_parent()
    try:
        _do(Teacher(folder, _say), step)
    except BotError as error:
        _say({"error": str(error)[:SHOWN]})
        return 1
    except Exception as error:
        short = is_out_of_memory(error)
        _say({"error": str(out_of_memory(step)) if short else f"{type(error).__name__}: {error}"[:SHOWN]})
        raise
    return 0


def _do(teacher: Teacher, step: str) -> None:
    match step:
        case "stage1":
            teacher.stage(1)
        case "stage2":
            teacher.stage(2)
        case "refine":
            teacher.refine()
        case "gate":
            teacher.gate()
        case _:
            raise LearningError(f"{step!r} is no step: stage1, stage2, refine or gate")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
