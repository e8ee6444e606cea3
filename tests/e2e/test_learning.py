"""A whole night in a bot of its own, training in further processes, on a tiny random model: minutes with a real one."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from e2e.bot_process import OWNER, Bot, NapCat
from tiny import make_tiny, talks

from onebot_bot.engine.model import fingerprint
from onebot_bot.learning.train import HELD_OUT, TALKS

pytestmark = pytest.mark.model

TRAINING = Path(__file__).parents[2] / "training"
# A rate so low that the random model, which knows nothing, does not change for the worse by chance.
COMMON = "rank = 4\nalpha = 8\nepochs = 1\nleast_steps = 2\nbatch = 4\nmicro = 4\nlr = 1e-7\n"
STAGE1 = 'recipe = "default"\n[recipes.default]\npairs = "contexts"\nloss = "infonce"\nmodules = ["q_proj", "v_proj"]\n'
STAGE2 = (
    'recipe = "default"\n[refine]\nsteps = 2\nlr = 0.05\nbatch = 4\n[recipes.default]\n'
    'modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]\n'
)
NIGHTS_PATIENCE = 5
"""Minutes for a night, on whatever machine this is."""
FACTS = ("Ann has a cat.", "Bob lives in Rome.", "Kim likes green tea.")


@pytest.fixture
def learner(trial_folder: Path, tmp_path: Path) -> Iterator[Bot]:
    """A bot of the tiny model whose nights take two steps a stage, and which has replied to ordinary turns before."""
    model = make_tiny(tmp_path / "tiny", trial_folder)
    running = Bot(tmp_path / "learner", model)
    recipes = running.folder / "training"
    recipes.mkdir()
    (recipes / "prompts.toml").write_bytes((TRAINING / "prompts.toml").read_bytes())
    (recipes / "stage1.toml").write_text(STAGE1 + COMMON, encoding="utf-8")
    (recipes / "stage2.toml").write_text(STAGE2 + COMMON, encoding="utf-8")
    (recipes / "replies").mkdir()
    for name in (f"train-{TALKS}", f"test-{HELD_OUT}"):
        (recipes / "replies" / f"{fingerprint(model)}-{name}.json").write_bytes(msgspec.json.encode(talks()))
    running.write({"bot.language": "en", "model.dtype": "float32", "learning.enabled": False})
    running.start()
    yield running
    running.kill()


async def test_a_night(learner: Bot, account: int) -> None:
    """Cancelled, nothing is kept; killed in its training, it goes on after the restart, and is told of.

    Killed then, the bot serves what it learned; with that damaged, what was before.
    """
    async with learner.dial(account) as napcat:
        for fact in FACTS:
            await napcat.command(f"/memory add {fact}")
        await _begin_a_night(napcat)
        assert "Cancelled" in await napcat.command("/learn cancel")
        assert "it was cancelled" in (await napcat.answer(OWNER)).text
        await _begin_a_night(napcat)
        learner.kill()
    learner.start()
    async with learner.dial(account) as napcat:
        name = await _finished(napcat)
        assert "goes on" in learner.log
        report = await napcat.command("/learn report")
        assert all(words in report for words in (*FACTS, "chat loss", name))
        await napcat.command("/memory forget 3 -y")
        assert FACTS[2] not in await napcat.command("/learn report")
        assert list(learner.folder.rglob("job.msgpack")) == []
        learner.kill()
    learner.start()
    async with learner.dial(account) as napcat:
        assert await napcat.ask(OWNER, "Hello!")
        await napcat.until("/memory search cat", "Ann has a cat.")
        assert name in await napcat.command("/learn status")
        learner.kill()
    weights = learner.folder / "models" / "adapters" / name / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    learner.start()
    async with learner.dial(account) as napcat:
        assert await napcat.ask(OWNER, "Hello!")
        await napcat.until("/memory search cat", "Ann has a cat.")
        await napcat.logged("An adapter cannot be used")


async def _begin_a_night(napcat: NapCat) -> None:
    """Ask for one, and wait until its training has begun."""
    assert "/learn status" in await napcat.command("/learn now")
    await napcat.until("/learn status", "stage 1")


async def _finished(napcat: NapCat) -> str:
    """Wait for the morning report; the version that serves then.

    Asking again and again would take the time from the training.
    """
    for _ in range(NIGHTS_PATIENCE):
        with contextlib.suppress(TimeoutError):
            told = (await napcat.answer(OWNER)).text
            assert "done, the new version serves" in told, napcat.bot.log
            (adapter,) = (napcat.bot.folder / "models" / "adapters").iterdir()
            return adapter.name
    pytest.fail(f"no report came:\n{napcat.bot.log}", pytrace=False)
