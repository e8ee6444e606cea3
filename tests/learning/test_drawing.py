"""onebot_bot.learning.drawing, in real processes."""

from pathlib import Path

from structlog.testing import capture_logs

from onebot_bot.learning.drawing import draw_apart
from onebot_bot.learning.work import METRICS


async def test_a_night_is_drawn_by_a_process_of_its_own(tmp_path: Path) -> None:
    """This one does not even import what draws; without metrics none is started."""
    assert await draw_apart(tmp_path) is None
    (tmp_path / METRICS).write_text('{"stage": 1, "step": 1, "loss": 2}\n{"stage": 1, "step": 2, "loss": 1}\n')
    picture = await draw_apart(tmp_path)
    assert picture is not None
    assert picture.read_bytes().startswith(b"\x89PNG")


async def test_what_cannot_be_drawn_costs_the_picture_only(tmp_path: Path) -> None:
    """Nonsense, or a process that takes too long: the log says why, and an older picture is not taken for this one."""
    (tmp_path / METRICS).write_text('{"stage": "x"}\n')
    (tmp_path / "training.png").touch()
    with capture_logs() as logs:
        assert await draw_apart(tmp_path) is None
        assert await draw_apart(tmp_path, patience=0.0) is None
    assert ["ValueError" in line["cause"] for line in logs] == [True, False]
    assert logs[1]["cause"] == "not done within 0 s"
