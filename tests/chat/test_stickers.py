"""The owner's stickers."""

from pathlib import Path

from onebot_bot.chat.stickers import LARGEST, Stickers


def put(folder: Path, *names: str) -> None:
    """Files that hold their names."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")


async def test_a_sticker_has_its_own_name_and_that_of_its_sub_folder(tmp_path: Path) -> None:
    """Other files, and names that no tag can hold, are none."""
    put(tmp_path, "Wow.PNG", "note.txt", "a[b].png", "开心/one.gif", "开心/two.webp")
    stickers = Stickers(lambda: tmp_path, lambda paths: paths[-1])
    assert sorted(await stickers.names()) == ["one", "two", "wow", "开心"]
    assert await stickers.read("开心") == "开心/two.webp".encode()
    assert await stickers.read("wow") == b"Wow.PNG"


async def test_there_may_be_none(tmp_path: Path) -> None:
    """No folder, or a name that is not in it."""
    stickers = Stickers(lambda: tmp_path / "none")
    assert await stickers.names() == []
    assert await stickers.read("../secret") == b""


async def test_one_that_was_deleted_meanwhile_is_empty(tmp_path: Path) -> None:
    """Nothing breaks."""
    put(tmp_path, "a.png")
    stickers = Stickers(lambda: tmp_path)
    await stickers.names()
    (tmp_path / "a.png").unlink()
    assert await stickers.read("a") == b""


async def test_what_would_stall_napcat_is_none(tmp_path: Path) -> None:
    """Larger than 2 MiB."""
    put(tmp_path, "a.png")
    with (tmp_path / "a.png").open("r+b") as file:
        file.truncate(LARGEST + 1)
    assert await Stickers(lambda: tmp_path).names() == []
