"""onebot_bot.nights.load_runner: the main model and those of the profiles on one worker, tiny ones."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from tiny import make_tiny

from onebot_bot.config import Config
from onebot_bot.engine.request import Conversation, GenerationRequest, SamplingParams, Text, Turn
from onebot_bot.engine.worker import EngineWorker
from onebot_bot.errors import ProfileError
from onebot_bot.nights import load_runner
from onebot_bot.sections.model import ModelConfig
from onebot_bot.sections.profiles import ProfileConfig

pytestmark = pytest.mark.model


def request(profile: str) -> GenerationRequest:
    """Three tokens of it."""
    conversation = Conversation((Turn("user", (Text("Hello!"),)),))
    sampling = SamplingParams(temperature=0, max_new_tokens=3)
    return GenerationRequest(conversation=conversation, sampling=sampling, profile=profile)


async def test_the_profiles_of_the_configuration_are_served(tmp_path: Path, trial_folder: Path) -> None:
    """A resident one is there with the main model; one that is configured later is asked for by its name at once."""
    make_tiny(tmp_path / "main", trial_folder, layers=1)
    make_tiny(tmp_path / "other", trial_folder, layers=2)
    config = Config(model=ModelConfig(path="main", device="cpu", dtype="float32", threads=1))
    configured: list[Mapping[str, ProfileConfig]] = [{"small": ProfileConfig(path="other", resident=True)}]
    async with EngineWorker("main", lambda: load_runner(tmp_path, config, lambda: configured[-1])) as worker:
        await worker.loaded
        assert worker.status.profiles["small"].state == "ready"
        small, main = [await worker.submit(request(profile)).result() for profile in ("small", "")]
        assert (small.usage.prompt_tokens, small.usage.new_tokens) == (main.usage.prompt_tokens, main.usage.new_tokens)
        assert small.text != main.text
        configured.append({**configured[0], "lost": ProfileConfig(path="nowhere")})
        with pytest.raises(ProfileError, match=r"profiles\.lost: .*nowhere: no such model folder"):
            await worker.submit(request("lost")).result()
        assert worker.status.profiles["lost"].state == "failed"
