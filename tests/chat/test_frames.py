"""Frames of a real video, and what is no video."""

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from onebot_bot.chat import frames
from onebot_bot.chat.frames import make_frames
from onebot_bot.errors import MediaError

av = pytest.importorskip("av", reason="PyAV is an extra")

COLOURS = ("red", "green", "blue", "white")


def video(form: str = "mp4", seconds: int = 4) -> bytes:
    """A second of each colour at eight frames a second, with few key frames."""
    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 96, 64, "yuv420p", 12
        for number in range(8 * seconds):
            picture = Image.new("RGB", (96, 64), COLOURS[number // 8])
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return out.getvalue()


def colour(data: bytes) -> str:
    """Of the middle."""
    found = Image.open(io.BytesIO(data)).getpixel((20, 10))
    assert isinstance(found, tuple)
    return {"100": "red", "010": "green", "001": "blue"}.get("".join("01"[value > 90] for value in found), "white")


@pytest.mark.parametrize("form", ["mp4", "matroska"])
def test_frames_are_evenly_spaced(form: str) -> None:
    """From the middle of as many equal parts, in order, whatever key frames there are."""
    assert [colour(still.data) for still in make_frames(video(form), 4, 100_000)] == list(COLOURS)
    assert [colour(still.data) for still in make_frames(video(form), 2, 100_000)] == ["green", "white"]


class Endless:
    """A video whose every frame is before the one that is wanted."""

    def __init__(self) -> None:
        self.decoded = 0

    def seek(self, when: int) -> None:
        """Nothing is nearer than the beginning."""

    def decode(self, _: object) -> Iterator[Any]:
        """Black frames, all of them the first."""
        while True:
            self.decoded += 1
            frame = av.VideoFrame(16, 16, "rgb24")
            frame.pts, frame.time_base = 0, Fraction(1, 8)
            yield frame


@pytest.mark.parametrize(("until", "decoded"), [(0.0, 1), (float("inf"), frames.MAX_DECODED + 1)])
def test_of_a_video_that_takes_long_a_nearer_frame_will_do(until: float, decoded: int) -> None:
    """Where the time is up, or so many were decoded: each may be an enormous one."""
    container: Any = Endless()
    assert frames._frame_at(container, container, 10**9, until).size == (16, 16)
    assert container.decoded == decoded


def test_together_they_have_what_one_picture_may_have() -> None:
    """A video costs the model no more than a picture."""
    stills = make_frames(video(seconds=1), 4, 8000)
    assert sum(still.pixels for still in stills) <= 8000
    assert [Image.open(io.BytesIO(still.data)).size for still in stills] == [(54, 36)] * 4


def test_what_is_no_video_is_refused(tmp_path: Path, picture: bytes) -> None:
    """A playlist too, for it would have files of this machine opened."""
    (tmp_path / "secret.mp4").write_bytes(video(seconds=1))
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{tmp_path / 'secret.mp4'}\n#EXT-X-ENDLIST\n"
    concat = f"ffconcat version 1.0\nfile '{tmp_path / 'secret.mp4'}'\n"
    for data in (b"", b"words", picture, playlist.encode(), concat.encode(), video(seconds=1)[:300]):
        with pytest.raises(MediaError, match="A video"):
            make_frames(data, 4, 1000)
