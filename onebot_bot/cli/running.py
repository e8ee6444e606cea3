"""`onebot-bot run`: the bot itself."""

import argparse
import sys
from pathlib import Path

from onebot_bot.config import load_config
from onebot_bot.config_file import migrate_config
from onebot_bot.logs import logging_to
from onebot_bot.restarting import STATUS
from onebot_bot.start import serve


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.add_argument("--config", type=Path, default=Path("config.toml"), help="configuration file")


async def main_run(args: argparse.Namespace) -> int:
    """Serve until a signal ends it; `STATUS`: the process is to be started anew."""
    if left := migrate_config(args.config):
        print(f"{args.config} was brought up from version {left[0]}; the old file is kept beside it.", file=sys.stderr)
    config = load_config(args.config)
    file = args.config.absolute().parent / config.log.file if config.log.file else None
    with logging_to(config.log.level, file):
        return STATUS if await serve(args.config) else 0
