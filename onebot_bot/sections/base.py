"""What every table of config.toml is made from."""

from typing import Annotated

from msgspec import Meta, Struct

RESTART = {"restart": True}
"""Metadata of keys that are read at the start only."""

Seconds = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]


class Section(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Base of every table in config.toml: unknown keys are errors."""
