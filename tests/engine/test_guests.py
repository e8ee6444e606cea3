"""Memories' keys beside the model on its card, here a CPU that is said to have room for them."""

from pathlib import Path

import pytest
import torch
from tiny import load_tiny, make_tiny

from onebot_bot.engine import generate
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.room import RELAX_SECONDS

pytestmark = pytest.mark.model
ROOM = 1 << 20


class Lodger:
    """What lies on the card."""

    def __init__(self, device: torch.device, room: int) -> None:
        self.device, self.room = device, room
        self.gone = False

    def clear(self) -> None:
        """As the real one."""
        self.gone = True


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, trial_folder: Path) -> Path:
    """A tiny Llama's."""
    return make_tiny(tmp_path_factory.mktemp("guests"), trial_folder, layers=1)


@pytest.fixture
def generator(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Generator:
    """With room for keys."""
    monkeypatch.setattr(generate, "keys_budget", lambda *_, **__: ROOM)
    return Generator(load_tiny(folder), lambda _: load_tiny(folder))


def test_a_cpu_takes_nobody_in(folder: Path) -> None:
    """It has the keys themselves."""
    assert Generator(load_tiny(folder)).host(Lodger) is None


def test_the_next_guest_takes_the_place_of_the_last(generator: Generator) -> None:
    """There is never memory for two."""
    first = generator.host(Lodger)
    second = generator.host(Lodger)

    assert first is not None
    assert second is not None
    assert (first.gone, second.gone) == (True, False)
    assert (second.device, second.room) == (generator.model.device, ROOM)


def test_who_had_to_go_by_itself_comes_back_smaller(generator: Generator) -> None:
    """Else it would find no memory again and again, once a second."""
    rooms = []
    for _ in range(22):
        if (guest := generator.host(Lodger)) is not None:
            rooms.append(guest.room)
            guest.clear()

    assert rooms == [ROOM >> times for times in range(21)]


def test_where_memory_runs_out_the_guest_goes_first(generator: Generator) -> None:
    """Answers come first; after a quiet while keys are taken in again."""
    now = [0.0]
    room = generator.loop.room
    room._clock = lambda: now[0]
    guest = generator.host(Lodger)

    room.make()

    assert guest is not None
    assert guest.gone
    assert generator.host(Lodger) is None
    now[0] += RELAX_SECONDS
    generator.relax()
    assert generator.host(Lodger) is not None


def test_a_model_that_leaves_takes_its_guest_along(generator: Generator) -> None:
    """The memory is another's then; whoever comes back has room again."""
    guest = generator.host(Lodger)

    generator.leave()

    assert guest is not None
    assert guest.gone
    assert generator.host(Lodger) is None
    generator.come_back()
    assert generator.host(Lodger) is not None
