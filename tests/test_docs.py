"""Documentation: what is made from the code is current, and no link leads nowhere."""

import re
from pathlib import Path

import pytest

from docs.generate import PAGES, read_comments, stale_pages
from docs.tested import missing, named_in, who_types
from onebot_bot.commands.context import Context
from onebot_bot.commands.dispatcher import build_registry
from onebot_bot.commands.registry import Command, Registry
from onebot_bot.config import config_keys

ROOT = Path(__file__).parent.parent
WRITTEN = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_generated_pages_are_current() -> None:
    """docs/configuration.md and docs/commands.md are what `make docs` would write."""
    assert [path.name for path in stale_pages()] == []


def test_a_page_that_was_edited_is_stale(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A page that differs from the code by one character is found."""
    (path, make), *_ = PAGES.items()
    edited = tmp_path / path.name
    edited.write_text(f"{make()}.", encoding="utf-8")
    monkeypatch.setattr("docs.generate.PAGES", {edited: make})
    assert stale_pages() == {edited: make()}


def test_every_key_is_documented_once() -> None:
    """Each key of config.toml has its row."""
    page = read("docs/configuration.md")
    assert {key.path: 1 for key in config_keys()} == {
        key.path: page.count(f"\n| `{key.path}` |") for key in config_keys()
    }


def test_every_spelling_of_a_command_is_documented() -> None:
    """Each name of each command stands in its table."""
    page = read("docs/commands.md")
    names = [name for command in build_registry().commands for name in command.names]
    assert [name for name in names if f"`/{name}`" not in page] == []


def test_every_behaviour_names_tests_that_there_are() -> None:
    """Each row of docs/behaviour.md has one at least, and none is named that was renamed or deleted."""
    page = read("docs/behaviour.md")
    rows = [line for line in page.splitlines() if re.match(r"\| (?!-|行为)", line)]
    assert len(rows) > 50
    assert [row for row in rows if not named_in(row)] == []
    assert missing(named_in(page)) == []
    assert missing([("chat/test_session.py", "test_nothing"), ("chat/test_nowhere.py", "test_it")]) == [
        "chat/test_session.py::test_nothing",
        "chat/test_nowhere.py::test_it",
    ]


@pytest.mark.parametrize("page", ["reliability.md", "security.md", "security.en.md"])
def test_tests_that_a_page_names_are_there(page: str) -> None:
    """By file: one that was renamed or deleted shows nothing any more."""
    there = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    named = re.findall(r"`(?:[\w/]+/)?(test_\w+\.py)", read(f"docs/{page}"))
    assert len(named) > 10
    assert [name for name in named if name not in there] == []
    paths = re.findall(r"`((?:tests|bench|onebot_bot)/[\w/]+\.py)", read(f"docs/{page}"))
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_a_command_that_no_test_types_is_an_error() -> None:
    """The page cannot be made before somebody wrote one."""

    async def nothing(_context: Context, _rest: str) -> str:
        return ""

    registry = Registry([*build_registry().commands, Command(names=("untested", "没测"), handler=nothing)])
    with pytest.raises(ValueError, match="gives /untested: write one"):
        who_types(registry)


def test_comments_go_with_the_key_below_them() -> None:
    """Lines of one comment are joined; a key without one has none."""
    text = "# 文件\n\nversion = 1\n\n[bot]\n# 一。\n# 二。\nnames = []\nowners = []\n"
    assert read_comments(text) == {".version": "", "bot.names": "一。二。", "bot.owners": ""}


@pytest.mark.parametrize("path", WRITTEN, ids=[path.name for path in WRITTEN])
def test_relative_links_lead_somewhere(path: Path) -> None:
    """Whatever a page links to in this project is there."""
    links = [link for link in LINK.findall(path.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []
