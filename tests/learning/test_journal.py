"""A night's journal: on the disk after every step, and the judge of whether a killed night goes on."""

from pathlib import Path

import pytest

from onebot_bot.learning import journal as journal_module
from onebot_bot.learning.journal import (
    FILE,
    Journal,
    interrupted_since,
    read_journal,
    unfinished,
    why_not_resumed,
)

NOW = 1_795_226_400.0
INPUTS = {"base": "model-1"}
HOUR = 3600.0


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Where the run folders go."""
    return tmp_path / "training" / "runs"


def open_run(runs: Path, now: float, inputs: dict[str, str]) -> Journal:
    """A run whose model is loaded."""
    journal = journal_module.open_run(runs, now)
    journal.build_on(inputs)
    return journal


def read_again(journal: Journal) -> Journal:
    """What another process finds."""
    found = read_journal(journal.folder)
    assert found is not None
    return found


def test_every_step_is_on_the_disk_at_once(runs: Path) -> None:
    """Begun, finished and what it gave."""
    journal = open_run(runs, NOW, INPUTS)
    assert journal.name == "20261121T020000Z"
    journal.begin("extract", NOW + 1)
    step = read_again(journal).step("extract")
    assert step is not None
    assert (step.started, step.finished, step.attempts) == (NOW + 1, None, 1)
    journal.finish("extract", NOW + 5, {"memories": 3})
    assert read_again(journal).gave("extract") == {"memories": 3}
    assert read_again(journal).gave("stage1") is None


def test_a_second_attempt_is_counted_and_an_orderly_end_is_not(runs: Path) -> None:
    """Only a kill is held against a step."""
    journal = open_run(runs, NOW, INPUTS)
    journal.begin("stage1", NOW)
    journal.release("stage1")
    assert why_not_resumed(read_again(journal), NOW, INPUTS) == ""
    journal.begin("stage1", NOW)
    assert why_not_resumed(read_again(journal), NOW, INPUTS) == ""
    journal.begin("stage1", NOW)
    assert why_not_resumed(read_again(journal), NOW, INPUTS) == "the process ended 2 times in the step stage1"


@pytest.mark.parametrize(
    ("later", "inputs", "expected"),
    [
        (11 * HOUR, INPUTS, ""),
        (-1 * HOUR, INPUTS, ""),
        (13 * HOUR, INPUTS, "it began 13 hours ago, more than 12"),
        (-40 * HOUR, INPUTS, "it began 40 hours ago, more than 12"),
        (HOUR, {"base": "model-2"}, "what it builds on has changed: base"),
        (HOUR, {}, "what it builds on has changed: base"),
    ],
)
def test_a_killed_night_goes_on_only_when_young_and_on_the_same_ground(
    runs: Path, later: float, inputs: dict[str, str], expected: str
) -> None:
    """Also by a clock that was set back."""
    assert why_not_resumed(open_run(runs, NOW, INPUTS), NOW + later, inputs) == expected


def test_a_night_whose_files_are_gone_does_not_go_on(runs: Path) -> None:
    """What a finished step listed must be there."""
    journal = open_run(runs, NOW, INPUTS)
    (journal.folder / "memories.jsonl").write_text("x")
    journal.begin("extract", NOW)
    journal.finish("extract", NOW, {"files": ["memories.jsonl"]})
    assert why_not_resumed(journal, NOW, INPUTS) == ""
    (journal.folder / "memories.jsonl").unlink()
    assert why_not_resumed(journal, NOW, INPUTS) == "memories.jsonl is gone"


@pytest.mark.parametrize("garbage", [None, b"", b'{"started": 17', b"\x00" * 64, b"[]", b'{"state": "odd"}'])
def test_a_run_without_a_readable_journal_is_discarded(runs: Path, garbage: bytes | None) -> None:
    """Its folder stays with the reason; what was large in it goes."""
    journal = open_run(runs, NOW, INPUTS)
    (journal.folder / "candidate").mkdir()
    if garbage is None:
        (journal.folder / FILE).unlink()
    else:
        (journal.folder / FILE).write_bytes(garbage)
    assert unfinished(runs, NOW) == []
    record = read_again(journal).record
    assert (record.state, record.reason) == ("discarded", "journal.json could not be read")
    assert not (journal.folder / "candidate").exists()


def test_only_running_nights_are_unfinished(runs: Path) -> None:
    """The newest first."""
    for index, closed in enumerate((False, True, False)):
        journal = open_run(runs, NOW + index * 60, INPUTS)
        if closed:
            journal.close("failed", "no room", NOW)
    assert [journal.name for journal in unfinished(runs, NOW)] == ["20261121T020200Z", "20261121T020000Z"]
    assert interrupted_since(runs, NOW + HOUR) == NOW + 120
    assert interrupted_since(runs, NOW + 13 * HOUR) is None


def test_closing_keeps_what_people_read_and_frees_the_rest(runs: Path) -> None:
    """Checkpoints and candidates go, however the night ended."""
    journal = open_run(runs, NOW, INPUTS)
    (journal.folder / "stage1").mkdir()
    for name in ("metrics.jsonl", "plot.png", "state.pt", "stage1/checkpoint.pt"):
        (journal.folder / name).write_text("x")
    journal.close("done", "", NOW + HOUR)
    assert sorted(path.name for path in journal.folder.iterdir()) == [FILE, "metrics.jsonl", "plot.png"]
    record = read_again(journal).record
    assert (record.state, record.ended) == ("done", NOW + HOUR)


def test_the_last_ten_runs_stay(runs: Path) -> None:
    """Older folders are deleted when a new run begins; two of one second do not meet."""
    for index in range(12):
        open_run(runs, NOW + index, INPUTS).close("done", "", NOW)
    assert open_run(runs, NOW + 11, INPUTS).name == "20261121T020011Z-1"
    names = sorted(path.name for path in runs.iterdir())
    assert (len(names), names[0]) == (10, "20261121T020003Z")


def test_a_run_of_a_clock_that_was_set_back_is_not_pruned_at_once(runs: Path) -> None:
    """Though its name is older than those of ten others."""
    for index in range(10):
        open_run(runs, NOW + index, INPUTS).close("done", "", NOW)
    journal = open_run(runs, NOW - 1000 * HOUR, INPUTS)
    assert read_again(journal).record.state == "running"
    assert len(list(runs.iterdir())) == 10


def test_what_a_run_builds_on_is_noted_once(runs: Path) -> None:
    """Going on with another model does not make it that model's."""
    journal = open_run(runs, NOW, INPUTS)
    journal.build_on({"base": "model-2"})
    assert why_not_resumed(read_again(journal), NOW, INPUTS) == ""
