"""What can be read: which files, by their names and by what servers say of them; and whether pictures can."""

import functools
import importlib.util
from collections.abc import Mapping
from pathlib import PurePosixPath

from onebot_bot.reading.extract import Kind

_PLAIN = (
    "txt md markdown rst log csv tsv json jsonl yaml yml toml ini cfg conf xml srt ass vtt tex "
    "py js ts jsx tsx java c h cpp hpp cc cs go rs rb php lua sh bat ps1 sql css vue kt swift diff patch"
)
BY_SUFFIX: Mapping[str, Kind] = {
    ".pdf": "pdf",
    ".docx": "docx",
    ".htm": "page",
    ".html": "page",
    **{f".{suffix}": "text" for suffix in _PLAIN.split()},
}
_BY_TYPE: Mapping[str, Kind] = {
    "text/html": "page",
    "application/xhtml+xml": "page",
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/json": "text",
    "application/xml": "text",
}


def kind_of_file(name: str) -> Kind | None:
    """How a file of that name is read; None: not at all."""
    return BY_SUFFIX.get(PurePosixPath(name).suffix.lower())


def kind_of_type(content_type: str) -> Kind | None:
    """How what a server calls by that media type is read; None: not at all. Without one it is a page."""
    name = content_type.partition(";")[0].strip().lower()
    if not name:
        return "page"
    return _BY_TYPE.get(name) or ("text" if name.startswith("text/") else None)


@functools.cache
def can_read_pictures() -> bool:
    """Whether RapidOCR and its runtime are installed; looked for once, every message asks."""
    return all(importlib.util.find_spec(name) is not None for name in ("rapidocr", "onnxruntime"))
