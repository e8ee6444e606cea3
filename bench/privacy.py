"""Random worlds of people, groups and branches: does anything of one chat ever reach another's prompt?

Each world is the whole application over real connections; only the model is an engine that looks at what it is shown.
Some are played on a machine that holds up its tasks at random, so that deeds and what follows from them overlap.
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
from bench.privacy_shaken import Shaken
from bench.privacy_world import World
from bench.report import Run, describe_machine, format_table, make_parser, report

WORLDS, QUICK = 1000, 10
DEEDS = 120
"""In one world."""
AT_ONCE = 8
"""Worlds that are played side by side."""
SHAKEN = 10
"""One batch in so many is."""


class Played(Struct, frozen=True):
    """What came of one world."""

    done: Counter[str] = Counter()
    prompts: int = 0
    recalled: int = 0
    leaks: Sequence[str] = ()
    unasked: Sequence[str] = ()
    failed: Sequence[str] = ()
    """Why it was not played to its end."""


async def play(seed: int, deeds: Sequence[int]) -> Played:
    """One world with these deeds, each a seed of its own."""
    with tempfile.TemporaryDirectory() as folder:
        async with World(Path(folder)) as world:
            for deed in deeds:
                await world.do(deed)
        leaks, unasked = ([f"world {seed}: {what}" for what in found] for found in (world.leaks, world.unasked))
        return Played(Counter(world.done), len(world.engine.prompts), world.recalled, leaks, unasked)


def play_together(seeds: Sequence[int]) -> list[Played]:
    """Worlds side by side, since each waits for its disk most of the time; one batch in so many is shaken."""
    shaken = seeds[0] // AT_ONCE % SHAKEN == SHAKEN - 1

    async def play_all() -> list[Played]:
        return await asyncio.gather(*map(_play_safely, seeds))

    with asyncio.Runner(loop_factory=lambda: Shaken(seeds[0]) if shaken else asyncio.new_event_loop()) as runner:
        return runner.run(play_all())


async def _play_safely(seed: int) -> Played:
    """What ends a world before its time is told, and ends no other."""
    try:
        return await play(seed, deeds_of(seed))
    except Exception as error:  # noqa: BLE001 - whatever it is: a thousand worlds are not lost for one
        return Played(failed=[f"world {seed}: {error!r}"])


def deeds_of(seed: int) -> list[int]:
    """What is done in a world."""
    rng = Random(seed)
    return [rng.getrandbits(32) for _ in range(DEEDS)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Play the worlds, and print what was done in them."""
    parser = make_parser("Does anything of one chat reach another's prompt?")
    parser.add_argument("--world", type=int, metavar="SEED", help="play this one alone")
    args = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    seeds = list(range(QUICK if args.quick else WORLDS)) if args.world is None else [args.world]
    batches = [seeds[first : first + AT_ONCE] for first in range(0, len(seeds), AT_ONCE)]
    played = [one for batch in tqdm(batches, unit="batch", disable=None) for one in play_together(batch)]
    done = sum((one.done for one in played), Counter[str]())
    print(format_table(("deed", "times"), [(name, f"{count:,}") for name, count in done.most_common()]))
    for found in ("leaks", "unasked", "failed"):
        print("\n".join([f"{found}: {what}" for one in played for what in getattr(one, found)][:20]))
    run = Run(machine=describe_machine(["websockets", "numpy"]), quick=args.quick, details={"deeds": dict(done)})
    report(figures_of(played), goals_of("privacy"), args.json, run)


def figures_of(played: Sequence[Played]) -> dict[str, float]:
    """What is told of all worlds."""
    return {
        "worlds": float(sum(not one.failed for one in played)),
        "deeds": float(sum(one.done.total() for one in played)),
        "prompts": float(sum(one.prompts for one in played)),
        "recalled": float(sum(one.recalled for one in played)),
        "leaks": float(sum(len(one.leaks) for one in played)),
        "unasked": float(sum(len(one.unasked) for one in played)),
        "failed": float(sum(len(one.failed) for one in played)),
    }


if __name__ == "__main__":
    main()
