# noqa: INP001 - beside the script that uses it, no package
"""Which tests show what: those that give a command, and those that docs/behaviour.md names; by their source alone."""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from onebot_bot.commands.registry import Registry

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
GIVEN_IN = ("commands", "e2e")
"""Folders of the tests in which people type commands."""
TYPED = re.compile(r"[/／](\S+)")
NAMED = re.compile(r"`((?:\w+/)*\w+\.py)::(\w+)`")
"""A test as a page names it: its file below tests/, and its name."""


@cache
def those_in(file: str) -> Mapping[str, ast.AST]:
    """The tests of a file below tests/, by name; none where there is no such file."""
    path = TESTS / file
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.exists() else ast.Module([], [])
    found = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name: node for node in found if node.name.startswith("test_")}


def who_types(registry: Registry) -> dict[str, list[tuple[str, str]]]:
    """File and name of the tests in which a command is typed, by its main name; first those that are most about it.

    Raises:
        ValueError: nobody types some of the commands.
    """
    found: dict[str, list[tuple[bool, float, str, str]]] = {command.names[0]: [] for command in registry.commands}
    for file in _files():
        for name, test in those_in(file).items():
            typed = Counter(_commands_in(test, registry))
            for command, times in typed.items():
                named = command in name.split("_")
                found[command].append((not named, -times / typed.total(), file, name))
    if untested := [f"/{name}" for name, tests in found.items() if not tests]:
        raise ValueError(f"no test in tests/{' or tests/'.join(GIVEN_IN)} gives {', '.join(untested)}: write one")
    return {command: [(file, name) for *_, file, name in sorted(tests)] for command, tests in found.items()}


def named_in(page: str) -> list[tuple[str, str]]:
    """File and name of the tests that a page names."""
    return [(match[1], match[2]) for match in NAMED.finditer(page)]


def missing(named: Sequence[tuple[str, str]]) -> list[str]:
    """Those that there are not."""
    return [f"{file}::{name}" for file, name in named if name not in those_in(file)]


def _files() -> list[str]:
    paths = (path for folder in GIVEN_IN for path in sorted((TESTS / folder).glob("test_*.py")))
    return [path.relative_to(TESTS).as_posix() for path in paths]


def _commands_in(test: ast.AST, registry: Registry) -> Iterator[str]:
    """The main names of the commands that a test's texts begin with; also those of its parameters."""
    for node in ast.walk(test):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and (typed := TYPED.match(node.value)):
            command = registry.find(typed[1].casefold())
            if command is not None:
                yield command.names[0]
