"""Random worlds of people, groups and branches: does anything of one chat ever reach another's prompt?

Each world is the whole application over real connections; only the model is an engine that looks at what it is shown.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import structlog
from msgspec import Struct
from tqdm import tqdm

from bench.goals import goals_of
from bench.privacy_world import World
from bench.report import Run, describe_machine, format_table, parse_arguments, report

WORLDS, QUICK = 1000, 10
DEEDS = 120
"""In one world."""


class Played(Struct, frozen=True):
    """What came of one world."""

    done: Counter[str]
    prompts: int
    recalled: int
    leaks: list[str]


async def play(seed: int, deeds: Sequence[int]) -> Played:
    """One world with these deeds, each a seed of its own."""
    with tempfile.TemporaryDirectory() as folder:
        async with World(Path(folder)) as world:
            for deed in deeds:
                await world.do(deed)
        leaks = [f"world {seed}: {leak}" for leak in world.leaks]
        return Played(Counter(world.done), len(world.engine.prompts), world.recalled, leaks)


def deeds_of(seed: int) -> list[int]:
    """What is done in a world."""
    rng = Random(seed)
    return [rng.getrandbits(32) for _ in range(DEEDS)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Play the worlds, and print what was done in them."""
    args = parse_arguments("Does anything of one chat reach another's prompt?", arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    worlds = QUICK if args.quick else WORLDS
    played = [asyncio.run(play(seed, deeds_of(seed))) for seed in tqdm(range(worlds), unit="world", disable=None)]
    done = sum((one.done for one in played), Counter[str]())
    print(format_table(("deed", "times"), [(name, f"{count:,}") for name, count in done.most_common()]))
    leaks = [leak for one in played for leak in one.leaks]
    print("\n".join(leaks[:20]))
    figures = {
        "worlds": float(worlds),
        "deeds": float(done.total()),
        "prompts": float(sum(one.prompts for one in played)),
        "recalled": float(sum(one.recalled for one in played)),
        "leaks": float(len(leaks)),
    }
    run = Run(machine=describe_machine(["websockets", "numpy"]), quick=args.quick, details={"deeds": dict(done)})
    report(figures, goals_of("privacy"), args.json, run)


if __name__ == "__main__":
    main()
