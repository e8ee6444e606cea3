"""Which pictures are decoded at all: those of strangers may be bombs."""

from onebot_bot.errors import MediaBroken

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
"""What QQ sends. Pillow's other readers stay shut: one of them starts a program."""
MAX_PIXELS = 50_000_000
"""Of a picture as it is decoded: four bytes each."""
MAX_RATIO = 100
"""Of the long side to the short one: image processors refuse from 200 on, and there is nothing to be seen."""

MOST_SCANS = 100
"""Of a JPEG that is shown finer and finer: encoders make ten, and each is a walk over the whole picture."""


def check_scans(data: bytes) -> None:
    """Raise MediaBroken for a JPEG that would take minutes to decode: of small files, scan after scan of nothing."""
    if data.startswith(b"\xff\xd8") and (scans := data.count(b"\xff\xda")) > MOST_SCANS:
        raise MediaBroken(f"A picture of {scans} scans is not decoded.")


def check_size(width: int, height: int) -> None:
    """Raise MediaBroken when a picture of that size, told by its header, had better not be decoded."""
    if width * height > MAX_PIXELS:
        raise MediaBroken(f"A picture of {width} x {height} pixels is too large to be decoded.")
    if max(width, height) > MAX_RATIO * min(width, height):
        raise MediaBroken(f"A picture of {width} x {height} pixels is a line.")
