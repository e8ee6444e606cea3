"""The colours of a picture."""

from typing import Literal

from msgspec import Struct

ThemeName = Literal["light", "dark", "pink", "blue", "green"]


class Theme(Struct, frozen=True, kw_only=True):
    """Colours as `#rrggbb`."""

    paper: str
    ink: str
    accent: str
    """Headings, links and the bar beside a quotation."""
    panel: str
    """Behind code, and behind a table's head."""
    line: str
    """Rules, and the lines of a table."""
    comment: str
    keyword: str
    string: str
    number: str


THEMES: dict[ThemeName, Theme] = {
    "light": Theme(
        paper="#ffffff",
        ink="#24292f",
        accent="#0a58ca",
        panel="#f3f4f6",
        line="#d0d7de",
        comment="#667079",
        keyword="#b3242f",
        string="#0a4a8f",
        number="#7a3e00",
    ),
    "dark": Theme(
        paper="#1e2127",
        ink="#d7dae0",
        accent="#7cb7ff",
        panel="#2a2e36",
        line="#454b57",
        comment="#959da9",
        keyword="#e398ee",
        string="#a5d69a",
        number="#e5b567",
    ),
    "pink": Theme(
        paper="#fff5f8",
        ink="#4a2b36",
        accent="#b32a64",
        panel="#fde4ed",
        line="#efb8cc",
        comment="#7d5262",
        keyword="#a8245f",
        string="#5b4b9d",
        number="#9a4212",
    ),
    "blue": Theme(
        paper="#f2f7fd",
        ink="#1e3147",
        accent="#1660ad",
        panel="#dfecfa",
        line="#aecbea",
        comment="#536b85",
        keyword="#7d2ba6",
        string="#0b6156",
        number="#90470a",
    ),
    "green": Theme(
        paper="#f3faf4",
        ink="#213a29",
        accent="#1b7a41",
        panel="#dff1e3",
        line="#add6b8",
        comment="#55705c",
        keyword="#8f2f6b",
        string="#14598c",
        number="#85500a",
    ),
}
"""Text stands out from what is behind it by at least 4.5 to 1, as WCAG 2.2 asks (criterion 1.4.3)."""
