"""`onebot-bot prime`: teach a model to ask for memories and to read them, once, on generated worlds."""

import argparse
import asyncio
import shutil
from pathlib import Path
from typing import Any

from tqdm import tqdm

from onebot_bot.config import Config, load_config
from onebot_bot.errors import ConfigError
from onebot_bot.extraction.prompts import load_prompts
from onebot_bot.learning.recipes import load_recipes
from onebot_bot.learning.versions import META
from onebot_bot.nights import recipes_folder
from onebot_bot.texts import Language

RECIPE = "prime"
WORLDS = 96


def add_prime_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `prime`."""
    parser.add_argument("--config", type=Path, default=Path("config.toml"), help="configuration file")
    parser.add_argument(
        "--languages", default="zh,en", help="languages of the worlds, by commas (default zh,en; the trial model: en)"
    )
    parser.add_argument("--worlds", type=int, default=WORLDS, help=f"worlds of 96 facts each (default {WORLDS})")
    parser.add_argument(
        "--recipe", default=RECIPE, help=f"of training/stage1.toml and stage2.toml (default {RECIPE}; again: polish)"
    )
    parser.add_argument(
        "--from", dest="start", type=Path, metavar="FOLDER", help="go on from an adapter that was primed before"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the worlds and of the training (default 0)")


async def main_prime(args: argparse.Namespace) -> int:
    """Train, then put the adapter where the bot finds it at its next start."""
    config = load_config(args.config)
    folder = args.config.absolute().parent
    languages = _languages(args.languages)
    out = recipes_folder(folder) / "primed" / Path(config.model.path).name
    print(f"Priming {config.model.path} on {args.worlds} generated worlds. Minutes on a GPU, an hour on two cores.")
    if args.start is not None and not (args.start / META).is_file():
        raise ConfigError(f"--from {args.start}: there is no {META}, so this is no adapter's folder")
    made = await asyncio.to_thread(_prime, folder, config, languages, args)
    _put(made, out)
    print(f"Done: {out}. It serves from the next start on.")
    return 0


def _put(made: Path, out: Path) -> None:
    """Copied beside and renamed: a copy that is cut short leaves the adapter that was there."""
    beside = out.with_name(f"{out.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(made, beside)
    shutil.rmtree(out, ignore_errors=True)
    beside.rename(out)


def _languages(given: str) -> tuple[Language, ...]:
    found = tuple(word.strip() for word in given.split(",") if word.strip())
    if not found or any(word not in ("zh", "en") for word in found):
        raise ConfigError(f"--languages {given}: zh, en or zh,en")
    return found  # type: ignore[return-value]  # checked one line above


def _prime(folder: Path, config: Config, languages: tuple[Language, ...], args: argparse.Namespace) -> Path:
    from onebot_bot.learning.base import load_base  # noqa: PLC0415 - torch takes seconds to import
    from onebot_bot.learning.prime import prime  # noqa: PLC0415

    training = recipes_folder(folder)
    runs = folder / "training" / "runs" / f"prime-{Path(config.model.path).name}"
    recipes, prompts = load_recipes(training, args.recipe), load_prompts(training / "prompts.toml")
    model = load_base(folder / config.model.path, config.model)
    return prime(model, recipes, prompts, runs, _bars(), args.worlds, languages, args.seed, args.start)


def _bars() -> Any:
    """A progress bar for each stage, with the time that is left."""
    bars: dict[int, Any] = {}

    def report(line: dict[str, Any]) -> None:
        stage = line["stage"]
        if stage not in bars:
            bars[stage] = tqdm(total=line["of"], initial=line["step"] - 1, desc=f"stage {stage}", unit="step")
        bars[stage].set_postfix(loss=f"{line['loss']:.3f}", hit1=f"{line['hit1']:.2f}")
        bars[stage].update()

    return report
