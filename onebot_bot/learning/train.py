"""The process that trains: `python -m onebot_bot.learning.train FOLDER stage1|stage2|refine|gate`.

A process of its own: running out of memory, or a driver's crash, ends a night and not the bot. It writes one JSON
object a line to stdout: `{"share": 0.4}` for progress, `{"error": "..."}` before it fails. It ends with its parent:
when stdin closes, nobody is left to learn for. On several GPUs it is started by accelerate's launcher, unchanged.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import torch

from onebot_bot.engine.adapter import read_meta
from onebot_bot.engine.request import Conversation
from onebot_bot.errors import BotError
from onebot_bot.learning.base import load_base
from onebot_bot.learning.beginnings import beginnings
from onebot_bot.learning.course import Class, Night
from onebot_bot.learning.job import (
    VERDICT,
    Job,
    Judged,
    Refinements,
    Remembered,
    Vectors,
    read_job,
    read_refined,
    write_refined,
)
from onebot_bot.learning.judge import ask_all, best_floor, chat_loss, ranks, share
from onebot_bot.learning.learner import Bank, Learner
from onebot_bot.learning.lessons import Lesson, Talk, Writer, conversation
from onebot_bot.learning.prompts import load_prompts
from onebot_bot.learning.reading import begin, read_out
from onebot_bot.learning.recipes import Recipes, load_recipes
from onebot_bot.learning.refine import refine
from onebot_bot.learning.replay import replay
from onebot_bot.learning.school import ordinary_talks
from onebot_bot.learning.stage import Plan, Report, train, writes
from onebot_bot.learning.work import CANDIDATE, METRICS

TALKS = 96
HELD_OUT = 48
MOST_JUDGED = 200
"""Memories that the gate asks for, spread over their age."""
LOSS_ALLOWED = 1.01
"""The candidate's loss on held-out chat, relative to the base model's."""
SLACK = 0.02
"""What a figure may lose by chance."""
MOST_FALSE = 0.01
"""False recalls on ordinary turns that need no comparison."""
FOUR_BIT_BELOW = 24 * 2**30
"""Bytes of a card below which the base is loaded in 4 bits, where bitsandbytes is there."""


class Teacher:
    """One step of a night, with everything that it needs loaded."""

    def __init__(self, folder: Path, report: Callable[[dict[str, Any]], None]) -> None:
        self.folder = folder
        self.job, self.vectors = read_job(folder)
        self._report = report
        self.recipes: Recipes = load_recipes(Path(self.job.recipes))
        model = load_base(Path(self.job.model), _placed(self.job), raw=self.job.raw_width)
        self.learner = Learner(model, self.recipes.read, self.recipes.read.modules).to(model.device)
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
        course = Night(Class(lessons, self.bank), self._talks(TALKS, "train"))
        plan = Plan(
            stage=1 if number == 1 else 2,
            recipes=self.recipes,
            course=course,
            writer=self.writer,
            folder=self.folder / f"checkpoint{number}",
            seed=self.job.seed,
        )
        train(self.learner, plan, self._metrics())
        if int(os.environ.get("RANK", "0")) == 0:
            self.learner.save(self.folder / ("stage1" if number == 1 else CANDIDATE))

    def refine(self) -> None:
        """Refine every value for the candidate, until all are exact or the time is up."""
        self.learner.load(self.folder / CANDIDATE)
        started, limit = time.monotonic(), self.job.minutes * 60
        texts = [memory.text for memory in self.job.memories]
        start = torch.where(
            self.bank.refined.view(-1, 1, 1),
            self.bank.values,
            self.learner.heads.projector(self.bank.raw).detach(),
        )
        starts = beginnings(self.learner.model.renderer, self.job.persona)
        values, exact = [], []
        size = self.recipes.refine.batch
        for at in range(0, len(texts), size):
            part = slice(at, at + size)
            late = time.monotonic() - started > limit
            found = refine(
                self.learner,
                starts,
                texts[part],
                start[part],
                self.recipes.refine,
                _always(late),
                self.job.seed,
            )
            values.append(found.values.cpu())
            exact += found.exact
            self._report({"share": min(1.0, (at + size) / len(texts))})
        kept = Refinements(torch.cat(values).float().numpy(), torch.tensor(exact).numpy())
        write_refined(self.folder, kept)

    def gate(self) -> None:
        """Judge what serves and the candidate by the same questions, and say what speaks against the candidate."""
        chosen = _spread(len(self.job.memories))
        held = self._talks(HELD_OUT, "test")
        with self.learner.base():
            base_loss = chat_loss(self.learner, held, self.writer)
        before = self._judge(Path(self.job.serving) if self.job.serving else None, chosen, held, self.vectors.values)
        self._report({"share": 0.5})
        after = self._judge(self.folder / CANDIDATE, chosen, held, read_refined(self.folder).values)
        self._write_floor(after.pop("floor"))
        before.pop("floor")
        figures = {name: (before[name], after[name]) for name in after}
        reasons = against(figures, base_loss)
        (self.folder / VERDICT).write_bytes(msgspec.json.encode(Judged(figures, reasons)))

    def _judge(self, adapter: Path | None, chosen: list[int], held: Sequence[Talk], values: Any) -> dict[str, float]:
        """hit@1, exact share, false recalls, chat loss, closing share of an adapter; its floor."""
        memories = [self.job.memories[index] for index in chosen]
        if adapter is not None:
            self.learner.load(adapter)
        situations = [_situation(memory.situations[-1], self.job.persona) for memory in memories]
        asked = ask_all(self.learner, situations, self.writer)
        keys = self.learner.heads.key(self.bank.raw)
        found = ranks(asked.queries, keys, chosen)
        strange = ask_all(self.learner, [talk.context for talk in held], self.writer)
        right = (asked.queries @ keys.T)[torch.arange(len(chosen)), torch.tensor(chosen)].tolist()
        wrong = (strange.queries @ keys.T).max(1).values.tolist()
        told = self._read(torch.from_numpy(values)[chosen])
        exact = sum(text == memory.text for text, memory in zip(told, memories, strict=True))
        return {
            "hit@1": share(found, 1),
            "hit@10": share(found, 10),
            "exact": exact / len(chosen),
            "asks": sum(asked.asks) / len(chosen),
            "false recalls": sum(strange.asks) / max(1, len(held)),
            "chat loss": chat_loss(self.learner, held, self.writer),
            "floor": best_floor(right, wrong),
        }

    def _read(self, values: torch.Tensor) -> list[str]:
        """What the values are read out as, after a beginning that refining only checked with."""
        start = begin(self.learner, beginnings(self.learner.model.renderer, self.job.persona)[-1])
        told: list[str] = []
        for at in range(0, len(values), 32):
            told += read_out(self.learner, start, values[at : at + 32].to(self.learner.model.device))
        return told

    def _write_floor(self, floor: float) -> None:
        kept = floor if self.job.primed == "" else (floor + read_meta(Path(self.job.primed)).floor) / 2
        (self.folder / "floor.json").write_text(json.dumps(kept), encoding="utf-8")

    def _talks(self, count: int, part: Any) -> list[Talk]:
        """Ordinary turns with the base model's own replies, written once for a base and kept."""
        path = Path(self.job.replies) / f"{self.job.base}-{part}-{count}.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=list[Talk])
        except (OSError, msgspec.DecodeError):
            pass
        rng = Random(0)  # noqa: S311 - which turns, not a secret
        turns = [t for lang in ("en", "zh") for t in ordinary_talks(rng, count // 2, lang, part, "prime")]
        with self.learner.base():
            talks = replay(self.learner, turns)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(talks))
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


def _placed(job: Job) -> Any:
    """The model's settings on this process's own card, and with every core: nobody else is served meanwhile."""
    card = os.environ.get("LOCAL_RANK")
    device = f"cuda:{card}" if card is not None and torch.cuda.is_available() else job.config.device
    return msgspec.structs.replace(job.config, device=device, threads=job.config.threads or os.cpu_count() or 1)


def _bank(vectors: Vectors, device: torch.device) -> Bank:
    return Bank(
        torch.from_numpy(vectors.raw).to(device),
        torch.from_numpy(vectors.values).to(device),
        torch.from_numpy(vectors.refined).to(device),
    )


def _lesson(memory: Remembered, persona: str) -> Lesson:
    """All situations but the gate's, every other under the bot's persona."""
    turns = memory.situations[:-1] or memory.situations
    contexts = tuple(_situation(said, persona if at % 2 == 0 else "") for at, said in enumerate(turns))
    return Lesson(id=memory.id, text=memory.text, lang=memory.lang, contexts=contexts)


def _situation(turns: Sequence[tuple[str, str]], persona: str) -> Conversation:
    return conversation(turns, persona)


def _spread(count: int) -> list[int]:
    """At most `MOST_JUDGED` indices, spread evenly: old memories count as much as new ones."""
    if count <= MOST_JUDGED:
        return list(range(count))
    return [round(at * (count - 1) / (MOST_JUDGED - 1)) for at in range(MOST_JUDGED)]


def _always(answer: bool) -> Callable[[], bool]:  # noqa: FBT001 - it is the answer itself
    return lambda: answer


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    """Leave when the pipe to the parent breaks, however it died."""
    sys.stdin.buffer.read()
    os._exit(3)


def main(arguments: Sequence[str]) -> int:
    """Do one step; the exit status."""
    folder, step = Path(arguments[0]), arguments[1]
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        teacher = Teacher(folder, _say)
        steps = {
            "stage1": lambda: teacher.stage(1),
            "stage2": lambda: teacher.stage(2),
            "refine": teacher.refine,
            "gate": teacher.gate,
        }
        steps[step]()
    except BotError as error:
        _say({"error": str(error)})
        return 1
    except Exception as error:
        _say({"error": f"{type(error).__name__}: {error}"})
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
