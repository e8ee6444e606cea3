"""`onebot-bot fetch NAME`: get a model into models/."""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TextIO

from msgspec import Struct

from onebot_bot.engine.folder import INCOMPLETE, check_model_folder
from onebot_bot.errors import BotError, FetchError, ModelError, named
from onebot_bot.transport.hub import (
    DEFAULT_BASES,
    HubName,
    Repo,
    Session,
    check_space,
    download,
    list_files,
    open_session,
)

TRIAL = "trial"
MODELS = Path("models")


class Offer(Struct, frozen=True):
    """A model that can be fetched by a short name.

    Attributes:
        repo: `owner/name`, the same on both hubs.
        about: what it is for, with the size of its weights.
        chats: whether it is a chat model; one that only embeds is not checked as one.
    """

    repo: str
    about: str
    chats: bool = True


OFFERS: Mapping[str, Offer] = {
    "qwen3-vl-4b": Offer("Qwen/Qwen3-VL-4B-Instruct", "chats, sees pictures; 8.3 GiB, a 12 GB GPU"),
    "qwen3-vl-2b": Offer("Qwen/Qwen3-VL-2B-Instruct", "chats, sees pictures; 4.0 GiB, a 6 GB GPU"),
    "qwen3-4b": Offer("Qwen/Qwen3-4B", "chats, can think; 7.5 GiB, a 12 GB GPU"),
    "qwen3-0.6b": Offer("Qwen/Qwen3-0.6B", "chats, can think; 1.4 GiB, a CPU will do"),
    "qwen3-embedding-4b": Offer("Qwen/Qwen3-Embedding-4B", "embeds memories; 7.5 GiB", chats=False),
}


def add_fetch_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `onebot-bot fetch` takes."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _catalogue()
    parser.add_argument("name", help="a name from the list below, or OWNER/NAME on the hub")
    parser.add_argument(
        "--source",
        choices=sorted(DEFAULT_BASES),
        help="the only hub to ask (default: modelscope, then huggingface)",
    )
    parser.add_argument("--mirror", metavar="URL", help="a mirror of the hub; of huggingface without --source")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="where to put it (default: models/NAME)")


def _catalogue() -> str:
    lines = [f"  {name:<20}{offer.about}" for name, offer in OFFERS.items()]
    trial = f"  {TRIAL:<20}SmolLM2-135M, to see whether everything works; 0.3 GiB, any computer"
    mirror = "HF_ENDPOINT in the environment is a mirror of huggingface too."
    return "\n".join(["names:", trial, *lines, "", mirror])


async def main_fetch(args: argparse.Namespace) -> int:
    """Run `onebot-bot fetch`; the exit code."""
    try:
        folder = await _fetch(args)
    except BotError as error:
        print(f"✗ {named(error)}", file=sys.stderr)
        print("  下载没有完成。按上面的提示处理后再运行同一条命令，会从断点继续。", file=sys.stderr)
        return 1
    print(f"✓ {folder} is complete.")
    if folder != MODELS / TRIAL:
        print(f'  使用它：把 config.toml 中 [model] 的 path 改为 "{folder.as_posix()}"，然后重新启动。')
    return 0


async def _fetch(args: argparse.Namespace) -> Path:
    if args.name == TRIAL:
        return await _fetch_trial(args.to or MODELS / TRIAL)
    offer = _offer(args.name)
    folder: Path = args.to or MODELS / (args.name if args.name in OFFERS else offer.repo.split("/")[1].lower())
    await fetch_repo(_repos(offer.repo, args.source, args.mirror, os.environ), folder, args.name)
    if offer.chats:
        check_model_folder(folder)
    return folder


def _offer(name: str) -> Offer:
    if name in OFFERS:
        return OFFERS[name]
    owner, slash, rest = name.partition("/")
    if slash and _is_plain(owner) and _is_plain(rest):
        return Offer(name, "named by its repository")
    raise FetchError(f"{name!r} is no model's name. Known: {', '.join([TRIAL, *OFFERS])}; or give OWNER/NAME.")


def _is_plain(word: str) -> bool:
    return word.replace("-", "").replace("_", "").replace(".", "").isalnum() and not word.startswith(".")


def _repos(name: str, source: HubName | None, mirror: str | None, environ: Mapping[str, str]) -> list[Repo]:
    """Where to ask, in order; a source or a mirror that was named is the only one."""
    bases = dict(DEFAULT_BASES)
    if environ.get("HF_ENDPOINT"):
        bases["huggingface"] = environ["HF_ENDPOINT"]
    hubs: Iterable[HubName] = [source] if source else bases
    if mirror:
        hubs = [source or "huggingface"]
        bases = dict.fromkeys(bases, mirror)
    return [Repo(hub, bases[hub].rstrip("/"), name) for hub in hubs]


async def _fetch_trial(folder: Path) -> Path:
    try:
        check_model_folder(folder)
    except ModelError:
        print(f"getting the trial model into {folder}", flush=True)
        await asyncio.to_thread(_make_trial, folder)
    else:
        print(f"{folder} is there already.")
    return folder


def _make_trial(folder: Path) -> None:
    from onebot_bot.engine.trial import make_trial  # noqa: PLC0415 - brings torch, which takes seconds to import

    make_trial(folder, lambda line: print(line, flush=True))


# --- from a hub --------------------------------------------------------------------------------------------


async def fetch_repo(repos: list[Repo], folder: Path, name: str, *, backoff: float = 1.0) -> None:
    """Get a model from the first of `repos` that has it; a marker in `folder` stays until it is verified.

    Raises:
        FetchError: none of them could give it; the text has each one's reason.
    """
    failures: list[str] = []
    async with open_session() as session:
        for repo in repos:
            print(f"fetching {repo.name} from {repo.base}", flush=True)
            try:
                await _fetch_from(session, repo, folder, name, backoff)
            except FetchError as error:
                failures.append(str(error))
                continue
            return
    raise FetchError("\n  ".join(dict.fromkeys(failures)))


async def _fetch_from(session: Session, repo: Repo, folder: Path, name: str, backoff: float) -> None:
    files = await list_files(session, repo)
    check_space(files, folder)
    _mark(folder, name)  # only now: a hub that cannot be asked must not spoil a folder that was complete
    line = ProgressLine(sum(file.size for file in files), sys.stdout)
    await download(session, repo, files, folder, line.add, backoff=backoff)
    line.finish()
    _unmark(folder)


def _mark(folder: Path, name: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / INCOMPLETE).write_text(name, encoding="utf-8")
    except OSError as error:
        raise FetchError(f"{folder}: cannot be written: {error}. Name another folder with --to.") from error


def _unmark(folder: Path) -> None:
    (folder / INCOMPLETE).unlink()


class ProgressLine:
    """Percent, MiB/s and time left: one line rewritten on a terminal, else a line each 10 %.

    Args:
        total: bytes of the whole download.
        out: where it is written.
        clock: seconds.
    """

    def __init__(self, total: int, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = max(1, total)
        self._out = out
        self._clock = clock
        self._live = out.isatty()
        self._started = self._shown_at = clock()
        self._done = 0
        self._received = 0
        self._next_percent = 10

    def add(self, count: int) -> None:
        """Count bytes; what was found on disk in one piece does not count as speed."""
        self._done += count
        if 0 < count <= 2**20:
            self._received += count
        if self._is_due():
            self._show()

    def finish(self) -> None:
        """End the line that was rewritten."""
        if self._live:
            self._show()
            print(file=self._out, flush=True)

    def _is_due(self) -> bool:
        if self._live:
            return self._clock() - self._shown_at >= 0.2
        return self._percent >= self._next_percent

    @property
    def _percent(self) -> int:
        return 100 * self._done // self._total

    def _show(self) -> None:
        self._shown_at = self._clock()
        self._next_percent = self._percent // 10 * 10 + 10
        speed = self._received / max(0.001, self._shown_at - self._started)
        left = (self._total - self._done) / speed if speed else 0.0
        rate = f"{self._total / 2**20:.0f} MiB, {speed / 2**20:.1f} MiB/s, {_span(left)} left"
        text = f"{self._percent:3d} % of {rate}"
        print(f"\r{text:<70}" if self._live else text, end="", file=self._out, flush=True)
        if not self._live:
            print(file=self._out, flush=True)


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
