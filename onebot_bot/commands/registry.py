"""What a command is, who may use it, and how one is found in a message."""

import difflib
import enum
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from onebot_bot.commands.context import Context

MOST_DIGITS = 18
"""Digits of a number that SQLite takes, which counts in 64 bits."""


class Tier(enum.IntEnum):
    """Who may use a command; each tier includes those before it."""

    EVERYONE = 0
    GROUP_ADMIN = 1
    BOT_ADMIN = 2
    OWNER = 3


class Attachment(Struct, frozen=True):
    """A file that goes with an answer."""

    name: str
    data: bytes


class Answer(Struct, frozen=True):
    """An answer that is more than words."""

    text: str
    picture: bytes | None = None
    """Shown below the text, PNG."""
    files: tuple[Attachment, ...] = ()
    """Sent to the asker in private, before the text, which says that they were."""
    then: Callable[[], None] | None = None
    """Done once the text was sent, or could not be."""


Handler = Callable[[Context, str], Awaitable[str | Answer]]
"""Takes the context and what followed the command's name; returns the answer, or raises CommandError."""


class Command(Struct, frozen=True, kw_only=True):
    """One command.

    `names[0]` is the main spelling; the catalogue's `about.NAME` says what it does. `tier` holds in private chats and
    in groups, unless `group_tier` says otherwise for groups. One `at_once` is answered beside a slower command of the
    same chat, not after it. One that is `group_only` means nothing in private.
    """

    names: tuple[str, ...]
    handler: Handler
    tier: Tier = Tier.EVERYONE
    group_tier: Tier | None = None
    arguments: str = ""
    at_once: bool = False
    group_only: bool = False

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
                name, rest = first_word(text[len(prefix) :])
                return prefix, name.casefold(), rest
        return None

    def find(self, name: str) -> Command | None:
        """The command with that spelling."""
        return self._by_name.get(name)

    def nearest(self, name: str) -> str | None:
        """The spelling most like `name`."""
        near = difflib.get_close_matches(name, self._by_name, n=1, cutoff=0.6)
        return near[0] if near else None


def first_word(text: str) -> tuple[str, str]:
    """The first word and what follows it, both empty if there is none.

    Any white space divides them: Chinese input methods type U+3000, and some people begin a new line.
    """
    word, rest = [*text.split(maxsplit=1), "", ""][:2]
    return word, rest.rstrip()


def whole_number(text: str) -> int | None:
    """The number that a page, an id or a count is given as; None when it is none, or one too long to be meant."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else None
