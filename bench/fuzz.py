"""Structure-aware fuzzing of all that strangers reach: frames, words, commands, files, pictures, and the whole bot.

Each target runs in a process of its own, whose memory is bounded. A case is made of its number and the seed alone, so
that it can be run again: `python -m bench.fuzz --seed 1 --only decode_frames --case 4711`. What a case takes is time on
the processor, whatever else the machine does; one that takes `LIMIT` is given up, and counts as a crash.
"""

import argparse
import asyncio
import multiprocessing
import resource
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from bench import fuzz_files, fuzz_large, fuzz_talk, fuzz_wire
from bench.fuzz_bot import drive
from bench.goals import goals_of
from bench.report import Measured, Run, describe_machine, format_table, report

LIMIT = 10.0
"""Seconds on the processor after which a case is given up."""
MEMORY = 3 * 2**30
"""Bytes of address space that a target's process may take beyond what it begins with."""
MOST_CRASHES = 20
"""After which a target ends."""
SLOW = 0.2
"""Seconds from which a case is run once more: the collector of garbage may have come in between."""
CASES, QUICK = 1_000_000, 4000
GOALS = goals_of("fuzz")
NONE: Mapping[str, float | None] = {}


Step: TypeAlias = Callable[[int], None]
"""Told of each case before it is run."""


class Target(Struct, frozen=True):
    """What is fed."""

    run: Callable[[Random], None]
    share: float
    """Of the cases; all shares together are 1000."""

    @property
    def name(self) -> str:
        """As `--only` takes it."""
        return self.run.__name__


class Crash(Struct, frozen=True):
    """What was found."""

    case: int
    error: str


class Outcome(Struct):
    """What came of a target."""

    cases: int = 0
    crashes: list[Crash] = msgspec.field(default_factory=list)
    slowest: float = 0.0
    """Seconds on the processor."""
    slowest_case: int = 0
    grown: float = 0.0
    """MiB of memory taken beyond what the process began with, at its most."""
    grown_late: float = 0.0
    """Of that, in the second half of the cases."""
    spent: float = 0.0
    """Seconds on the processor, all cases together."""


Work: TypeAlias = Callable[[Step], Outcome]
"""All cases of a target."""

TARGETS = (
    Target(fuzz_wire.decode_frames, 140),
    Target(fuzz_wire.decode_histories, 30),
    Target(fuzz_wire.read_cq_codes, 250),
    Target(fuzz_talk.read_messages, 60),
    Target(fuzz_talk.read_names, 240),
    Target(fuzz_talk.read_words, 100),
    Target(fuzz_talk.read_cards, 20),
    Target(fuzz_talk.send_answers, 80),
    Target(fuzz_talk.watch_answers, 15),
    Target(fuzz_talk.take_memories, 15),
    Target(fuzz_files.load_configs, 5),
    Target(fuzz_files.load_personas, 5),
    Target(fuzz_files.read_exports, 8),
    Target(fuzz_files.read_texts, 5),
    Target(fuzz_files.read_pages, 2),
    Target(fuzz_files.read_documents, 3),
    Target(fuzz_files.read_pdfs, 2.5),
    Target(fuzz_files.see_pictures, 4),
    Target(fuzz_files.see_videos, 0.5),
    Target(fuzz_files.write_markup, 4.8),
    Target(fuzz_files.draw_answers, 0.15),
    Target(fuzz_large.send_large, 0.05),
)
BOT, BOT_SHARE = "the whole bot", 10
"""The target that is more than one call."""


class TooSlow(BaseException):
    """A case is given up; no target catches it."""


# --- one target ----------------------------------------------------------------------------------------------------


@contextmanager
def given_up_after(seconds: float) -> Iterator[None]:
    """Raise TooSlow in the block once it took so long on the processor."""

    def give_up(_signal: int, _frame: Any) -> None:
        raise TooSlow(f"not done within {seconds:g} s on the processor")

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def run_case(target: Target, seed: str, case: int) -> tuple[float, str]:
    """Seconds on the processor, and what went wrong; empty: nothing."""
    random = Random(f"{seed}/{target.name}/{case}")
    begun = time.process_time()
    try:
        with given_up_after(LIMIT):
            target.run(random)
    except (Exception, TooSlow):  # noqa: BLE001 - whatever it is, it is what is looked for
        return time.process_time() - begun, traceback.format_exc(limit=-6)
    return time.process_time() - begun, ""


def run_target(target: Target, seed: str, cases: int, step: Step) -> Outcome:
    """All cases of a target; `step` is told of each, before it is run."""
    found, memory = Outcome(), _memory()
    half, begun = memory, time.process_time()
    for case in range(cases):
        step(case)
        seconds, error = run_case(target, seed, case)
        if SLOW < seconds < LIMIT:
            seconds = min(seconds, run_case(target, seed, case)[0])
        if seconds > found.slowest:
            found.slowest, found.slowest_case = seconds, case
        if error:
            found.crashes.append(Crash(case, error))
        found.cases += 1
        if case == cases // 2:
            half = _memory()
        if len(found.crashes) >= MOST_CRASHES:
            break
    found.grown, found.grown_late, found.spent = _memory() - memory, _memory() - half, time.process_time() - begun
    return found


def run_bot(seed: str, cases: int, step: Step) -> Outcome:
    """The same for the whole bot; the slowest case is the longest between two frames, all of its work counted."""
    found, memory, crashes = Outcome(), 0.0, list[Crash]()
    begun = last = time.process_time()
    half = 0.0

    def stepped(case: int) -> None:
        nonlocal last, memory, half
        step(case)
        now = time.process_time()
        if case == 0:
            memory = _memory()
        elif now - last > found.slowest:
            found.slowest, found.slowest_case = now - last, case - 1
        if case == cases // 2:
            half = _memory()
        last, found.cases = now, case + 1

    asyncio.run(drive(seed, cases, stepped, lambda error: crashes.append(Crash(found.cases - 1, error))))
    found.crashes = crashes[:MOST_CRASHES]
    found.grown, found.grown_late, found.spent = _memory() - memory, _memory() - half, time.process_time() - begun
    return found


def _memory() -> float:
    """MiB that this process took at its most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- a process for each --------------------------------------------------------------------------------------------


def run_apart(work: Work) -> Outcome:
    """The outcome of the work in a process of its own; where that dies, the case it was at is a crash."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    at = context.Value("q", 0)
    process = context.Process(target=_apart, args=(work, theirs, at))
    process.start()
    theirs.close()
    try:
        return msgspec.msgpack.decode(ours.recv_bytes(), type=Outcome)
    except EOFError:
        process.join()
        return Outcome(at.value + 1, [Crash(at.value, f"the process ended with {process.exitcode}")])
    finally:
        process.join()


def _apart(work: Work, out: Connection, at: "Synchronized[int]") -> None:
    most = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    warnings.simplefilter("ignore")  # Pillow's, of each damaged picture

    def step(case: int) -> None:
        at.value = case

    out.send_bytes(msgspec.msgpack.encode(work(step)))
    out.close()


# --- figures -------------------------------------------------------------------------------------------------------


def find_figures(outcomes: Mapping[str, Outcome], before: Mapping[str, float | None] = NONE) -> dict[str, float]:
    """What the goals are about, and each target's own; those of targets that were not run are as they were `before`."""
    figures = {name: figure for name, figure in before.items() if figure is not None}
    for name, outcome in outcomes.items():
        figures |= {f"cases {name}": outcome.cases, f"crashes {name}": len(outcome.crashes)}
        figures |= {f"slowest {name}": outcome.slowest, f"grown {name}": outcome.grown}
        figures[f"us {name}"] = outcome.spent / max(1, outcome.cases) * 1e6
    late = max(outcome.grown_late for outcome in outcomes.values())
    return figures | {
        "cases": sum(_each(figures, "cases")),
        "crashes": sum(_each(figures, "crashes")),
        "slowest": max(_each(figures, "slowest")),
        "grown_late": max(late, figures.get("grown_late", 0.0)),
    }


def _each(figures: Mapping[str, float], kind: str) -> list[float]:
    return [figure for name, figure in figures.items() if name.startswith(f"{kind} ")]


def _before(given: argparse.Namespace) -> Mapping[str, float | None]:
    """The figures that are to be kept: what a file has of the targets that are not run again."""
    if not given.only or given.json is None or not given.json.exists():
        return NONE
    return msgspec.json.decode(given.json.read_bytes(), type=Measured).figures


def fuzz(seed: str, cases: int, only: Sequence[str]) -> dict[str, Outcome]:
    """Run the targets one after the other, and tell of each."""
    outcomes: dict[str, Outcome] = {}
    for name in only or [*(target.name for target in TARGETS), BOT]:
        outcomes[name] = run_apart(_work(name, seed, cases))
        _tell(name, outcomes[name])
    return outcomes


def _work(name: str, seed: str, cases: int) -> Work:
    """A target's share of so many cases, ten at least."""
    target = next((target for target in TARGETS if target.name == name), None)
    count = max(10, round(cases * (target.share if target else BOT_SHARE) / 1000))
    return partial(run_target, target, seed, count) if target else partial(run_bot, seed, count)


def _tell(name: str, outcome: Outcome) -> None:
    print(
        f"{name}: {outcome.cases:,} cases, {len(outcome.crashes)} crashes, slowest {outcome.slowest:.3f} s "
        f"(case {outcome.slowest_case})",
        flush=True,
    )
    for crash in outcome.crashes[:3]:
        print(f"  case {crash.case}:\n{crash.error}", flush=True)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fuzzing: crashes, the slowest case, memory.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} cases instead of {CASES:,}")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures and the goals there, with --only into what it has"
    )
    parser.add_argument("--cases", type=int, help="so many, all targets together")
    parser.add_argument("--seed", default="1", help="other cases")
    parser.add_argument("--only", action="append", default=[], choices=[*(t.name for t in TARGETS), BOT])
    parser.add_argument("--case", type=int, help="this case alone, of the one target of --only")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fuzz, print the table, and write what was asked for."""
    given = _parse(arguments)
    if given.case is not None:
        target = next(target for target in TARGETS if target.name in given.only)
        print(*run_case(target, given.seed, given.case), sep=" s\n")
        return
    outcomes = fuzz(given.seed, given.cases or (QUICK if given.quick else CASES), given.only)
    figures = find_figures(outcomes, _before(given))
    head = ("target", "cases", "crashes", "slowest, s", "us a case", "MiB more")
    rows = [
        (
            name,
            f"{o.cases:,}",
            str(len(o.crashes)),
            f"{o.slowest:.3f}",
            f"{figures[f'us {name}']:,.0f}",
            f"{o.grown:.0f}",
        )
        for name, o in outcomes.items()
    ]
    print(format_table(head, rows))
    machine = describe_machine(["msgspec", "pypdf", "pillow", "selectolax", "typst"])
    report(figures, GOALS, given.json, Run(machine=machine, quick=given.quick, details={"seed": given.seed}))


if __name__ == "__main__":
    main()
