"""training/stage1.toml and stage2.toml, as shipped and as people break them."""

import shutil
from pathlib import Path

import pytest

from onebot_bot.errors import ConfigError
from onebot_bot.learning.recipes import as_plain, load_recipes

SHIPPED = Path(__file__).parents[2] / "training"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    for name in ("stage1.toml", "stage2.toml"):
        shutil.copy(SHIPPED / name, tmp_path / name)
    return tmp_path


def spoil(folder: Path, name: str, old: str, new: str) -> None:
    """Replace text in one of the files."""
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("name", ["default", "classic", "prime"])
def test_every_shipped_recipe_is_in_both_files(name: str) -> None:
    """Each is read and in range, with one rank for both stages: they train one adapter."""
    recipes = load_recipes(SHIPPED, name)
    assert (recipes.ask.rank, recipes.ask.alpha) == (recipes.read.rank, recipes.read.alpha)
    assert set(recipes.ask.modules) <= set(recipes.read.modules)


def test_the_classic_recipe_is_the_originals() -> None:
    """As published: the text and `<recall>`, MSE, rank 4, 30 epochs, one sample a step."""
    ask = load_recipes(SHIPPED, "classic").ask
    assert (ask.pairs, ask.loss, ask.rank, ask.alpha, ask.lr) == ("text", "mse", 4, 8, 1e-4)
    assert (ask.epochs, ask.batch, ask.longest, ask.heads, ask.ordinary) == (30, 1, 3000, False, 0.0)


def test_each_file_names_its_own_recipe(folder: Path) -> None:
    """Without a name given, the one that stands in the file is taken."""
    spoil(folder, "stage1.toml", 'recipe = "default"', 'recipe = "classic"')
    recipes = load_recipes(folder)
    assert recipes.ask == load_recipes(SHIPPED, "classic").ask
    assert recipes.read == load_recipes(SHIPPED, "default").read


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("stage1.toml", 'recipe = "default"', 'recipe = "mine"', "no 'mine'; one of default, classic, prime"),
        ("stage1.toml", "temperature = 0.05", "temprature = 0.05", "temprature"),
        ("stage1.toml", 'loss = "infonce"', 'loss = "l1"', "loss"),
        ("stage2.toml", "mix = [1, 1, 1]", "mix = [1, -1, 1]", "mix"),
        ("stage2.toml", "rank = 16", "rank = 0", "rank"),
        ("stage2.toml", "[refine]", "[refine", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(folder: Path, name: str, old: str, new: str, said: str) -> None:
    """An unknown recipe or key, a value out of range, a broken line."""
    spoil(folder, name, old, new)
    with pytest.raises(ConfigError, match=said) as caught:
        load_recipes(folder)
    assert str(folder / name) in str(caught.value)


def test_a_missing_file_is_named(folder: Path) -> None:
    """The path stands in the error."""
    (folder / "stage2.toml").unlink()
    with pytest.raises(ConfigError, match=r"stage2\.toml"):
        load_recipes(folder)


def test_a_recipe_is_kept_in_plain_values() -> None:
    """For meta.json: what a training was made with can be read there."""
    plain = as_plain(load_recipes(SHIPPED))
    assert plain["ask"]["loss"] == "infonce"
    assert plain["refine"]["steps"] == load_recipes(SHIPPED).refine.steps
