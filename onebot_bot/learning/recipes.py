"""training/stage1.toml and stage2.toml: how the two stages train."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from onebot_bot.config import read_text
from onebot_bot.errors import ConfigError

Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Rate = Annotated[float, Meta(gt=0, lt=1)]
R = TypeVar("R", bound="Recipe")


class Recipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What both stages share."""

    rank: Count
    """Of the LoRA matrices."""
    alpha: Count
    """LoRA's scale is alpha / rank."""
    epochs: Count
    """Times each memory is seen."""
    least_steps: Annotated[int, Meta(ge=0)] = 0
    """Steps taken however few the memories are."""
    most_steps: Annotated[int, Meta(ge=0)] = 0
    """Steps taken however many they are; 0: no bound."""
    batch: Count
    """Samples a step on each device, a memory's and an ordinary one counted each."""
    micro: Count
    """Samples a forward pass; a batch's passes are accumulated."""
    lr: Rate
    warmup: Share = 0.1
    """Share of the steps in which the rate rises; then it falls along a cosine."""
    weight_decay: Annotated[float, Meta(ge=0)] = 0.01
    clip: Annotated[float, Meta(gt=0)] = 1.0
    """Longest gradient."""
    deciding: Annotated[float, Meta(ge=0)] = 0.5
    """Weight of beginning an answer with `<recall>` where a memory is called for, and only there."""
    longest: Count = 1024
    """Tokens of a sample; older turns are cut."""


class Stage1(Recipe, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Learning to ask: LoRA on `modules`, the `<recall>` row, the query and the key head."""

    modules: tuple[str, ...]
    pairs: Literal["contexts", "text"]
    """`contexts`: what calls for the memory; `text`: the memory's own text (the original's)."""
    loss: Literal["infonce", "mse"]
    temperature: Rate = 0.05
    pull: Annotated[float, Meta(ge=0)] = 0.5
    """Weight of 1 - cosine beside InfoNCE."""
    heads: bool = True
    """Train the query's and the key's head; without, they stay as they are."""
    ordinary: Share = 0.5
    """Share of the samples that call for nothing."""
    keep: Annotated[float, Meta(ge=0)] = 1.0
    """Weight of staying with the base model's next token where nothing is called for."""


class Stage2(Recipe, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Learning to read: LoRA on all linear layers, the memory tokens' rows, the projector."""

    modules: tuple[str, ...]
    projector_steps: Annotated[int, Meta(ge=0)] = 0
    """Steps at the start in which the projector learns alone."""
    mix: tuple[Annotated[float, Meta(ge=0)], Annotated[float, Meta(ge=0)], Annotated[float, Meta(ge=0)]] = (1, 1, 1)
    """Shares of front (the memory is all that follows), sandwich (the answer follows) and ordinary chat."""
    phrases: Share = 0.25
    """Share of the samples that have an activation phrase before `<recall>`; in thinking, all have."""
    asking: Annotated[float, Meta(ge=0)] = 0.5
    """Weight of stage 1's loss on the same samples, so that reading does not undo asking."""
    keep: Annotated[float, Meta(ge=0)] = 1.0
    """Weight of staying with the base model on ordinary chat (KL divergence); 0: its replies are learned as texts."""
    refined: Share = 0.5
    """Share of the readings that start from a refined value, where there is one."""


class Refinement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Adam on a memory's vectors alone, the model frozen, until greedy decoding gives its text."""

    steps: Count = 120
    lr: Rate = 0.15
    batch: Count = 32
    """Memories side by side."""


class Reading(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """stage2.toml."""

    recipe: str
    refine: Refinement
    recipes: dict[str, Stage2]


class Asking(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """stage1.toml."""

    recipe: str
    recipes: dict[str, Stage1]


class Recipes(Struct, frozen=True, kw_only=True):
    """What a night trains with."""

    ask: Stage1
    read: Stage2
    refine: Refinement


def load_recipes(folder: Path, name: str | None = None) -> Recipes:
    """The recipe `name` of both stages, or the one that each file names.

    Raises:
        ConfigError: a file is missing or not TOML, a key is unknown or out of range, or there is no such recipe.
    """
    asking = _load(folder / "stage1.toml", Asking)
    reading = _load(folder / "stage2.toml", Reading)
    return Recipes(
        ask=_chosen(folder / "stage1.toml", asking.recipes, name or asking.recipe),
        read=_chosen(folder / "stage2.toml", reading.recipes, name or reading.recipe),
        refine=reading.refine,
    )


T = TypeVar("T")


def _load(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.convert(tomllib.loads(read_text(path)), kind)
    except msgspec.ValidationError as error:  # a ValueError, too
        raise ConfigError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}. Mend that line and start again.") from error


def _chosen(path: Path, recipes: dict[str, R], name: str) -> R:
    if name not in recipes:
        raise ConfigError(f"{path}: recipe: there is no {name!r}; one of {', '.join(recipes)}")
    return recipes[name]


def as_plain(recipe: Any) -> dict[str, Any]:
    """A recipe for meta.json."""
    plain: dict[str, Any] = msgspec.to_builtins(recipe)
    return plain
