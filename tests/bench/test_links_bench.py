"""The random programs of bench/links.py: a few of them, and that what is planted is found."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from bench import links_world
from bench.links import KINDS, Play, play, warm_up
from bench.links_world import World
from bench.servers import ViolationError


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A bot that serves all of these tests."""
    with World() as running:
        warm_up(running)
        yield running


def test_nothing_is_lost_doubled_or_left_over(world: World) -> None:
    """Whatever connections do."""
    play(world, programs=25, number=20261121, steps=12)
    assert world.counts["programs"] >= 25
    assert world.counts["connections"] > 0
    assert world.counts["endings"] > 0
    assert world.counts["answers"] > 0


def lose(program: Play) -> None:
    """What is said in a chat that the bot never heard of is never fetched."""
    program.qq.histories[77] = [{"message_id": 1}]


def double(program: Play) -> None:
    """QQ has a message of the bot twice."""
    program.qq.sent.append(program.qq.sent[0])


def forge(program: Play) -> None:
    """What is on record as sent never came to QQ."""
    program.qq.sent.clear()


def misplace(program: Play) -> None:
    """An action has the answer to another."""
    program._asked[7] = asyncio.create_task(asyncio.sleep(0, {"count": 8}))


def leave(program: Play) -> None:
    """A task stays."""
    program.planted = asyncio.create_task(asyncio.Event().wait())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("plant", "kind"), [(lose, "lost"), (double, "doubled"), (forge, "wrong"), (misplace, "wrong"), (leave, "leaked")]
)
def test_a_planted_fault_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch, plant: Callable[[Play], None], kind: str
) -> None:
    """Under the figure that counts it."""
    program = Play(world)
    world.run(program.begin())
    monkeypatch.setattr(links_world, "PATIENCE", 0.3)
    with pytest.raises(ViolationError) as caught:
        world.run(planted(program, plant))
    assert caught.value.kind == kind
    assert kind in KINDS


async def planted(program: Play, plant: Callable[[Play], None]) -> None:
    """The end of a program with a fault in it; what it leaves is cleared away."""
    before = asyncio.all_tasks()
    plant(program)
    try:
        await program.finish()
    finally:
        left = asyncio.all_tasks() - before
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
