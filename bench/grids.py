"""Tables of figures: what one is made of."""

from collections.abc import Mapping

from msgspec import Struct


class Column(Struct, frozen=True):
    """One kind of figure."""

    head: str
    form: str
    """As `str.format` takes it."""


class Row(Struct, frozen=True):
    """A figure for each column; an empty name: there is none."""

    head: str
    figures: tuple[str, ...]


class Grid(Struct, frozen=True, kw_only=True):
    """A table."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    drawn: int = 0
    """How many of the columns are drawn: the first ones, which have one unit."""
    unit: str = ""
    logarithmic: bool = False


def rows_of(names: Mapping[str, str], *forms: str) -> tuple[Row, ...]:
    """Rows whose figures are called by the same name."""
    return tuple(Row(head, tuple(form.format(name) for form in forms)) for name, head in names.items())
