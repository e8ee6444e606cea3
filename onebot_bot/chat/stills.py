"""From what people sent to what a model is shown: small, upright, without metadata. Files come from strangers."""

import io
import math

from PIL import Image, ImageOps

from onebot_bot.errors import MediaBroken
from onebot_bot.memory.pictures import Still
from onebot_bot.reading.raster import FORMATS, check_scans, check_size

QUALITY = 92


def make_still(data: bytes, pixels: int) -> Still:
    """The picture, scaled down to `pixels` at most; of an animated one the first frame.

    Raises:
        MediaBroken: it is no picture, is damaged, too large to be decoded, or a mere line.
    """
    check_scans(data)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            check_size(*image.size)
            image.draft("RGB", fitting(image.size, pixels))  # a JPEG is decoded at an eighth, where that will do
            return still_of(ImageOps.exif_transpose(image), pixels)
    except MediaBroken:
        raise
    except Exception as error:
        # Pillow's parsers raise whatever a damaged file makes them raise.
        raise MediaBroken(f"A picture cannot be read: {error}.") from error


def fitting(size: tuple[int, int], pixels: int) -> tuple[int, int]:
    """Width and height of the same shape with `pixels` at most; never larger than `size`."""
    scale = min(1.0, math.sqrt(pixels / (size[0] * size[1])))
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))


def still_of(image: Image.Image, pixels: int) -> Still:
    """The decoded picture, scaled down and encoded; what was transparent is white."""
    if image.mode not in ("RGB", "RGBA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    size = fitting(image.size, pixels)
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    # On new pixels: where and with what it was taken is nobody's business.
    plain = Image.new("RGB", size, "white")
    plain.paste(image, mask=image if image.mode == "RGBA" else None)
    out = io.BytesIO()
    plain.save(out, "JPEG", quality=QUALITY, subsampling=0)
    return Still(out.getvalue(), size[0] * size[1])
