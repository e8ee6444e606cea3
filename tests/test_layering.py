"""The house's shape: imports point down only, and each heavy library has its own room."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "onebot_bot"
MODULES = sorted(PACKAGE.rglob("*.py"))

# A module may import from its own floor's room, and from every floor below it.
FLOORS = (
    {"errors", "freeing", "hours", "marks", "catalogue", "private", "confine", "restarting"},
    {"sections", "logfile"},
    {"config", "logs", "texts"},
    {"config_file"},
    {"protocol"},
    {"transport", "engine", "memory", "worlds", "rendering", "reading"},
    {"extraction", "importing", "characters", "vector_maker", "device_keys"},
    {"chat", "commands", "learning", "memories"},
    {"controls", "nights", "own", "senses", "stores", "backups", "imports"},
    {"health", "key_copies"},
    {"door", "app", "start", "__main__", "cli"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# Where each library may be imported. torch stays out of everything that the fast tests import.
HOMES = {
    "torch": (
        *("engine/adapter", "engine/decode", "engine/embedder", "engine/forward", "engine/generate", "engine/kv"),
        *("engine/model", "engine/pictures", "engine/quantize", "engine/recall", "engine/sampling", "engine/serving"),
        *("engine/slots", "engine/lora", "engine/graphs", "engine/room", "engine/trial", "engine/variants"),
        *("learning/", "device_keys"),
    ),
    "transformers": (
        *("engine/embedder", "engine/kv", "engine/model", "engine/serving", "engine/trial"),
        "learning/",
    ),
    "peft": ("engine/adapter", "learning/"),
    "accelerate": ("learning/",),
    "faiss": ("memory/codes",),
    "websockets": ("transport/",),
    "aiohttp": ("transport/",),
    "jinja2": ("characters/templates",),
    "typst": ("rendering/",),
    "markdown_it": ("rendering/",),
    "latex2mathml": ("rendering/",),
    "av": ("chat/frames",),
    "pypdf": ("reading/",),
    "selectolax": ("reading/",),
    "rapidocr": ("reading/",),
    "apscheduler": ("learning/cycle",),
    "regex": ("chat/wordlist",),
}


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def room(module: str) -> str:
    """The first part below the package: `onebot_bot.chat.router` lives in `chat`."""
    return module.removeprefix("onebot_bot").strip(".").partition(".")[0]


def name(path: Path) -> str:
    """`chat/router` for the file."""
    return path.relative_to(PACKAGE).with_suffix("").as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_imports_point_down(path: Path) -> None:
    """Siblings on one floor do not know each other, and nobody looks up."""
    own = name(path).partition("/")[0]
    for module in imports(path):
        target = room(module)
        if not module.startswith("onebot_bot") or target in ("", own) or own == "__init__":
            continue
        same_floor_of_the_top = FLOOR[own] == len(FLOORS) - 1
        assert FLOOR[target] < FLOOR[own] or same_floor_of_the_top, f"{own} imports {module}"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_libraries_stay_in_their_rooms(path: Path) -> None:
    """torch in the engine, faiss in vectors, the network in transport."""
    for module in imports(path):
        library = module.partition(".")[0]
        if library in HOMES and not (library == "transformers" and module.startswith("tokenizers")):
            assert name(path).startswith(HOMES[library]), f"{name(path)} imports {module}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "protocol").glob("*.py")), ids=name)
def test_the_protocol_is_pure(path: Path) -> None:
    """The standard library and msgspec only, and no asyncio."""
    for module in imports(path):
        library = module.partition(".")[0]
        assert library in {*sys.stdlib_module_names, "msgspec", "onebot_bot"}, f"{path.name} imports {module}"
        assert library != "asyncio"


def test_the_engine_knows_nothing_of_qq() -> None:
    """Conversations and token ids, never messages."""
    for path in (PACKAGE / "engine").glob("*.py"):
        assert not [module for module in imports(path) if "protocol" in module], path.name


@pytest.mark.parametrize("path", [p for p in MODULES if p.name == "__init__.py" and p.parent != PACKAGE], ids=name)
def test_sub_packages_are_empty(path: Path) -> None:
    """Everything is imported from the module that defines it."""
    assert path.read_text(encoding="utf-8") == ""
