"""onebot_bot.transport.hub against a stand-in of both hubs' APIs on loopback."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from onebot_bot.errors import FetchError
from onebot_bot.transport.hub import (
    HubName,
    RemoteFile,
    Repo,
    check_space,
    download,
    list_files,
    open_session,
)

NAME = "owner/model"
WEIGHTS = bytes(range(256)) * 20_000
CONTENT = {
    "config.json": b'{"model_type": "llama"}',
    "sub/extra.json": b"{}",
    "empty.txt": b"",
    "model.safetensors": WEIGHTS,
    "onnx/model.safetensors": b"x",
    "pytorch_model.bin": b"x",
    ".gitattributes": b"x",
}
WANTED = ["config.json", "empty.txt", "model.safetensors", "sub/extra.json"]


class StandIn:
    """Both hubs at one address, with faults that a test switches on."""

    def __init__(self) -> None:
        self.content = dict(CONTENT)
        self.cuts: list[int] = []  # bytes after which the next answers for the weights break off
        self.statuses: list[int] = []  # of the next answers for files
        self.ignores_range = False
        self.lies = False  # sends other bytes than the checksum is of
        self.ranges: list[str | None] = []  # asked for the weights
        self.asked: list[str] = []

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/api/v1/models/owner/model/repo/files", self.modelscope)
        app.router.add_get("/api/models/owner/model/tree/main", self.huggingface)
        app.router.add_get("/models/owner/model/resolve/master/{path:.+}", self.file)
        app.router.add_get("/owner/model/resolve/main/{path:.+}", self.file)
        app.router.add_get("/api/models/other/site/tree/main", self.other_site)
        return app

    def _sum(self, path: str) -> str:
        return hashlib.sha256(self.content[path]).hexdigest()

    async def modelscope(self, request: web.Request) -> web.Response:
        assert request.query == {"Revision": "master", "Recursive": "true"}
        files: list[dict[str, Any]] = [{"Path": "sub", "Type": "tree", "Size": 0, "Sha256": ""}]
        for path, body in self.content.items():
            files.append({"Path": path, "Type": "blob", "Size": len(body), "Sha256": self._sum(path)})
        return web.json_response({"Code": 200, "Data": {"Files": files}})

    async def huggingface(self, request: web.Request) -> web.Response:
        assert request.query == {"recursive": "true"}
        files: list[dict[str, Any]] = [{"path": "sub", "type": "directory", "size": 0}]
        for path, body in self.content.items():
            lfs = {"lfs": {"oid": self._sum(path)}} if path.endswith(".safetensors") else {}
            files.append({"path": path, "type": "file", "size": len(body), **lfs})
        return web.json_response(files)

    async def other_site(self, request: web.Request) -> web.Response:
        return web.Response(text="<html>Please log in</html>", content_type="text/html")

    async def file(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        self.asked.append(path)
        if self.statuses:
            return web.Response(status=self.statuses.pop(0))
        if path != "model.safetensors":
            return web.Response(body=self.content[path])
        asked = request.headers.get("Range")
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and not self.ignores_range else 0
        body = self.content[path] if not self.lies else b"\0" * len(self.content[path])
        response = web.StreamResponse(status=206 if start else 200)
        response.content_length = len(body) - start
        await response.prepare(request)
        if self.cuts:
            await response.write(body[start : start + self.cuts.pop(0)])
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(body[start:])
        return response


@pytest.fixture
async def stand_in() -> StandIn:
    return StandIn()


@pytest.fixture
async def base(stand_in: StandIn) -> AsyncIterator[str]:
    async with TestServer(stand_in.app()) as server:
        yield str(server.make_url("/")).rstrip("/")


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


async def fetch(session: aiohttp.ClientSession, base: str, folder: Path, hub: HubName = "modelscope") -> int:
    """List and download; returns the bytes that were reported."""
    repo = Repo(hub, base, NAME)
    gained: list[int] = []
    files = await list_files(session, repo)
    await download(session, repo, files, folder, gained.append, backoff=0.001)
    assert sum(file.size for file in files) == sum(gained)
    return sum(gained)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("hub", ["modelscope", "huggingface"])
async def test_lists_what_a_model_needs(session: aiohttp.ClientSession, base: str, hub: HubName) -> None:
    """Weights, configuration and tokenizer are listed with sizes; copies for other programs are not."""
    files = await list_files(session, Repo(hub, base, NAME))
    assert sorted(file.path for file in files) == WANTED
    weights = next(file for file in files if file.path == "model.safetensors")
    assert weights == RemoteFile("model.safetensors", len(WEIGHTS), hashlib.sha256(WEIGHTS).hexdigest())


@pytest.mark.parametrize("hub", ["modelscope", "huggingface"])
async def test_downloads_everything(session: aiohttp.ClientSession, base: str, tmp_path: Path, hub: HubName) -> None:
    """A fresh folder holds exactly the files of the hub, and no parts."""
    await fetch(session, base, tmp_path / "m", hub)
    assert names(tmp_path / "m") == WANTED
    assert {name: (tmp_path / "m" / name).read_bytes() for name in WANTED} == {n: CONTENT[n] for n in WANTED}


async def test_complete_files_are_not_fetched_again(
    session: aiohttp.ClientSession, stand_in: StandIn, base: str, tmp_path: Path
) -> None:
    """A second run asks for no file."""
    await fetch(session, base, tmp_path)
    stand_in.asked.clear()
    await fetch(session, base, tmp_path)
    assert stand_in.asked == []


async def test_resumes_after_a_cut(
    session: aiohttp.ClientSession, stand_in: StandIn, base: str, tmp_path: Path
) -> None:
    """A connection that breaks off mid-file is continued where it stopped."""
    stand_in.cuts = [3_000_000, 1_000_000]
    await fetch(session, base, tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == WEIGHTS
    offsets = [int(asked[6:-1]) for asked in stand_in.ranges if asked]
    assert len(stand_in.ranges) == 3
    assert sorted(offsets) == offsets
    assert offsets[0] > 0


async def test_resumes_what_an_earlier_run_left(
    session: aiohttp.ClientSession, stand_in: StandIn, base: str, tmp_path: Path
) -> None:
    """A part on disk is continued, not fetched again."""
    (tmp_path / "model.safetensors.part").write_bytes(WEIGHTS[:1000])
    await fetch(session, base, tmp_path)
    assert stand_in.ranges == ["bytes=1000-"]
    assert (tmp_path / "model.safetensors").read_bytes() == WEIGHTS


async def test_begins_again_when_ranges_are_ignored(
    session: aiohttp.ClientSession, stand_in: StandIn, base: str, tmp_path: Path
) -> None:
    """A mirror that answers a range with the whole file is not appended to the part."""
    stand_in.ignores_range = True
    (tmp_path / "model.safetensors.part").write_bytes(WEIGHTS[:1000])
    await fetch(session, base, tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize("damaged", [b"\0" * len(WEIGHTS), WEIGHTS[:-1], WEIGHTS + b"\0"])
async def test_damaged_file_is_fetched_again(
    session: aiohttp.ClientSession, base: str, tmp_path: Path, damaged: bytes
) -> None:
    """A file of the wrong size or checksum is replaced."""
    (tmp_path / "model.safetensors").write_bytes(damaged)
    await fetch(session, base, tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize("left", [b"\0" * 1000, b"\0" * len(WEIGHTS), WEIGHTS + b"\0"])
async def test_damaged_part_is_fetched_again(
    session: aiohttp.ClientSession, base: str, tmp_path: Path, left: bytes
) -> None:
    """A part of another revision fails its checksum once and is begun anew."""
    (tmp_path / "model.safetensors.part").write_bytes(left)
    await fetch(session, base, tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == WEIGHTS


async def test_wrong_checksum_is_an_error(
    session: aiohttp.ClientSession, stand_in: StandIn, base: str, tmp_path: Path
) -> None:
    """A hub that keeps sending other bytes is named, and nothing takes the file's name."""
    stand_in.lies = True
    with pytest.raises(FetchError, match=r"model\.safetensors: its checksum is wrong"):
        await fetch(session, base, tmp_path)
    assert "model.safetensors" not in names(tmp_path)
    assert "model.safetensors.part" not in names(tmp_path)


async def test_busy_hub_is_asked_again(
    session: aiohttp.ClientSession, stand_in: StandIn, base: str, tmp_path: Path
) -> None:
    """503 and 429 are waited out."""
    stand_in.statuses = [503, 429, 503]
    await fetch(session, base, tmp_path)
    assert names(tmp_path) == WANTED


async def test_gives_up_after_failures_in_a_row(
    session: aiohttp.ClientSession, stand_in: StandIn, base: str, tmp_path: Path
) -> None:
    """A hub that never sends a byte is given up, and the part of an earlier run stays."""
    (tmp_path / "model.safetensors.part").write_bytes(WEIGHTS[:1000])
    stand_in.statuses = [503] * 99
    with pytest.raises(FetchError, match="not reachable"):
        await fetch(session, base, tmp_path)
    assert WEIGHTS[:1000] == (tmp_path / "model.safetensors.part").read_bytes()


async def test_missing_model_is_named(session: aiohttp.ClientSession, base: str) -> None:
    """A model that the hub does not have is told at once, with what to do."""
    with pytest.raises(FetchError, match=r"no public model owner/other \(HTTP 404\)"):
        await list_files(session, Repo("modelscope", base, "owner/other"))


async def test_unreachable_hub_is_named(session: aiohttp.ClientSession) -> None:
    """No network is told with the proxy and the other hubs."""
    with pytest.raises(FetchError, match=r"127\.0\.0\.1:1 is not reachable.*--source"):
        await list_files(session, Repo("huggingface", "http://127.0.0.1:1", NAME))


async def test_other_site_is_named(session: aiohttp.ClientSession, base: str) -> None:
    """An address that answers something else is no hub."""
    with pytest.raises(FetchError, match="did not answer as huggingface"):
        await list_files(session, Repo("huggingface", base, "other/site"))


@pytest.mark.parametrize("path", ["../x.json", "/etc/x.json", "a/../../x.json", "a\\x.json", "C:x.json"])
@pytest.mark.parametrize("hub", ["modelscope", "huggingface"])
async def test_refuses_to_leave_the_folder(
    session: aiohttp.ClientSession, stand_in: StandIn, base: str, hub: HubName, path: str
) -> None:
    """A name that leads out of the model's folder is refused before anything is downloaded."""
    stand_in.content[path] = b"{}"
    with pytest.raises(FetchError, match="outside the model's folder"):
        await list_files(session, Repo(hub, base, NAME))


async def test_model_without_safetensors_is_refused(
    session: aiohttp.ClientSession, stand_in: StandIn, base: str
) -> None:
    """A repository of pickles only is told apart before downloading."""
    del stand_in.content["model.safetensors"]
    with pytest.raises(FetchError, match="no weights in safetensors"):
        await list_files(session, Repo("modelscope", base, NAME))


async def test_unwritable_folder_is_named(session: aiohttp.ClientSession, base: str, tmp_path: Path) -> None:
    """What the disk refuses is told with the folder, and not tried again."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FetchError, match=r"file: cannot be written"):
        await fetch(session, base, tmp_path / "file")


def test_space_is_checked_first(tmp_path: Path) -> None:
    """More than the disk holds is refused with both figures; what is there already is not counted."""
    huge = RemoteFile("model.safetensors", 2**60)
    with pytest.raises(FetchError, match=r"1073741824\.1 GiB are needed.*--to"):
        check_space([huge], tmp_path / "new" / "folder")
    (tmp_path / "config.json").write_bytes(b"{}")
    check_space([RemoteFile("config.json", 2)], tmp_path)
