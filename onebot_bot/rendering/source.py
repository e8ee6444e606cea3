"""Typst source whose every word came from somebody else: as string literals, which Typst never takes for code."""

import unicodedata


def literal(text: str) -> str:
    r"""A Typst string literal; control characters, which no font has, are left out but for tab and line feed."""
    kept = "".join(char for char in text if char in "\t\n" or unicodedata.category(char) not in ("Cc", "Cs"))
    return '"' + kept.replace("\\", "\\\\").replace('"', '\\"') + '"'


def words(text: str) -> str:
    """Text as it is put into a content block; the semicolon keeps what follows from being read as part of it."""
    return f"#{literal(text)};" if text else ""
