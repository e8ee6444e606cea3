"""What `onebot-bot doctor` finds."""

from typing import Literal

from msgspec import Struct


class Finding(Struct, frozen=True):
    """What one check found.

    Attributes:
        status: `warn` is worth knowing, `fail` keeps the bot from working.
        what: what was found, in a line.
        fix: what to do, in Chinese; empty when all is well.
        code: the id of the failure; empty when all is well.
    """

    status: Literal["ok", "warn", "fail"]
    what: str
    fix: str = ""
    code: str = ""
