"""What people send becomes small, upright and plain before a model is shown it; what is harmful is refused."""

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image

from onebot_bot.chat.stills import fitting, make_still
from onebot_bot.errors import MediaError
from onebot_bot.reading.raster import MAX_PIXELS

Colour = tuple[int, ...]


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """The image's file."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def decoded(data: bytes, pixels: int = 1_000_000) -> Image.Image:
    """What the model would see."""
    return Image.open(io.BytesIO(make_still(data, pixels).data))


def near(image: Image.Image, x: int, y: int, colour: Colour) -> bool:
    """Whether the pixel has about that colour."""
    found = image.getpixel((x, y))
    assert isinstance(found, tuple)
    return all(abs(a - b) < 12 for a, b in zip(found, colour, strict=True))


def huge_png(width: int, height: int) -> bytes:
    """A few bytes whose header promises that many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_large_pictures_are_scaled_down(form: str) -> None:
    """To the budget, in their shape; and the size told is the size made."""
    still = make_still(encoded(Image.new("RGB", (800, 400), "red"), form), 20_000)
    image = Image.open(io.BytesIO(still.data))
    assert image.size == (200, 100)
    assert still.pixels == 20_000
    assert near(image, 100, 50, (255, 0, 0))


def test_small_ones_stay_as_large_as_they_are() -> None:
    """Nothing is gained by making them larger."""
    assert decoded(encoded(Image.new("RGB", (30, 20)))).size == (30, 20)


@pytest.mark.parametrize("pixels", [1, 7, 5000, 262_144])
def test_the_budget_is_never_exceeded(pixels: int) -> None:
    """By any shape."""
    for size in ((1000, 1000), (4000, 50), (3, 900)):
        width, height = fitting(size, pixels)
        assert width * height <= max(pixels, max(size) // min(size))
        assert min(width, height) >= 1


def test_a_photo_stands_upright() -> None:
    """EXIF says how the telephone was held."""
    photo = Image.new("RGB", (60, 40), "blue")
    photo.paste("red", (0, 0, 30, 40))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    image = decoded(encoded(photo, "JPEG", exif=exif, quality=95))
    assert image.size == (40, 60)
    assert near(image, 20, 10, (254, 0, 0))
    assert near(image, 20, 50, (0, 0, 254))


def test_what_a_file_says_beside_the_picture_is_left_out() -> None:
    """Where and with what it was taken."""
    exif = Image.Exif()
    exif[0x010F] = "SECRET CAMERA"
    photo = encoded(Image.new("RGB", (20, 20)), "JPEG", exif=exif, comment=b"SECRET PLACE")
    assert b"SECRET" in photo
    assert b"SECRET" not in make_still(photo, 1000).data


def test_what_is_transparent_is_white() -> None:
    """Black lines on nothing would be black on black."""
    drawing = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    drawing.paste((0, 0, 0, 255), (0, 0, 10, 20))
    for file in (encoded(drawing), encoded(drawing.convert("P"), transparency=0)):
        assert near(decoded(file), 15, 10, (255, 255, 255))
    assert near(decoded(encoded(drawing)), 4, 10, (0, 0, 0))


def test_of_an_animation_the_first_frame_is_seen() -> None:
    """A GIF that is no sticker."""
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    assert near(decoded(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])), 10, 10, (255, 0, 0))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cannot be read"),
        (b"<svg></svg>", "cannot be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "cannot be read"),
        (encoded(Image.effect_noise((90, 90), 50))[:2000], "cannot be read"),
        (huge_png(9000, 9000), "too large"),
        (huge_png(60_000, 60_000), "cannot be read"),  # Pillow itself refuses
        (encoded(Image.new("RGB", (2, 500))), "a line"),
    ],
    ids=["nothing", "svg", "postscript", "cut short", "bomb", "larger bomb", "line"],
)
def test_what_cannot_be_shown_is_refused(data: bytes, why: str) -> None:
    """Before anything of its size is in memory, and never by another error."""
    assert MAX_PIXELS < 9000 * 9000
    with pytest.raises(MediaError, match=why):
        make_still(data, 1000)
