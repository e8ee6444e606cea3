"""The words in pictures, and pictures that are made to do harm."""

import io
from itertools import pairwise

import numpy as np
import pytest
from documents import LIMITS, blank, header
from PIL import Image, ImageDraw, ImageFont

from onebot_bot.reading.extract import Extract, Failure, Job
from onebot_bot.reading.extractor import Extractor
from onebot_bot.reading.job import attempt
from onebot_bot.reading.kinds import can_read_pictures
from onebot_bot.reading.ocr import MAX_PARTS, MAX_SIDE, OVERLAP, padded, parts_of
from onebot_bot.sections.reading import ReadingConfig


async def test_words_are_read() -> None:
    """By the real RapidOCR, with the models that came with it, in the memory that it is given by default."""
    if not can_read_pictures():
        pytest.skip("RapidOCR is an extra")
    picture = Image.new("RGBA", (420, 120), (0, 0, 0, 0))
    ImageDraw.Draw(picture).text((20, 30), "MEETING 302", fill="black", font=ImageFont.load_default(40))
    out = io.BytesIO()
    picture.save(out, "PNG")
    memory = ReadingConfig().memory_mib * 2**20
    found = await Extractor().extract(Job("picture", out.getvalue(), LIMITS, memory), 300)
    assert found == Extract("MEETING 302")


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"%!PS\n", blank(10, 10)[:40]], ids=len)
def test_what_is_no_picture_is_told(data: bytes) -> None:
    """Whatever Pillow makes of it; PostScript would start a program."""
    found = attempt(Job("picture", data, LIMITS, 0))
    assert isinstance(found, Failure)
    assert found.reason == "broken"


@pytest.mark.parametrize("size", [(20000, 20000), (30000, 100)], ids=["bomb", "line"])
def test_a_pixel_bomb_is_not_decoded(size: tuple[int, int]) -> None:
    """Its header tells."""
    bomb = header(*size)
    found = attempt(Job("picture", bomb, LIMITS, 0))
    assert isinstance(found, Failure)
    assert "pixels" in found.detail


def test_a_long_screenshot_is_read_in_parts() -> None:
    """They overlap, and cover all of it."""
    parts = list(parts_of(1080, 5000))
    assert (parts[0][0], parts[-1][1]) == (0, 5000)
    assert all(after[0] == before[1] - OVERLAP for before, after in pairwise(parts))
    assert list(parts_of(300, 200)) == [(0, 200)]
    assert len(list(parts_of(MAX_SIDE, MAX_PARTS * (MAX_SIDE - OVERLAP)))) == MAX_PARTS


@pytest.mark.parametrize(
    ("size", "whole"),
    [((12, 1200), (300, 1200)), ((1600, 60), (1600, 400)), ((400, 300), (400, 300)), ((1, 1), (1, 1))],
)
def test_a_line_is_not_made_a_bomb(size: tuple[int, int], whole: tuple[int, int]) -> None:
    """RapidOCR stretches the short side to hundreds of pixels, and the long one with it: white is put beside it."""
    part = padded(Image.new("RGB", size, "black"))
    assert part.size == whole
    pixels = np.asarray(part)
    assert int((pixels == 0).all(axis=2).sum()) == size[0] * size[1]
