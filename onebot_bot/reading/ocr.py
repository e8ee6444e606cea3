"""The words in pictures, by RapidOCR where that is installed (the extra `ocr`); its models come with it."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from onebot_bot.reading.extract import Extract, Limits, bounded
from onebot_bot.reading.raster import FORMATS, check_scans, check_size

MAX_SIDE = 1600
"""Pixels: what is larger is read in parts, one below the other, for a long screenshot made small cannot be read."""
OVERLAP = 80
"""Pixels that parts have in common: a line that one of them cuts is whole in the next."""
MAX_PARTS = 12
MOST_STRETCHED = 4
THREADS = 2


def read_picture(data: bytes, limits: Limits) -> Extract:
    """The words in a picture, line by line.

    Raises:
        ReadingError: there are none (`empty`).
        MediaError: it is too large to be decoded, or a line.
        Exception: it is damaged: whatever Pillow then raises.
    """
    picture = _opened(data)
    reader = _reader()
    lines: list[str] = []
    parts = list(parts_of(*picture.size))
    for number, (top, bottom) in enumerate(parts):
        part = picture.crop((0, top, picture.width, bottom))
        found = reader(np.ascontiguousarray(np.asarray(padded(part))[:, :, ::-1])).txts or ()
        lines += [line for line in found if line not in lines[-4:]]
        if sum(map(len, lines)) > limits.characters:
            return bounded("\n".join(lines), limits, more=number + 1 < len(parts))
    return bounded("\n".join(lines), limits)


def parts_of(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Top and bottom of the parts that a picture of that size is read in."""
    side = max(MAX_SIDE, width)
    for top in range(0, max(1, height - OVERLAP), side - OVERLAP):
        yield top, min(top + side, height)


def padded(part: Image.Image) -> Image.Image:
    """The part with white beside or below it, so that no side is `MOST_STRETCHED` times the other.

    RapidOCR makes the short side 736 pixels long, whatever the long one becomes: of a line of 12 x 1200 pixels, a few
    hundred bytes, 54 million.
    """
    width, height = max(part.width, part.height // MOST_STRETCHED), max(part.height, part.width // MOST_STRETCHED)
    if (width, height) == part.size:
        return part
    whole = Image.new("RGB", (width, height), "white")
    whole.paste(part)
    return whole


def _opened(data: bytes) -> Image.Image:
    """The picture, upright and in colours, no wider than `MAX_SIDE` and no higher than its parts are."""
    check_scans(data)
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        check_size(*image.size)
        picture = ImageOps.exif_transpose(image)
        plain = Image.new("RGB", picture.size, "white")
        shown = picture.convert("RGBA") if picture.has_transparency_data else picture.convert("RGB")
        plain.paste(shown, mask=shown if shown.mode == "RGBA" else None)
    scale = min(1.0, MAX_SIDE / plain.width)
    size = (max(1, int(plain.width * scale)), max(1, int(plain.height * scale)))
    scaled = plain if size == plain.size else plain.resize(size, Image.Resampling.LANCZOS)
    return scaled.crop((0, 0, scaled.width, min(scaled.height, MAX_PARTS * (MAX_SIDE - OVERLAP))))


def _reader() -> Any:
    from rapidocr import RapidOCR  # noqa: PLC0415 - an extra that need not be installed

    threads = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": THREADS for kind in ("intra", "inter")}
    return RapidOCR(params={"Global.log_level": "critical", "Global.max_side_len": 2 * MAX_SIDE, **threads})
