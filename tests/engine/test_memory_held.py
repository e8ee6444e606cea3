"""What models leave behind in the process: nothing, however often they are exchanged or fail to load."""

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from tiny import load_tiny, make_tiny

from onebot_bot import nights
from onebot_bot.config import Config
from onebot_bot.engine.fit import DoesNotFit
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.kv import KvBuffers, KvShape
from onebot_bot.engine.worker import EngineWorker
from onebot_bot.errors import ModelError
from onebot_bot.sections.model import ModelConfig

pytestmark = pytest.mark.model
RELOADS = 8
MEBI = 2**20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, trial_folder: Path) -> Path:
    """A tiny Llama's: its weights take 13 MB."""
    return make_tiny(tmp_path_factory.mktemp("held"), trial_folder, layers=1)


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(psutil.Process().memory_info().rss)


def test_models_that_were_exchanged_leave_nothing(folder: Path) -> None:
    """After eight of them the process is no larger than after two, and none is left but the last."""
    generator = Generator(load_tiny(folder), lambda _: load_tiny(folder))
    before, networks = [0], list[weakref.ref[Any]]()
    for number in range(RELOADS):
        networks.append(weakref.ref(generator.model.network))
        generator.serve(None)
        if number == 1:
            before = [resident()]
    assert [network() for network in networks] == [None] * RELOADS
    assert resident() - before[0] < 13 * MEBI


class Held:
    """Stands for half of a model."""


def refuses(error: Callable[[], Exception], seen: list[Any]) -> Callable[..., Any]:
    """Something that fails after it has made half of a model."""

    def load(*_: object, **__: object) -> None:
        half = Held()
        seen.append(weakref.ref(half))
        raise error()

    return load


async def test_a_model_that_did_not_load_leaves_nothing() -> None:
    """Although its error is kept, to be told to everybody."""
    seen: list[Any] = []
    async with EngineWorker("x", refuses(lambda: ModelError("no such folder"), seen)) as worker:
        await worker.loaded
        assert isinstance(worker.failure, ModelError)
        assert [half() for half in seen] == [None]


def test_the_fallback_is_not_loaded_beside_what_did_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There would be even less room for it."""
    seen: list[Any] = []
    refuse = refuses(lambda: DoesNotFit("the weights take 9 GiB"), seen)

    def load(folder: Path, config: Config, path: Path, profiles: object) -> object:
        if path.name == "large":
            refuse()
        gc.collect()
        return [half() for half in seen]

    monkeypatch.setattr(nights, "_runner_of", load)
    config = Config(model=ModelConfig(path="large", fallback="small"))
    found: Any = nights.load_runner(tmp_path, config)
    assert found == [None]


def test_a_cache_takes_memory_where_it_is_written() -> None:
    """On a computer: what is set aside for an answer is not taken from other programs before there is one."""
    shape = KvShape(8, 4, 64, torch.bfloat16, torch.device("cpu"))
    before, kv = resident(), KvBuffers(shape)
    kv.lay_out(8, 4096, ())
    assert sum(layer.keys.nbytes + layer.values.nbytes for layer in kv.layers) == 256 * MEBI
    assert resident() - before < 32 * MEBI
    kv.layers[0].keys[:, :, 0] = 1.0
    assert resident() - before < 32 * MEBI
    kv.layers[0].keys[:, :, 0] = 0.0
    assert not any(bool(layer.keys[0].any()) for layer in kv.layers)
    kv.layers[0].keys[1] = 1.0
    kv.lay_out(2, 4096, [(1, 0, 4096)])
    assert bool((kv.layers[0].keys[0] == 1).all())
