"""Pictures that are small as files and vast, endless or slow when decoded; and videos of that kind."""

import io
import re
import resource
import struct
from random import Random

import pytest
from hostile import soon
from PIL import Image

from bench import fuzz_files
from onebot_bot.chat.stills import make_still
from onebot_bot.errors import MediaBroken
from onebot_bot.reading.extract import Limits
from onebot_bot.reading.ocr import read_picture
from onebot_bot.reading.raster import MOST_SCANS

MOST_MEMORY = 64 * 1024
"""KiB more than before that any of them may take."""
SIDE = 65535


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    """The image's file."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def webp(width: int, height: int, *, animated: bool) -> bytes:
    """A canvas of that size with a dot on it."""
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    dot = saved(Image.new("RGB", (4, 4)), "WEBP", lossless=True)[12:]
    if not animated:
        chunks = b"VP8X" + struct.pack("<IB3x", 10, 0) + size + dot
    else:
        frame = bytes(6) + struct.pack("<I", 3)[:3] * 2 + b"\x64\0\0\0" + dot
        chunks = b"VP8X" + struct.pack("<IB3x", 10, 2) + size + b"ANIM" + struct.pack("<I6x", 6)
        chunks += b"ANMF" + struct.pack("<I", len(frame)) + frame
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def gif(width: int, height: int, count: int = 1) -> bytes:
    """So many frames of that size, of which none is whole."""
    frame = b"!\xf9\x04\0\0\0\0\0," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02D\x01\0"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frame * count + b";"


def bmp(width: int, height: int) -> bytes:
    """A header alone."""
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, width, height, 1, 24, *[0] * 6)


def png(width: int, height: int) -> bytes:
    """A real one with another size in its header; its checksum is wrong then, which comes second."""
    data = saved(Image.new("RGB", (4, 4)), "PNG")
    return data[:16] + struct.pack(">II", width, height) + data[24:]


def jpeg(width: int, height: int, scans: int = 0) -> bytes:
    """One that is shown finer and finer, so many times more than it need be."""
    data = bytearray(saved(Image.new("L", (64, 64)), "JPEG", progressive=True))
    at = data.index(b"\xff\xc2") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    last = data[data.rindex(b"\xff\xda") : -2]
    return bytes(data[:-2] + last * scans + b"\xff\xd9")


@pytest.mark.parametrize(
    "data",
    [
        webp(16000, 16000, animated=False),
        webp(16383, 16383, animated=True),
        webp(2**24, 2**24, animated=True),
        gif(SIDE, SIDE),
        gif(9000, 9000),
        gif(3000, 3000, 20_000),
        bmp(2**31 - 1, 2**31 - 1),
        bmp(30_000, -30_000),
        bmp(-5, 5),
        bmp(7000, 7000),
        png(2**31 - 1, 2**31 - 1),
        png(20_000, 20_000),
        png(10**6, 1),
        jpeg(SIDE, SIDE),
        jpeg(7000, 7000, 5000),
    ],
    ids=lambda data: re.sub(r"\W+", "", repr(data[:12]))[:12],
)
def test_a_bomb_is_refused_before_it_goes_off(data: bytes) -> None:
    """A few bytes, or a few hundred thousand, that would be gigabytes or minutes; also where words are looked for."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with soon():
        with pytest.raises(MediaBroken):
            make_still(data, 100_000)
        with pytest.raises(Exception):  # noqa: B017 - the process that reads takes whatever Pillow raises
            read_picture(data, Limits(pages=1, characters=100))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_MEMORY


def test_a_usual_progressive_jpeg_is_seen() -> None:
    """Encoders make about ten scans."""
    image = Image.effect_noise((640, 480), 80)
    data = saved(image, "JPEG", progressive=True)
    assert 1 < data.count(b"\xff\xda") < MOST_SCANS
    assert make_still(data, 100_000).pixels <= 100_000


def test_of_a_long_animation_one_frame_is_decoded() -> None:
    """However many there are."""
    first, other = Image.new("P", (400, 400), 3), Image.new("P", (400, 400), 5)
    data = saved(first, "GIF", save_all=True, append_images=[other, first] * 200)
    with soon():
        assert make_still(data, 10_000).pixels <= 10_000


@pytest.mark.parametrize("target", [fuzz_files.see_pictures, fuzz_files.see_videos], ids=lambda target: target.__name__)
def test_a_slice_of_the_fuzzing_finds_nothing(target: object) -> None:
    """The bench's own cases, other ones."""
    assert callable(target)
    for number in range(60):
        with soon():
            target(Random(f"test/{number}"))  # noqa: S311 - a game
