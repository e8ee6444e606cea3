"""The morning report: what the owner reads, and the picture beside it."""

import math
from pathlib import Path
from typing import Any

import pytest
from facts import fact, opened
from msgspec.structs import replace
from PIL import Image

from onebot_bot.learning.morning import draw, plot, read_metrics, report_text, smoothed, with_texts
from onebot_bot.learning.work import METRICS, Ending, NightReport

REPORT = NightReport(
    name="20261121T020000Z",
    ending=Ending("done"),
    started=1_795_226_400.0,
    seconds=4000.0,
    learned={
        "added": 12,
        "merged": 2,
        "superseded": 1,
        "memories": 340,
        "examples": [f"fact {number}" for number in range(8)],
        "dropped": {"not in the source": 3, "no speaker": 1},
    },
    figures={"hit@1": (0.8123, 0.9), "chat loss": (2.5, None)},
    serving="20261121T020000Z",
)


def test_a_good_night_in_chinese() -> None:
    """Counts, five examples, what was dropped and why, the figures, the time, what serves."""
    assert report_text(REPORT, "zh").splitlines() == [
        "🌙 昨晚的学习：学完了，新版本已经换上",
        "新记住 12 条，合并 2 条，更新 1 条；现在共 340 条。",
        *[f"· fact {number}" for number in range(5)],
        "没有采用 4 条：not in the source ×3, no speaker ×1",
        "考试（之前 → 之后）：",
        "· hit@1: 0.812 → 0.9",
        "· chat loss: 2.5 → ?",
        "用时 1 小时 7 分钟。",
        "正在使用：20261121T020000Z",
    ]


def test_a_night_that_learned_nothing_in_english() -> None:
    """Short; the model without an adapter has a name too."""
    report = replace(REPORT, ending=Ending("empty", key="night.no_memories"), learned={}, figures={}, serving="")
    assert report_text(replace(report, seconds=20.0), "en").splitlines() == [
        "🌙 Last night's learning: there was nothing to learn: there are no memories yet",
        "It took 1 min.",
        "Serving: the model as it came",
    ]


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        (Ending("failed", "the loss is no number"), "没有学成，继续用原来的版本：the loss is no number"),
        (Ending("refused", "chat loss rose"), "新版本没有通过，继续用原来的：chat loss rose"),
        (Ending("cancelled"), "被叫停了，继续用原来的版本"),
        (
            Ending("failed", "x", "night.no_disk", {"needed": "9.0 GB", "free": "3.1 GB", "folder": "runs"}),
            "没有学成，继续用原来的版本：磁盘空间不够：需要约 9.0 GB，runs 只剩 3.1 GB。"
            "请腾出空间，或调小 learning.keep_versions。",
        ),
        (
            Ending("failed", "x", "night.no_memory", {"needed": "9.0 GB", "free": "3.1 GB"}),
            "显存或内存不够：需要约 9.0 GB，只剩 3.1 GB。请关掉占用它的程序，或换用更小的模型。",
        ),
        (Ending("failed", "x", "night.disk_full", {"file": "a.pt"}), "磁盘写满了（a.pt），请腾出空间。"),
        (Ending("failed", "x", "night.not_restored", {"first": "A", "error": "B"}), "（B），请重启机器人。起因：A"),
    ],
)
def test_a_bad_night_says_why_and_what_to_do(ending: Ending, expected: str) -> None:
    """In the head of the report."""
    assert expected in report_text(replace(REPORT, ending=ending), "zh").splitlines()[0]


@pytest.mark.parametrize("name", ["A" * 61, "{braces}"])
def test_any_memory_can_be_quoted(name: str) -> None:
    """Long ones are cut, braces are only braces."""
    lines = report_text(replace(REPORT, learned={"examples": [name]}), "en").splitlines()
    assert lines[2] == (f"· {'A' * 59}…" if len(name) > 60 else "· {braces}")


async def test_a_forgotten_memory_is_in_no_report_of_the_night_before(tmp_path: Path) -> None:
    """What is kept of a night are numbers: each time it is shown the words are those of now."""
    async with opened(tmp_path / "m.sqlite3") as store:
        kept, forgotten = [await store.add(fact(n, text=f"Ann has {n} cats.")) for n in (1, 2)]
        report = replace(REPORT, learned={"examples": [kept.id, forgotten.id, 99]})
        assert "cats" not in report_text(report, "en")
        shown = report_text(await with_texts(report, store.get), "en")
        assert ("· Ann has 1 cats." in shown, "· Ann has 2 cats." in shown) == (True, True)
        await store.forget(forgotten.id)
        shown = report_text(await with_texts(report, store.get), "en")
        assert ("· Ann has 1 cats." in shown, "2 cats" in shown) == (True, False)
        assert await with_texts(replace(REPORT, learned={}), store.get) == replace(REPORT, learned={})


def test_metrics_are_read_up_to_where_a_kill_cut_them(tmp_path: Path) -> None:
    """A line that is no row is left out."""
    path = tmp_path / METRICS
    path.write_text('{"stage": 1, "step": 1, "loss": NaN}\n[]\n{"stage": 1, "step": 2, "lo')
    (row,) = read_metrics(path)
    assert math.isnan(row["loss"])
    assert read_metrics(tmp_path / "none") == []


def test_without_metrics_nothing_is_drawn(tmp_path: Path) -> None:
    """As after a night that failed early."""
    assert draw(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


ROWS: list[dict[str, Any]] = [
    *({"stage": 1, "step": step, "loss": 3 / step, "hit1": 1 - 1 / step} for step in range(1, 60)),
    *({"stage": 2, "step": step, "loss": math.nan if step == 7 else 2 / step} for step in range(1, 60)),
]


def test_loss_and_rates_are_drawn_for_each_stage(tmp_path: Path) -> None:
    """A row of panels for each stage; a loss that is no number leaves a gap, not an error."""
    for rows, expected in ((ROWS, (1248, 768)), (ROWS[:59], (1248, 384)), (ROWS[59:], (624, 384))):
        plot(rows, tmp_path / "plot.png")
        with Image.open(tmp_path / "plot.png") as image:
            assert image.size == expected
            assert len(image.convert("RGB").getcolors(1 << 16) or ()) > 50


@pytest.mark.parametrize(
    "rows", [[{}], [{"stage": 1}], [{"stage": 1, "step": 1, "loss": "x"}], [{"stage": 2, "loss": math.inf}]]
)
def test_odd_metrics_are_no_error(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    """The picture is empty then."""
    plot(rows, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 0


def test_smoothing_follows_the_values() -> None:
    """From the first on."""
    assert smoothed([1.0, 1.0, 0.0]) == [1.0, 1.0, 0.7]
    assert smoothed([]) == []
