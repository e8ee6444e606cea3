"""Downloading a model from ModelScope or Hugging Face: listed, resumed, verified.

Their own client libraries are not used: they keep a second copy in a cache, and hide which file is late.
The addresses are those that modelscope 1.30 and huggingface_hub 1.0 use.
"""

import asyncio
import contextlib
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal
from urllib.parse import quote

import aiohttp
from msgspec import Struct

from onebot_bot.errors import FetchError

HubName = Literal["modelscope", "huggingface"]

DEFAULT_BASES: dict[HubName, str] = {
    "modelscope": "https://modelscope.cn",
    "huggingface": "https://huggingface.co",
}
PARALLEL = 4
"""Files at once: hubs limit the rate of one connection, and refuse many."""

ATTEMPTS = 6
"""Tries in a row that bring no byte before a file is given up."""

CHUNK = 2**20
SPARE = 64 * 2**20
"""Bytes of disk to leave free beside the model."""

_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_SMALL = frozenset({".json", ".txt", ".jinja", ".model"})

Progress = Callable[[int], None]
"""Told how many bytes were gained; negative when a damaged file is begun again."""


class Repo(Struct, frozen=True):
    """A model's repository on a hub, or on a mirror of it at another address.

    Attributes:
        hub: whose API is spoken there.
        base: address without a trailing slash.
        name: `owner/name`.
    """

    hub: HubName
    base: str
    name: str

    @property
    def listing_url(self) -> str:
        """Where the list of the files is."""
        if self.hub == "modelscope":
            return f"{self.base}/api/v1/models/{self.name}/repo/files?Revision=master&Recursive=true"
        return f"{self.base}/api/models/{self.name}/tree/main?recursive=true"

    def file_url(self, path: str) -> str:
        """Where one file is."""
        if self.hub == "modelscope":
            return f"{self.base}/models/{self.name}/resolve/master/{quote(path)}"
        return f"{self.base}/{self.name}/resolve/main/{quote(path)}"


class RemoteFile(Struct, frozen=True):
    """A file of a repository.

    Attributes:
        path: relative, with forward slashes, checked not to leave the folder.
        size: bytes.
        sha256: hexadecimal; empty when the hub does not tell.
    """

    path: str
    size: int
    sha256: str = ""


Session = aiohttp.ClientSession
"""What `open_session` gives; callers need not know the library."""


@contextlib.asynccontextmanager
async def open_session() -> AsyncIterator[Session]:
    """A session for downloads of any length; proxies are taken from the environment."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=60)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        yield session


# --- listing -----------------------------------------------------------------------------------------------


async def list_files(session: Session, repo: Repo) -> list[RemoteFile]:
    """The files of `repo` that a model folder needs: weights in safetensors, configuration, tokenizer.

    Raises:
        FetchError: the hub is not reachable, has no such model, or names a file outside the folder.
    """
    try:
        async with session.get(repo.listing_url) as response:
            _check_status(response.status, repo)
            answer = await response.json(content_type=None)
        files = [file for file in _parse_listing(repo.hub, answer) if _is_wanted(file.path)]
    except (aiohttp.ClientError, TimeoutError) as error:
        raise FetchError(_unreachable(repo, error)) from error
    except (KeyError, TypeError, ValueError) as error:
        raise FetchError(f"{repo.base} did not answer as {repo.hub} does. Check the address.") from error
    if not any(file.path.endswith(".safetensors") for file in files):
        raise FetchError(f"{repo.name} on {repo.base} has no weights in safetensors. Choose another model.")
    return files


def _check_status(status: int, repo: Repo) -> None:
    if status == 200:
        return
    if status in {401, 403, 404}:  # Hugging Face answers 401 for a name that does not exist
        raise FetchError(
            f"{repo.base} has no public model {repo.name} (HTTP {status}). Check its name on the hub's site; "
            "a gated one is downloaded by hand into models/."
        )
    raise FetchError(f"{repo.base} answered HTTP {status}. Try again later, or with --source or --mirror.")


def _unreachable(repo: Repo, error: BaseException) -> str:
    return (
        f"{repo.base} is not reachable ({error or type(error).__name__}). Check the network and the proxy "
        "(HTTPS_PROXY), or choose another hub with --source or --mirror."
    )


def _parse_listing(hub: HubName, answer: Any) -> Iterator[RemoteFile]:
    if hub == "modelscope":
        for item in answer["Data"]["Files"]:
            if item["Type"] == "blob":
                yield _remote_file(item["Path"], item["Size"], item.get("Sha256") or "")
        return
    for item in answer:
        if item["type"] == "file":
            yield _remote_file(item["path"], item["size"], (item.get("lfs") or {}).get("oid") or "")


def _remote_file(path: Any, size: Any, sha256: Any) -> RemoteFile:
    _refuse_traversal(str(path))
    return RemoteFile(str(path), int(size), str(sha256).lower())


def _refuse_traversal(path: str) -> None:
    """A hub is not trusted to say where files go: only plain names below the folder."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or any(c in path for c in "\\:\0"):
        raise FetchError(f"the hub names a file outside the model's folder: {path!r}. Nothing was downloaded.")


def _is_wanted(path: str) -> bool:
    """Weights at the top only: sub-folders hold copies for other programs."""
    pure = PurePosixPath(path)
    if any(part.startswith(".") for part in pure.parts):
        return False
    return pure.suffix in _SMALL or (pure.suffix == ".safetensors" and len(pure.parts) == 1)


# --- downloading -------------------------------------------------------------------------------------------


async def download(  # noqa: PLR0913 - each is one plain fact of the download
    session: Session,
    repo: Repo,
    files: Iterable[RemoteFile],
    folder: Path,
    progress: Progress,
    *,
    backoff: float = 1.0,
) -> None:
    """Bring every file of `files` into `folder`, complete and verified; what is right already is kept.

    A file grows under the name `NAME.part` and gets its own only when its size and sha256 are right.

    Args:
        session: from `open_session`.
        repo: where to get them.
        files: from `list_files`.
        folder: where they go; made when missing.
        progress: told the bytes gained, those found on disk included.
        backoff: seconds before the first repetition; doubled each time.

    Raises:
        FetchError: a file cannot be got, does not match its checksum, or the disk is full.
    """
    gate = asyncio.Semaphore(PARALLEL)

    async def bring(file: RemoteFile) -> None:
        async with gate:
            try:
                await _Transfer(session, repo, file, folder, progress, backoff).run()
            except OSError as error:
                raise FetchError(f"{folder}: cannot be written: {error}. Mend that and go on.") from error

    try:
        async with asyncio.TaskGroup() as group:
            for file in files:
                group.create_task(bring(file))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures


def check_space(files: Iterable[RemoteFile], folder: Path) -> None:
    """Refuse to begin what the disk cannot hold; what lies in `folder` already is not counted.

    Raises:
        FetchError: too little is free.
    """
    missing = sum(max(0, file.size - _present(folder, file)) for file in files) + SPARE
    place = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if free < missing:
        raise FetchError(
            f"{folder}: {free / 2**30:.1f} GiB are free where {missing / 2**30:.1f} GiB are needed. "
            "Free some disk space, or name a folder on another disk with --to."
        )


def _present(folder: Path, file: RemoteFile) -> int:
    return max(_size(folder / file.path), _size(_part(folder / file.path)))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


class _Transfer(Struct, frozen=True):
    """One file on its way."""

    session: Session
    repo: Repo
    file: RemoteFile
    folder: Path
    progress: Progress
    backoff: float

    async def run(self) -> None:
        """Leave the file complete under its own name."""
        target = self.folder / self.file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if await self._is_right(target):
            self.progress(self.file.size)
            return
        for _ in range(2):  # a part left by another revision fails its checksum once
            await self._complete(_part(target))
            if await self._is_right(_part(target)):
                _part(target).replace(target)
                return
            self.progress(-_size(_part(target)))
            _delete(_part(target))
        raise FetchError(
            f"{self.file.path}: its checksum is wrong twice in a row: {self.repo.base} sends something else. "
            "Try another hub with --source or --mirror."
        )

    async def _is_right(self, path: Path) -> bool:
        if not _exists(path) or _size(path) != self.file.size:
            return False
        return not self.file.sha256 or await asyncio.to_thread(_sha256, path) == self.file.sha256

    async def _complete(self, part: Path) -> None:
        """Bring the part to its full size, across as many connections as it takes."""
        if not self.file.sha256 or _size(part) > self.file.size:
            _delete(part)  # nothing would tell that its beginning is right
        self.progress(_size(part))
        failures = 0
        while not _exists(part) or _size(part) < self.file.size:
            before = _size(part)
            try:
                await self._receive(part)
            except (aiohttp.ClientError, TimeoutError) as error:
                failures = 1 if _size(part) > before else failures + 1
                if failures >= ATTEMPTS:
                    raise FetchError(f"{self.file.path}: {_unreachable(self.repo, error)}") from error
                await asyncio.sleep(self.backoff * 2 ** (failures - 1))

    async def _receive(self, part: Path) -> None:
        """One connection: append what it brings.

        Raises:
            aiohttp.ClientError: it ended before the file was complete.
        """
        offset = _size(part)
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
        async with self.session.get(self.repo.file_url(self.file.path), headers=headers) as response:
            if response.status in _RETRIED:
                response.raise_for_status()
            if response.status != 206:
                _check_status(response.status, self.repo)
                self.progress(-offset)  # the whole file comes, whatever was asked
                offset = 0
            with _open_part(part, append=offset > 0) as output:
                await self._copy(response, output, self.file.size - offset)
        if _size(part) < self.file.size:
            raise aiohttp.ClientPayloadError("the connection ended early")

    async def _copy(self, response: aiohttp.ClientResponse, output: BinaryIO, missing: int) -> None:
        """Write what comes, and no more than one chunk beyond what is missing."""
        async for chunk in response.content.iter_chunked(CHUNK):
            output.write(chunk)
            self.progress(len(chunk))
            missing -= len(chunk)
            if missing < 0:
                return


def _exists(path: Path) -> bool:
    return path.is_file()


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)


def _open_part(part: Path, *, append: bool) -> BinaryIO:
    return part.open("ab" if append else "wb", buffering=0)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
