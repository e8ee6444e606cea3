"""onebot-bot plan on the trial model's headers, a made-up device and a made-up nvidia-smi."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from onebot_bot.cli.plan import Device, add_plan_arguments, describe_plan, find_device, main_plan
from onebot_bot.config import Config
from onebot_bot.engine.folder import check_model_folder
from onebot_bot.errors import ConfigError, ModelError
from onebot_bot.sections.model import ModelConfig
from onebot_bot.sections.profiles import ProfileConfig

GIB = 2**30
LAST = "* is configured, and 4 answers at once (max_running) fit."
SMI = """#!/bin/sh
echo 'NVIDIA H200, 141000'
echo 'NVIDIA L4, 20000'
"""


def plan(folder: Path, free: int, *, cuda: bool = False, **model: object) -> tuple[list[str], bool]:
    """What is printed for so much free memory."""
    config = Config(model=ModelConfig(**model))  # type: ignore[arg-type]
    return describe_plan(check_model_folder(folder), config, Device("CPU", free, 2, cuda=cuda), folder.parent)


def profiles(folder: Path, free: int, **configured: ProfileConfig) -> list[str]:
    """What is printed of profiles."""
    config = Config(model=ModelConfig(max_context=512), profiles=configured)
    device = Device("CPU", free, 2, cuda=False)
    lines, _ = describe_plan(check_model_folder(folder), config, device, folder.parent)
    return [line.strip() for line in lines[lines.index(LAST) + 1 :]]


def test_the_trial_model_fits_a_computer(trial_folder: Path) -> None:
    """Parameters, weights, the cache of a chat and how many chats, for each way of keeping the weights."""
    lines, fits = plan(trial_folder, 4 * GIB)
    assert fits
    assert lines[0].endswith("LlamaForCausalLM, 134,515,008 parameters")
    rows = [line.removeprefix("*").split() for line in lines[3:6]]
    assert [(row[0], row[-1]) for row in rows] == [("full", "5"), ("int8", "5"), ("int4", "5")]
    assert lines[-1] == "* is configured, and 4 answers at once (max_running) fit."


def test_profiles_are_told_beside_the_main_model(trial_folder: Path) -> None:
    """What each takes and whether it fits, whether all are there at once, and what is missing."""
    same, small = ProfileConfig(temperature=0.1), ProfileConfig(weights="int4")
    tuned = ProfileConfig(path=trial_folder.name, adapter="tuned")
    assert profiles(trial_folder, 4 * GIB) == []
    lines = profiles(trial_folder, 4 * GIB, same=same, small=small, tuned=tuned, gone=ProfileConfig(path="nowhere"))
    assert lines[0].startswith("profiles, beside the main model, which leaves 3.0 GiB:")
    assert lines[1] == "same: the main model by other settings, which takes nothing"
    assert lines[2].startswith("small: the main model once more, int4: 0.")
    assert lines[2].endswith("with the cache of one chat, fits")
    assert lines[3].startswith(f"tuned: {trial_folder.name} with tuned, full: 0.")
    assert "nowhere" in lines[4]
    assert lines[5:] == ["all that fit are there at once"]


def test_profiles_that_do_not_fit_are_told(trial_folder: Path) -> None:
    """Beside the main model, or beside each other; where that does not fit itself, there is nothing to tell."""
    both = {"a": ProfileConfig(weights="int4"), "b": ProfileConfig(weights="int8")}
    tight = profiles(trial_folder, 600 * 2**20, **both)
    assert tight[-1] == "not all at once: the one unused longest makes room"
    full = profiles(trial_folder, 500 * 2**20, again=ProfileConfig(adapter="tuned"))
    assert full[1].endswith("does not fit: the main model answers in its place")
    assert plan(trial_folder, 10**7)[0][-1].endswith("in [model] of config.toml.")


def test_what_does_not_fit_is_told_with_what_does(trial_folder: Path) -> None:
    """One of the chats; then none, but with smaller weights; then nothing at all."""
    assert plan(trial_folder, 700 * 2**20)[0][-1].endswith("of 4 answers at once (max_running), 1 fit in full.")
    lines, fits = plan(trial_folder, 250 * 2**20, max_context=512)
    assert (fits, lines[3].endswith("does not fit")) == (False, True)
    assert 'Set weights = "int8" or "int4" in [model]' in lines[-1]
    assert "a smaller model" in plan(trial_folder, 10**7)[0][-1]


def test_on_a_card_the_memories_that_it_searches_are_told(trial_folder: Path) -> None:
    """A tenth of what the weights leave, by the width of the model's keys; a CPU searches all, and says nothing."""
    lines, _ = plan(trial_folder, 4 * GIB, cuda=True)
    assert lines[-1] == "up to 349,473 memories are searched on the card (0.4 GiB), more of them on the CPU"
    assert not [line for line in plan(trial_folder, 4 * GIB)[0] if "memories" in line]


def test_on_a_card_there_is_no_int8(trial_folder: Path) -> None:
    """The table leaves it out, and a configuration that has it is told so."""
    lines, fits = plan(trial_folder, GIB, cuda=True, weights="int8")
    assert [line.split()[0] for line in lines[3:5]] == ["full", "int4"]
    assert (fits, lines[-1].startswith('weights = "int8" is for CPUs')) == (False, True)


def test_cards_are_found_by_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By number; one that is not there is an error when it is configured, and else the CPU it is."""
    (tmp_path / "nvidia-smi").write_text(SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert find_device("auto") == Device("cuda:0 (NVIDIA H200)", 141000 * 2**20, 2, cuda=True)
    assert find_device("cuda:1").free == 20000 * 2**20
    with pytest.raises(ModelError, match="cuda:2 is not there"):
        find_device("cuda:2")
    assert not find_device("cpu").cuda
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    assert not find_device("auto").cuda


async def test_the_command_needs_a_model(
    tmp_path: Path, trial_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`echo` is none; a folder on the command line is."""
    (tmp_path / "config.toml").write_text('[model]\npath = "echo"\ndevice = "cpu"\n')
    parser = argparse.ArgumentParser()
    add_plan_arguments(parser)
    config = ["--config", str(tmp_path / "config.toml")]
    with pytest.raises(ConfigError, match="--model"):
        await main_plan(parser.parse_args(config))
    assert await main_plan(parser.parse_args([*config, "--model", str(trial_folder)])) == 0
    assert "full chats" in capsys.readouterr().out


def test_torch_is_not_imported() -> None:
    """The answer is there before torch would be."""
    code = "import sys, onebot_bot.cli.plan; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
