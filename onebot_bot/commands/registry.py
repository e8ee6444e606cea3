"""What a command is, who may use it, and how one is found in a message."""

import difflib
import enum
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from onebot_bot.commands.context import Context


class Tier(enum.IntEnum):
    """Who may use a command; each tier includes those before it."""

    EVERYONE = 0
    GROUP_ADMIN = 1
    BOT_ADMIN = 2
    OWNER = 3


Handler = Callable[[Context, str], Awaitable[str]]
"""Takes the context and what followed the command's name; returns the answer, or raises CommandError."""


class Command(Struct, frozen=True, kw_only=True):
    """One command.

    `names[0]` is the main spelling; the catalogue's `about.NAME` says what it does. `tier` holds in private chats and
    in groups, unless `group_tier` says otherwise for groups.
    """

    names: tuple[str, ...]
    handler: Handler
    tier: Tier = Tier.EVERYONE
    group_tier: Tier | None = None
    arguments: str = ""

    def tier_in(self, *, group: bool) -> Tier:
        """Who may use it there."""
        return self.group_tier if group and self.group_tier is not None else self.tier


class Registry:
    """Every command by every spelling."""

    def __init__(self, commands: Sequence[Command]) -> None:
        self.commands = tuple(commands)
        self._by_name = {name: command for command in commands for name in command.names}

    def parse(self, text: str, prefixes: Sequence[str]) -> tuple[str, str, str] | None:
        """Prefix, name (lower case) and the rest, when the text starts like a command."""
        for prefix in prefixes:
            if text.startswith(prefix) and text[len(prefix) :].strip():
                name, _, rest = text[len(prefix) :].lstrip().partition(" ")
                return prefix, name.casefold(), rest.strip()
        return None

    def find(self, name: str) -> Command | None:
        """The command with that spelling."""
        return self._by_name.get(name)

    def nearest(self, name: str) -> str | None:
        """The spelling most like `name`."""
        near = difflib.get_close_matches(name, self._by_name, n=1, cutoff=0.6)
        return near[0] if near else None
