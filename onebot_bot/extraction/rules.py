"""What a rule for statements is made of; the rules themselves are in `rules_zh` and `rules_en`."""

import re
from functools import cached_property

from msgspec import Struct

NOTHING = re.compile(r"(?!)")
"""Matches nowhere."""


class Rule(Struct, frozen=True, dict=True):
    """A way in which people say something about themselves.

    `pattern` matches a whole clause and names what it takes out of it; `template` is the third-person sentence. Both
    sides stay one fact: what a rule wrote, it can also read, so that a later statement finds the earlier one.
    """

    pattern: re.Pattern[str]
    template: str
    """With `{who}`, `{value}` and whatever else the pattern names."""
    slot: str = ""
    """Names what can have one value at a time (`city`, `taste:{value}`); empty: there may be many."""
    importance: float = 0.6
    refuse: re.Pattern[str] = NOTHING
    """A value in which this is found is none."""

    @cached_property
    def written(self) -> re.Pattern[str]:
        """Matches what `template` makes."""
        names = re.split(r"\{(\w+)\}", self.template)
        parts = [f"(?P<{part}>.+?)" if at % 2 else re.escape(part) for at, part in enumerate(names)]
        return re.compile("".join(parts))


class Statement(Struct, frozen=True):
    """What a clause said, in the third person."""

    text: str
    slot: str
    importance: float
