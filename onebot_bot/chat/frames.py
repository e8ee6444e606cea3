"""Frames of a video, evenly spaced, by PyAV where that is installed (the extra `video`)."""

import functools
import importlib.util
import io
import time
from typing import TYPE_CHECKING

from PIL import Image

from onebot_bot.chat.stills import still_of
from onebot_bot.errors import MediaBroken
from onebot_bot.memory.pictures import Still
from onebot_bot.reading.raster import check_size

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

FORMATS = "mov,mp4,matroska,webm,avi,flv,mpegts"
"""Containers that hold a video themselves: a playlist would name files of this machine, or addresses."""
MAX_DECODED = 300
"""Frames decoded from a key frame on towards the wanted one; a further one will do then."""
MOST_SECONDS = 10.0
"""Of decoding; the frame that is there by then will do, as one of an enormous video takes long."""


@functools.cache
def can_watch() -> bool:
    """Whether PyAV is installed; looked for once, every message asks."""
    return importlib.util.find_spec("av") is not None


def make_frames(data: bytes, count: int, pixels: int) -> list[Still]:
    """At most `count` frames from the middle of as many equal parts, together of `pixels` at most.

    Raises:
        MediaBroken: it is no video, or is damaged.
    """
    import av  # noqa: PLC0415 - an extra that need not be installed

    options = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
    try:
        with av.open(io.BytesIO(data), "r", options=options, metadata_errors="ignore") as container:
            return [still_of(image, pixels // count) for image in _frames(container, count)]
    except MediaBroken:
        raise
    except Exception as error:
        # FFmpeg's errors are of many kinds, and PyAV adds its own.
        raise MediaBroken(f"A video cannot be read: {error}.") from error


def _frames(container: "InputContainer", count: int) -> list[Image.Image]:
    if not container.streams.video:
        raise MediaBroken("A video has no pictures in it.")
    stream = container.streams.video[0]
    check_size(stream.width, stream.height)
    until = time.monotonic() + MOST_SECONDS
    if not container.duration:
        return [_frame_at(container, stream, 0, until)]
    begin = container.start_time or 0
    places = [begin + container.duration * (2 * i + 1) // (2 * count) for i in range(count)]
    return [_frame_at(container, stream, place, until) for place in places]


def _frame_at(container: "InputContainer", stream: "VideoStream", when: int, until: float) -> Image.Image:
    """The first frame that is not before `when` (microseconds), or the last one there is."""
    container.seek(when)
    found = None
    for number, frame in enumerate(container.decode(stream)):
        found = frame
        there = frame.time is not None and frame.time * 1_000_000 >= when
        if there or number == MAX_DECODED or time.monotonic() > until:
            break
    if found is None:
        raise MediaBroken("A video holds no whole frame.")
    check_size(found.width, found.height)
    image = Image.fromarray(found.to_ndarray(format="rgb24"))
    return image.rotate(found.rotation, expand=True)  # a telephone held upright says so beside the frames
