"""The tables, goals and picture of the memory's figures."""

import json
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from bench.memory_report import main, make_tables, print_report
from bench.memory_results import (
    GOALS,
    NEW,
    OURS,
    PROJECTED,
    REFINED,
    TEXT,
    Answered,
    Called,
    Decoded,
    Kept,
    Refined,
    Results,
    Retrieved,
    collect_figures,
    read_results,
)
from bench.report import find_short

RESULTS = Results(
    machine="a machine",
    seeds=2,
    minutes=7.5,
    quick=True,
    retrieved=(
        Retrieved(row=OURS, asked=NEW, bank=64, hit1=(0.9, 0.96), hit10=(1.0, 1.0), mrr=(0.95, 0.97)),
        Retrieved(row=OURS, asked=NEW, bank=2000, hit1=(0.7, 0.7), hit10=(0.9, 0.9), mrr=(0.8, 0.8)),
        Retrieved(row="BM25", asked=NEW, bank=64, hit1=(0.4, 0.5), hit10=(0.9, 0.9), mrr=(0.6, 0.6)),
    ),
    decoded=(
        Decoded(row=OURS, value=REFINED, part="all", exact=(0.98, 1.0), f1=(1.0, 1.0)),
        Decoded(row=OURS, value=PROJECTED, part="all", exact=(0.0, 0.0), f1=(0.5, 0.5)),
    ),
    refined=(Refined(steps=50, exact=(0.3, 0.4)), Refined(steps=150, exact=(0.8, 0.9))),
    answered=(
        Answered(row=OURS, asked="told", right=(0.8, 0.8), tokens=(12.0, 14.0)),
        Answered(row=TEXT, asked="told", right=(0.82, 0.82), tokens=(10.0, 10.0)),
    ),
    kept=(Kept(nights=1, loss=(0.4, 0.6), exact=(1.0, 1.0)), Kept(nights=10, loss=(2.0, 2.0), exact=(0.98, 0.98))),
    called=(Called(row=OURS, precision=(0.99,), recall=(0.97,), false=(0.004,)),),
    leaks=0,
    scoped_queries=10_000,
)


def test_figures_are_means_over_the_seeds() -> None:
    """What the goals are about comes from our recipe's rows alone."""
    figures = collect_figures(RESULTS)
    assert pytest.approx(0.93) == figures["new_64_hit1"]
    assert pytest.approx(0.99) == figures["exact_trained_or_refined"]
    assert pytest.approx(2.0) == figures["answers_behind_text_points"]
    assert pytest.approx(0.4) == figures["false_recalls_percent"]
    assert (figures["chat_loss_1_night_percent"], figures["chat_loss_10_nights_percent"]) == (0.5, 2.0)


def test_short_goals_are_those_missed() -> None:
    """What was measured and is worse than its goal is short; what was not measured is not."""
    assert find_short(collect_figures(RESULTS), GOALS) == [
        "new_2000_hit1",
        "f1_projected",
        "chat_loss_10_nights_percent",
    ]


def test_the_best_reader_of_given_text_counts() -> None:
    """Answers are compared with the model that made the most of the text, trained or bare."""
    bare = Answered(row=f"{TEXT}, bare model", asked="told", right=(0.9, 0.9), tokens=(10.0, 10.0))
    results = msgspec.structs.replace(RESULTS, answered=(*RESULTS.answered, bare))
    assert collect_figures(results)["answers_behind_text_points"] == pytest.approx(10.0)


def test_worse_of_trained_and_refined_counts() -> None:
    """Exactness is not reached by one of the two alone."""
    trained = Decoded(row=OURS, value="trained", part="all", exact=(0.5,), f1=(0.9,))
    results = msgspec.structs.replace(RESULTS, decoded=(*RESULTS.decoded, trained))
    assert collect_figures(results)["exact_trained_or_refined"] == 0.5


def test_leaks_count_after_enough_queries() -> None:
    """No leak in few queries shows nothing; a leak shows in any number."""
    few = msgspec.structs.replace(RESULTS, scoped_queries=100)
    assert "leaks_in_10000_queries" not in collect_figures(few)
    assert find_short(collect_figures(msgspec.structs.replace(few, leaks=1)), GOALS)[-1:] == ["leaks_in_10000_queries"]


def test_results_come_from_plain_values() -> None:
    """What JSON holds is read back as it was; a wrong key is refused by name of the type."""
    assert read_results(msgspec.to_builtins(RESULTS)) == RESULTS
    with pytest.raises(msgspec.ValidationError, match="machine"):
        read_results({"seeds": 3})


def test_tables_show_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    """Each row of each table is printed, with the range of its seeds and with what was not present."""
    print_report(RESULTS)
    printed = capsys.readouterr().out
    assert "0.930 (0.900-0.960)" in printed
    assert "not present" in printed
    assert "not measured" in printed
    titles = [title for title, _, rows in make_tables(RESULTS) if rows]
    assert [title for title in titles if title not in printed] == []


def test_files_are_written(tmp_path: Path) -> None:
    """Stored results are printed again into the JSON that runs are compared by, and into a picture."""
    stored, figures, picture = (tmp_path / name for name in ("results.json", "figures.json", "picture.png"))
    stored.write_bytes(msgspec.json.encode(RESULTS))
    main([str(stored), "--json", str(figures), "--png", str(picture)])
    assert {"figures", "goals", "short", "run"} == set(json.loads(figures.read_text()))
    with Image.open(picture) as image:
        assert image.size == (1800, 600)


def test_picture_of_nothing_is_drawn(tmp_path: Path) -> None:
    """A run that was cut to one table still draws."""
    print_report(Results(machine="m", seeds=1, minutes=1.0), png=tmp_path / "empty.png")
    assert (tmp_path / "empty.png").stat().st_size > 0
