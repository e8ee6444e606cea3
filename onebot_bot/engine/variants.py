"""The models of profiles: what a profile of config.toml needs, what that takes, and how it is loaded."""

import gc
from collections.abc import Callable, Mapping
from os.path import normpath
from pathlib import Path

import msgspec
import torch

from onebot_bot.engine.adapter import META
from onebot_bot.engine.fit import Choice, Weights, choices, gibibytes, parameters
from onebot_bot.engine.folder import ModelFolder, check_model_folder, weight_sizes
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.making import Room, Traits, Variant
from onebot_bot.engine.model import check_method, free_bytes, load_model, pick_device, pick_dtype
from onebot_bot.errors import ModelError
from onebot_bot.sections.model import ModelConfig
from onebot_bot.sections.profiles import ProfileConfig


def find_variants(
    profiles: Mapping[str, ProfileConfig], folder: Path, main: Path, weights: Weights
) -> dict[str, Variant | None]:
    """What each profile needs; None: the main model, which is `main` with `weights`. Paths are relative to `folder`."""
    return {name: _variant(profile, folder, Path(normpath(main)), weights) for name, profile in profiles.items()}


def _variant(profile: ProfileConfig, folder: Path, main: Path, weights: Weights) -> Variant | None:
    found = Variant(
        path=Path(normpath(folder / profile.path)) if profile.path else main,
        adapter=Path(normpath(folder / profile.adapter)) if profile.adapter else None,
        weights=profile.weights or weights,
    )
    return None if found == Variant(main, None, weights) else found


class Wanted:
    """What the profiles of the configuration need at any time: `find_variants`, found again when they change."""

    def __init__(
        self, profiles: Callable[[], Mapping[str, ProfileConfig]], folder: Path, main: Path, weights: Weights
    ) -> None:
        self._profiles = profiles
        self._folder = folder
        self._main = main
        self._weights: Weights = weights
        self._last: tuple[Mapping[str, ProfileConfig], Mapping[str, Variant | None]] = ({}, {})

    def __call__(self) -> Mapping[str, Variant | None]:
        """By the profiles' names; from any thread."""
        profiles = self._profiles()
        before, found = self._last
        if profiles is not before:
            found = find_variants(profiles, self._folder, self._main, self._weights)
            self._last = profiles, found
        return found


class VariantMaker:
    """Loads the models of profiles as [model] says; `raw` as for `load_model`."""

    def __init__(self, config: ModelConfig, raw: int | None) -> None:
        self._config = config
        self._raw = raw

    def room(self, variant: Variant, promised: int) -> Room:
        """What it takes and what there is.

        On a card the other models' promised cache does not count: where it runs out, theirs gets smaller. A computer
        whose memory runs out ends the process.

        Raises:
            ModelError: a folder is missing or damaged, or the device has no kernels for such weights.
        """
        _check_there(variant)
        folder, device = check_model_folder(variant.path), pick_device(self._config.device)
        check_method(folder, device, variant.weights)
        cuda = device.type == "cuda"
        free = max(0, free_bytes(device) - (0 if cuda else promised))
        context = folder.window(self._config.max_context)
        element = pick_dtype(self._config.dtype, device).itemsize
        ways = choices(weight_sizes(folder), element, free, context, cuda=cuda)
        chosen = next(way for way in ways if way.weights == variant.weights)
        needed = _loading(folder, chosen) + chosen.chat_bytes
        return Room(needed, free, _refusal(variant, ways, needed, free, str(device)))

    def make(self, variant: Variant) -> Generator:
        """The model, loaded; raises ModelError."""
        config = msgspec.structs.replace(self._config, weights=variant.weights)
        return Generator(load_model(variant.path, config, variant.adapter, self._raw))

    def traits(self, variant: Variant) -> Traits:
        """From its folder; nothing, where that cannot be read."""
        try:
            folder = check_model_folder(variant.path)
            return Traits(folder.sees, parameters(weight_sizes(folder)))
        except ModelError:
            return Traits()

    def release(self) -> None:
        """Give back to the device what was let go."""
        gc.collect()  # a model and its decode loop know each other
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # does nothing where no card was used


def _check_there(variant: Variant) -> None:
    if not variant.path.is_dir():
        fetch = f"onebot-bot fetch {variant.path.name}"
        raise ModelError(
            f"{variant.path}: no such model folder. Fetch it with `{fetch}`, or change `path` there.", code="OB-1202"
        )
    if variant.adapter is not None and not (variant.adapter / META).is_file():
        raise ModelError(
            f"{variant.adapter}: no such adapter (it has no {META}). Change `adapter` there.", code="OB-1205"
        )


def _loading(folder: ModelFolder, chosen: Choice) -> int:
    """Bytes that loading takes; of weights that the disk has packed, what they take there."""
    if folder.method:
        return sum(file.stat().st_size for file in folder.path.glob("*.safetensors"))
    return chosen.load_bytes


def _refusal(variant: Variant, ways: list[Choice], needed: int, free: int, device: str) -> str:
    fitting = [way.weights for way in ways if way.load_bytes + way.chat_bytes <= free]
    smaller = " or ".join(f'weights = "{kind}"' for kind in fitting)
    fix = f"Set {smaller} there" if smaller else "Name a smaller model there, or set weights of [model] to fewer bits"
    return (
        f"{variant.path} takes {gibibytes(needed)} with the cache of one chat, and {gibibytes(free)} are free on "
        f"{device} beside the main model. {fix}."
    )
