"""/model: what the main model is, which there are, and which comes next."""

import shutil
from pathlib import Path

import msgspec
from commands.desk import ADMIN, Room

from onebot_bot.sections.model import ModelConfig
from onebot_bot.texts import say


def with_models(room: Room, trial: Path) -> None:
    """A whole model and half of one, beside config.toml."""
    models = room.desk.path.parent / "models"
    (models / "half").mkdir(parents=True)
    (models / "whole").symlink_to(trial)
    shutil.copy(trial / "config.json", models / "half")


async def test_the_main_model_is_described(room: Room) -> None:
    """Folder, parameters, weights, device, eyes, version, fallback; only to the owner."""
    room.desk.config = msgspec.structs.replace(room.desk.config, model=ModelConfig(path="models/a", weights="int8"))
    room.desk.engine = msgspec.structs.replace(room.desk.engine, parameters=1_234_567, sees=True, adapter="v2")
    told = await room.type("/model")
    for words in ("models/a", "1,234,567", "int8", "cpu", "会看图", "v2", "备用：无"):
        assert words in told
    assert told == await room.type("/主模型 查看")
    assert "主人" in await room.type("/model", ADMIN, 7)


async def test_models_are_listed_with_what_is_wrong_with_them(room: Room, trial_folder: Path) -> None:
    """The one in use is marked."""
    assert await room.type("/model list") == say("zh", "model.none", folder="models")
    with_models(room, trial_folder)
    room.desk.config = msgspec.structs.replace(room.desk.config, model=ModelConfig(path="models/whole"))
    half, whole, how = (await room.type("/model list")).splitlines()
    assert half.startswith("· half：")
    assert "half" in half.partition("：")[2]
    assert whole == "▶ whole：LlamaForCausalLM, 134,515,008"
    assert how == say("zh", "model.how", prefix="/")


async def test_another_is_chosen_for_the_next_start(room: Room, trial_folder: Path) -> None:
    """By its name; one that is not whole is refused, and config.toml stays as it is."""
    with_models(room, trial_folder)
    assert await room.type("/model use whole") == say("zh", "model.used", path="models/whole")
    assert 'path = "models/whole"' in room.desk.path.read_text(encoding="utf-8")
    assert await room.type("/model use models/whole") == say("zh", "model.same", path="models/whole")
    for name in ("half", "nowhere"):
        assert name in await room.type(f"/model use {name}")
    assert room.desk.config.model.path == "models/whole"
    for words in ("/model use", "/model info x", "/model list x", "/model what"):
        assert "/model info | list | use" in await room.type(words)
