"""What the models of profiles take beside the main one, for `onebot-bot plan`."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from onebot_bot.engine.fit import Choice, Weights, choices, gibibytes
from onebot_bot.engine.folder import check_model_folder, weight_sizes
from onebot_bot.errors import ModelError
from onebot_bot.sections.profiles import ProfileConfig


class Beside(Struct, frozen=True):
    """Where the models of profiles are loaded.

    Attributes:
        home: what their paths are relative to.
        main: the folder of the main model.
        weights: how its weights are kept, and theirs where they do not say.
        context: most positions of one chat.
        element: bytes of a number.
        free: bytes that the main model leaves.
        cuda: whether the device is a card.
    """

    home: Path
    main: Path
    weights: Weights
    context: int
    element: int
    free: int
    cuda: bool


def left_by(main: Choice, free: int, *, cuda: bool) -> int:
    """Bytes that the main model leaves of so many free ones: on a card its cache gives way, where that runs out."""
    return max(0, free - main.weight_bytes - (0 if cuda else main.cache_bytes))


def profile_lines(profiles: Mapping[str, ProfileConfig], beside: Beside) -> list[str]:
    """A line for each profile, and whether all of them are there at once; nothing where there are none."""
    if not profiles:
        return []
    lines = [f"profiles, beside the main model, which leaves {gibibytes(beside.free)}:"]
    taken: dict[tuple[str, str, Weights], int] = {}
    for name, profile in profiles.items():
        key = (profile.path, profile.adapter, profile.weights or beside.weights)
        if key == ("", "", beside.weights):
            lines.append(f"  {name}: the main model by other settings, which takes nothing")
            continue
        try:
            taken[key] = _taken(profile, beside)
        except ModelError as error:
            lines.append(f"  {name}: {error}")
            continue
        fits = taken[key] <= beside.free
        verdict = "fits" if fits else "does not fit: the main model answers in its place"
        lines.append(
            f"  {name}: {_what(profile, beside)}: {gibibytes(taken[key])} with the cache of one chat, {verdict}"
        )
    fitting = [size for size in taken.values() if size <= beside.free]
    if len(fitting) > 1:
        together = sum(fitting) <= beside.free
        lines.append(
            "  all that fit are there at once" if together else "  not all at once: the one unused longest makes room"
        )
    return lines


def _taken(profile: ProfileConfig, beside: Beside) -> int:
    """Bytes; raises ModelError where that cannot be known, or the device has no such weights."""
    folder = check_model_folder(_folder(profile, beside))
    if folder.method:
        raise ModelError(f"{folder.path}: its weights are quantised ({folder.method}): what they take cannot be told.")
    context = folder.window(beside.context)
    ways = choices(weight_sizes(folder), beside.element, beside.free, context, cuda=beside.cuda)
    weights = profile.weights or beside.weights
    chosen = next((way for way in ways if way.weights == weights), None)
    if chosen is None:
        raise ModelError(f'weights = "{weights}" is for CPUs: set "int4" or "full" there.')
    return chosen.load_bytes + chosen.chat_bytes


def _folder(profile: ProfileConfig, beside: Beside) -> Path:
    return beside.home / profile.path if profile.path else beside.main


def _what(profile: ProfileConfig, beside: Beside) -> str:
    model = profile.path or "the main model once more"
    adapter = f" with {profile.adapter}" if profile.adapter else ""
    return f"{model}{adapter}, {profile.weights or beside.weights}"
