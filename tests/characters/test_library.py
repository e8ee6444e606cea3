"""The persona files on disk, and how they follow what is saved."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from onebot_bot.characters.library import SHIPPED, Library
from onebot_bot.characters.persona import LARGEST_FILE
from onebot_bot.errors import PersonaError


class Looks:
    """A watch whose looks a test takes one by one."""

    def __init__(self, library: Library) -> None:
        self._go, self._looked = asyncio.Event(), asyncio.Event()
        self.errors: list[str] = []
        self.task = asyncio.create_task(self._watch(library))

    async def _watch(self, library: Library) -> None:
        async for error in library.watch(sleep=self._wait):
            self.errors.append(str(error))

    async def _wait(self, _seconds: float) -> None:
        self._looked.set()
        await self._go.wait()
        self._go.clear()

    async def look(self, times: int = 2) -> None:
        """Let it look; what was saved is believed at the second look."""
        for _ in range(times):
            await self._looked.wait()
            self._looked.clear()
            self._go.set()
        await self._looked.wait()


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """A library of a folder with one persona."""
    (tmp_path / "cat.md").write_text("你是猫。", encoding="utf-8")
    made = Library(tmp_path)
    assert made.load() == []
    return made


@pytest.fixture
async def looks(library: Library) -> AsyncIterator[Looks]:
    """Its watch."""
    made = Looks(library)
    yield made
    made.task.cancel()


def sources(library: Library) -> dict[str, str]:
    """Every persona's prompt."""
    return {persona.id: persona.source for persona in library.all()}


def test_three_personas_are_shipped() -> None:
    """In Chinese, whole, each with names, emotions and greetings."""
    library = Library(SHIPPED)
    assert library.load() == []
    assert list(sources(library)) == ["nuonuo", "shenyan", "xiaoyi"]
    for persona in library.all():
        assert persona.description
        assert persona.names
        assert persona.greetings
        assert len(persona.emotions) >= 6
        assert next(iter(persona.emotions.values())).pleasure < 0.3


def test_personas_are_found_by_file_or_by_name(tmp_path: Path) -> None:
    """Whatever the case; a file beside config.toml takes the place of the shipped one."""
    (tmp_path / "xiaoyi.md").write_text("我的。", encoding="utf-8")
    library = Library(SHIPPED, tmp_path)
    library.load()
    found = [library.find(name) for name in ("xiaoyi", "xiaoyi.md", "沈砚", "SHENYAN", "nobody", "")]
    assert [persona and persona.id for persona in found] == ["xiaoyi", "xiaoyi", "shenyan", "shenyan", None, None]
    assert sources(library)["xiaoyi"] == "我的。"


async def test_a_saved_file_applies(library: Library, looks: Looks, tmp_path: Path) -> None:
    """Changed, new and deleted ones, at the second look that sees it."""
    (tmp_path / "cat.md").write_text("你是大猫。", encoding="utf-8")
    (tmp_path / "dog.md").write_text("你是狗。", encoding="utf-8")
    await looks.look(1)
    assert sources(library) == {"cat": "你是猫。"}
    await looks.look(1)
    assert sources(library) == {"cat": "你是大猫。", "dog": "你是狗。"}
    (tmp_path / "cat.md").unlink()
    await looks.look()
    assert sources(library) == {"dog": "你是狗。"}
    assert looks.errors == []


async def test_a_broken_file_keeps_the_last_good_one(library: Library, looks: Looks, tmp_path: Path) -> None:
    """Why is told once, not at every look; mended, it applies."""
    (tmp_path / "cat.md").write_text("你是 {{ nobody }}。", encoding="utf-8")
    (tmp_path / "new.md").write_text("+++\n", encoding="utf-8")
    await looks.look(5)
    assert sources(library) == {"cat": "你是猫。"}
    assert [error.partition(": ")[0] for error in looks.errors] == [
        f"{tmp_path / 'cat.md'}, line 1",
        f"{tmp_path / 'new.md'}, line 1",
    ]
    (tmp_path / "cat.md").write_text("你是好猫。", encoding="utf-8")
    await looks.look()
    assert sources(library) == {"cat": "你是好猫。"}


async def test_a_broken_file_beside_a_shipped_one(tmp_path: Path) -> None:
    """It does not hide the shipped one."""
    (tmp_path / "xiaoyi.md").write_text("{{", encoding="utf-8")
    library = Library(SHIPPED, tmp_path)
    assert len(library.load()) == 1
    assert "老朋友" in sources(library)["xiaoyi"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_what_is_no_persona_is_left_alone(tmp_path: Path) -> None:
    """The README, hidden files, other kinds, folders, and a pipe, which would never end."""
    for name in ("README.md", ".hidden.md", "notes.txt"):
        (tmp_path / name).write_text("{{", encoding="utf-8")
    (tmp_path / "folder.md").mkdir()
    os.mkfifo(tmp_path / "pipe.md")
    library = Library(tmp_path, tmp_path / "missing")
    assert library.load() == []
    assert library.all() == []


@pytest.mark.parametrize(("data", "told"), [(b"\xff\xfe", "UTF-8"), (b"x" * (LARGEST_FILE + 1), "Shorten it")])
def test_files_that_cannot_be_read_are_told(tmp_path: Path, data: bytes, told: str) -> None:
    """With the fix."""
    (tmp_path / "a.md").write_bytes(data)
    errors: list[PersonaError] = Library(tmp_path).load()
    assert [told in str(error) for error in errors] == [True]
