"""`onebot-bot plan`: what fits into the memory at hand, from the model folder's headers alone: in milliseconds."""

import argparse
import shutil
import subprocess
from pathlib import Path

from msgspec import Struct

from onebot_bot.cli.plan_profiles import Beside, left_by, profile_lines
from onebot_bot.config import Config, load_config
from onebot_bot.engine.fit import HALF, Choice, choices, free_ram, gibibytes, keys_budget, parameters
from onebot_bot.engine.folder import ModelFolder, WeightSizes, check_model_folder, weight_sizes
from onebot_bot.errors import ConfigError, ModelError

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
QUERY = ("nvidia-smi", "--query-gpu=name,memory.free", "--format=csv,noheader,nounits")


class Device(Struct, frozen=True):
    """Where the model would run.

    Attributes:
        name: for people.
        free: bytes free there now.
        element: bytes of a number in the type that `dtype = "auto"` means there.
        cuda: whether it is a card.
    """

    name: str
    free: int
    element: int
    cuda: bool


def add_plan_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `plan`."""
    parser.add_argument("--config", type=Path, default=Path("config.toml"), help="configuration file")
    parser.add_argument("--model", type=Path, help="another model folder than the configured one")


async def main_plan(args: argparse.Namespace) -> int:
    """Print the table; 1 when what is configured does not fit."""
    config = load_config(args.config)
    home = args.config.absolute().parent
    path = args.model or home / config.model.path
    if args.model is None and config.model.path == "echo":
        raise ConfigError("model.path is `echo`: there is no model. Name a folder with --model.")
    lines, fits = describe_plan(check_model_folder(path), config, find_device(config.model.device), home)
    print("\n".join(lines))
    return 0 if fits else 1


def describe_plan(folder: ModelFolder, config: Config, device: Device, home: Path) -> tuple[list[str], bool]:
    """The lines to print, and whether what is configured fits; `home` is what paths of profiles are relative to."""
    if folder.method:
        raise ModelError(f"{folder.path}: its weights are quantised ({folder.method}): what they take cannot be told.")
    sizes = weight_sizes(folder)
    element = BYTES.get(config.model.dtype, device.element)
    context = folder.window(config.model.max_context)
    found = choices(sizes, element, device.free, context, cuda=device.cuda)
    lines = [
        f"{folder.path}: {folder.architecture}, {parameters(sizes):,} parameters",
        f"{device.name}: {gibibytes(device.free)} free now; a window is {context} tokens, {8 * element} bits a number",
        *_table(found, config),
    ]
    fits = any(choice.weights == config.model.weights and choice.chats > 0 for choice in found)
    lines += _advice(found, config, fits=fits)
    lines += _keys(sizes, config, device, found)
    return [*lines, *_profiles(folder, config, device, home, found)], fits


def _keys(sizes: WeightSizes, config: Config, device: Device, found: list[Choice]) -> list[str]:
    """How many memories a card searches; nothing on a CPU, which searches all."""
    own = next((way for way in found if way.weights == config.model.weights and way.chats > 0), None)
    if own is None or not device.cuda:
        return []
    room = keys_budget(device.free - own.weight_bytes, cuda=True)
    text = sizes.config.get("text_config") or sizes.config
    many = room // (HALF * int(text["hidden_size"]))
    return [f"up to {many:,} memories are searched on the card ({gibibytes(room)}), more of them on the CPU"]


def _profiles(folder: ModelFolder, config: Config, device: Device, home: Path, found: list[Choice]) -> list[str]:
    """Of the profiles; nothing where the main model does not fit, for then none does."""
    main = next((way for way in found if way.weights == config.model.weights and way.chats > 0), None)
    if main is None:
        return []
    beside = Beside(
        home=home,
        main=folder.path,
        weights=main.weights,
        context=config.model.max_context,
        element=BYTES.get(config.model.dtype, device.element),
        free=left_by(main, device.free, cuda=device.cuda),
        cuda=device.cuda,
    )
    return profile_lines(config.profiles, beside)


def _table(found: list[Choice], config: Config) -> list[str]:
    form = "{:2}{:8}{:>10}{:>12}{:>14}{:>12}{:>14}"
    head = form.format("", "weights", "serving", "loading", "KV a chat", "KV cache", "full chats")
    return [head, *(form.format(*_cells(choice, config)) for choice in found)]


def _cells(choice: Choice, config: Config) -> tuple[str, ...]:
    mark = "*" if choice.weights == config.model.weights else ""
    counts = (choice.weight_bytes, choice.load_bytes, choice.chat_bytes, choice.cache_bytes)
    many = str(choice.chats) if choice.chats >= 0 else "does not fit"
    return mark, choice.weights, *map(gibibytes, counts), many


def _advice(found: list[Choice], config: Config, *, fits: bool) -> list[str]:
    """What to change, when something is to be changed."""
    own = next((choice for choice in found if choice.weights == config.model.weights), None)
    if own is None:
        return [f'weights = "{config.model.weights}" is for CPUs: set "int4" or "full" in [model] of config.toml.']
    if fits and own.chats >= config.model.max_running:
        return [f"* is configured, and {config.model.max_running} answers at once (max_running) fit."]
    if fits:
        return [
            f"* is configured; of {config.model.max_running} answers at once (max_running), {own.chats} fit in full."
        ]
    fitting = [f'"{choice.weights}"' for choice in found if choice.chats > 0]
    change = f"weights = {' or '.join(fitting)}" if fitting else "path to a smaller model, or max_context lower,"
    return [f"* is configured and does not fit. Set {change} in [model] of config.toml."]


# --- the device ----------------------------------------------------------------------------------------------------


def find_device(name: str) -> Device:
    """The device of `model.device`, without torch: cards by nvidia-smi, which the driver brings.

    Raises:
        ModelError: a card is configured and none is found.
    """
    card = None if name == "cpu" else _card(int(name.partition(":")[2] or 0))
    if card is not None:
        return card
    if name.startswith("cuda"):
        raise ModelError(
            f"model.device: {name} is not there, or nvidia-smi does not find it; use auto or cpu", code="OB-1204"
        )
    return Device("CPU", free_ram(), 2 if _computes_bfloat16() else 4, cuda=False)


def _card(number: int) -> Device | None:
    program = shutil.which(QUERY[0])
    if program is None:
        return None
    told = subprocess.run([program, *QUERY[1:]], capture_output=True, text=True, check=False)  # noqa: S603 - the driver's own
    cards = told.stdout.splitlines() if told.returncode == 0 else []
    if number >= len(cards):
        return None
    name, _, free = cards[number].rpartition(",")
    return Device(f"cuda:{number} ({name})", int(free) * 2**20, 2, cuda=True)


def _computes_bfloat16(info: Path = Path("/proc/cpuinfo")) -> bool:
    """As torch finds it: by the instructions of the CPU."""
    try:
        return "avx512_bf16" in info.read_text(encoding="utf-8")
    except OSError:
        return False
