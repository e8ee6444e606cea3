"""What doctor checks of learning: its settings, the adapter that serves, nights that broke off, and what they left."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from onebot_bot.cli.finding import Finding
from onebot_bot.errors import ConfigError
from onebot_bot.extraction.prompts import load_prompts
from onebot_bot.learning.journal import TOO_OLD, Journal, large_files, read_journal, run_folders
from onebot_bot.learning.recipes import load_recipes
from onebot_bot.learning.state import STATE
from onebot_bot.learning.versions import HIDDEN, META, NONE_KNOWN, Meta, Versions
from onebot_bot.nights import recipes_folder


def check_recipes(folder: Path) -> Finding:
    """The prompts and recipes of the nights can be used."""
    training = recipes_folder(folder)
    try:
        load_prompts(training / "prompts.toml")
        load_recipes(training)
    except (ConfigError, OSError) as error:
        code = error.id if isinstance(error, ConfigError) else "OB-1003"
        return Finding("fail", str(error), f"按提示改好 {training} 里的文件，或删掉它，用自带的。", code)
    return Finding("ok", f"prompts and recipes of the nights: {training}")


def check_adapter(folder: Path) -> Finding:
    """The adapter that is to serve is whole; a damaged one gives way to the newest good one before it."""
    versions = Versions(folder / "models", str)
    name = versions.serving_name()
    if not name:
        return Finding("ok", "no learned adapter serves yet")
    if problem := _damage(folder / "models", name):
        fix = "机器人会改用之前完好的版本；要这一份，就从备份恢复它的文件夹，或发送 /learn rollback 不再用它。"
        return Finding("warn", f"{folder / 'models' / 'adapters' / name}: {problem}", fix, "OB-1205")
    return Finding("ok", f"the adapter {name} is whole")


def _damage(models: Path, name: str) -> str:
    """Whatever is wrong with the adapter but that it may belong to another model, which a start tells."""
    if name == NONE_KNOWN:
        return "models/current cannot be read"
    place = models / "adapters" / name
    try:
        base = msgspec.json.decode((place / META).read_bytes(), type=Meta).base
    except (OSError, msgspec.DecodeError) as error:
        return f"{META} cannot be read: {error}"
    return Versions(models, lambda: base).problem(place)


def check_nights(folder: Path, *, serving: bool, now: float | None = None) -> Finding:
    """No night was broken off; `serving`: a bot runs, and may hold one. `now` is in Unix seconds, read when None."""
    now = time.time() if now is None else now
    broken = next(_broken_off(folder / "training" / "runs", now), "") if not serving else ""
    if broken:
        return Finding("warn", broken, "启动机器人即可：十二小时内的会接着做，更早的、读不了的会丢弃。", "OB-1412")
    return Finding("ok", "no night was broken off")


def _broken_off(runs: Path, now: float) -> Iterator[str]:
    for place in run_folders(runs):
        journal = read_journal(place)
        if journal is None:
            yield f"{place}: the journal of this night cannot be read; the next start throws the night away"
        elif journal.record.state == "running":
            yield f"{place}: {_how_far(journal)}; {_fate(now - journal.record.started)}"


def _how_far(journal: Journal) -> str:
    began = f"{datetime.fromtimestamp(journal.record.started, UTC).astimezone():%Y-%m-%d %H:%M}"
    step = journal.record.steps[-1].name if journal.record.steps else "plan"
    return f"the night of {began} was broken off in the step {step}"


def _fate(age: float) -> str:
    return "the next start goes on with it" if abs(age) <= TOO_OLD else "it is too old, the next start throws it away"


def check_leftovers(folder: Path, *, serving: bool) -> Finding:
    """Nothing large lies around that belongs to no night and no version; a bot that runs may be writing it."""
    found = [] if serving else [*_leftovers(folder)]
    if not found:
        return Finding("ok", "training and adapters have no leftovers")
    size = sum(file.stat().st_size for path in found for file in ([path] if path.is_file() else path.rglob("*")))
    what = f"{', '.join(map(str, found[:3]))}: {size / 2**20:.0f} MiB that belong to nothing"
    return Finding("warn", what, f"确认没有在学习，然后删除：rm -r {' '.join(map(str, found))}", "OB-1413")


def _leftovers(folder: Path) -> Iterator[Path]:
    """Checkpoints of nights that have ended, folders that no night made, and versions half written or half deleted."""
    runs, adapters = folder / "training" / "runs", folder / "models" / "adapters"
    nights = set(run_folders(runs))
    for place in nights:
        journal = read_journal(place)
        if journal is not None and journal.record.state != "running":
            yield from large_files(place)
    if runs.is_dir():
        own = (*nights, runs / STATE)
        yield from (path for path in runs.iterdir() if path not in own and not path.name.startswith("prime-"))
    if adapters.is_dir():
        yield from (path for path in adapters.iterdir() if path.name.startswith(HIDDEN))
