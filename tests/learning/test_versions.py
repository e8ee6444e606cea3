"""Adapters on the disk: a good one serves, whatever happened to the files and wherever a kill fell."""

import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from onebot_bot.errors import LearningError
from onebot_bot.learning.versions import META, Versions, seal, stamp

BASE = "model-1"
OLD, NEW = "20261120T020000Z", "20261121T020000Z"


def candidate(folder: Path, text: str = "weights", base: str = BASE, memories: tuple[int, ...] = (1, 2)) -> Path:
    """What a trainer leaves."""
    (folder / "sub").mkdir(parents=True)
    (folder / "adapter.safetensors").write_text(text)
    (folder / "sub" / "head.npy").write_text(f"head of {text}")
    seal(folder, base, list(memories), recipe="default")
    return folder


def versions_in(models: Path, base: str = BASE) -> Versions:
    """The adapters of a folder."""
    return Versions(models, lambda: base)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """An empty models folder."""
    return tmp_path / "models"


def filled(models: Path, *names: str) -> Versions:
    """Versions promoted one after the other."""
    versions = versions_in(models)
    for name in names:
        versions.promote(candidate(models.parent / f"made-{name}", name, memories=(int(name[7]),)), name)
    return versions


def content(folder: Path | None) -> str:
    """What is in an adapter."""
    return (folder / "adapter.safetensors").read_text() if folder else ""


def test_nothing_serves_before_the_first_promotion(models: Path) -> None:
    """Not even when a folder lies there."""
    candidate(models / "adapters" / NEW)
    assert versions_in(models).current() is None


def test_what_was_promoted_serves_and_can_be_read_back(models: Path) -> None:
    """The pointer is one line of text; what the trainer wrote is there with its meta."""
    versions = filled(models, NEW)
    assert content(versions.current()) == NEW
    assert (models / "current").read_text() == f"{NEW}\n"
    (version,) = versions.all()
    assert (version.name, version.serving, version.meta["recipe"]) == (NEW, True, "default")


def test_two_promotions_of_one_second_are_two_versions(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither hides the other."""
    monkeypatch.setattr("onebot_bot.learning.versions.stamp", lambda _: NEW)
    versions = versions_in(models)
    versions.promote(candidate(models.parent / "a", "a"))
    versions.promote(candidate(models.parent / "b", "b"))
    assert content(versions.current()) == "b"
    assert len(versions.all()) == 2


@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing", "no meta", "garbage meta", "folder gone"])
def test_a_damaged_adapter_is_skipped_for_the_newest_good_one(models: Path, damage: str) -> None:
    """And the log names it."""
    versions = filled(models, "20261119T020000Z", OLD, NEW)
    folder = models / "adapters" / NEW
    match damage:
        case "truncated":
            (folder / "adapter.safetensors").write_text(NEW[:4])
        case "flipped":
            (folder / "adapter.safetensors").write_text(NEW.replace("2", "3"))
        case "missing":
            (folder / "sub" / "head.npy").unlink()
        case "no meta":
            (folder / META).unlink()
        case "garbage meta":
            (folder / META).write_text('{"base": "mod')
        case _:
            folder.rename(models / "elsewhere")
    with capture_logs() as logs:
        assert content(versions.current()) == OLD
    assert [entry["adapter"] for entry in logs] == [str(folder)]


def test_an_adapter_of_another_model_never_serves(models: Path) -> None:
    """Neither after the model was changed nor as a candidate."""
    filled(models, OLD)
    assert versions_in(models, "model-2").current() is None
    with pytest.raises(LearningError, match="model-1, not model-2"):
        versions_in(models, "model-2").promote(candidate(models.parent / "x"))


def test_a_damaged_candidate_is_refused_and_nothing_changes(models: Path) -> None:
    """What was sealed and then changed does not get in."""
    versions = filled(models, OLD)
    made = candidate(models.parent / "bad")
    (made / "adapter.safetensors").write_text("w")
    with pytest.raises(LearningError, match=r"adapter\.safetensors has 1 bytes, not 7"):
        versions.promote(made)
    assert [version.name for version in versions.all()] == [OLD]


@pytest.mark.parametrize("pointer", [b"", b"\xff\xfe", b"../../etc\n", b"2026112"])
def test_an_unreadable_pointer_falls_back_to_the_newest_good_version(models: Path, pointer: bytes) -> None:
    """Garbage in it names no folder."""
    versions = filled(models, OLD, NEW)
    (models / "current").write_bytes(pointer)
    assert content(versions.current()) == (NEW if pointer else "")


def test_rollback_goes_back_one_by_one_to_the_bare_model(models: Path) -> None:
    """And what was rolled back stays away, also when a later version is rolled back in turn."""
    versions = filled(models, OLD, NEW)
    assert content(versions.rollback()) == OLD
    versions.promote(candidate(models.parent / "third", "third"), "20261122T020000Z")
    assert content(versions.rollback()) == OLD
    assert versions.rollback() is None
    assert versions.rollback() is None
    assert versions.current() is None


def test_rollback_withdraws_what_really_serves(models: Path) -> None:
    """With the newest damaged, the one that took its place goes too."""
    versions = filled(models, "20261119T020000Z", OLD, NEW)
    (models / "adapters" / NEW / META).unlink()
    assert content(versions.rollback()) == "20261119T020000Z"


def test_a_clock_set_back_does_not_change_what_came_before(models: Path) -> None:
    """The version of a wrong year is still the one before, for rollback, for damage and for pruning."""
    versions = filled(models, "20300101T020000Z", OLD, NEW)
    assert content(versions.current()) == NEW
    (models / "adapters" / NEW / "adapter.safetensors").write_text("")
    (models / "adapters" / OLD / META).unlink()
    assert content(versions.current()) == "20300101T020000Z"
    assert versions.prune(1) == [NEW, OLD]
    assert versions.rollback() is None


def test_prune_keeps_the_newest_three_and_always_the_serving_one(models: Path) -> None:
    """Even when the serving one is the oldest; withdrawn ones go first."""
    names = [f"202611{day}T020000Z" for day in range(10, 16)]
    versions = filled(models, *names)
    assert versions.prune(3) == [names[2], names[1], names[0]]
    versions.rollback()
    (models / "current").write_text(f"{names[3]}\n")
    assert versions.prune(2) == [names[5]]
    assert versions.prune(1) == [names[4]]
    assert content(versions.current()) == names[3]


def test_trained_on_lists_the_versions_that_learned_a_memory(models: Path) -> None:
    """From their meta.json."""
    versions = versions_in(models)
    versions.promote(candidate(models.parent / "a", memories=(1, 2)), OLD)
    versions.promote(candidate(models.parent / "b", memories=(2, 3)), NEW)
    assert versions.trained_on(2) == [NEW, OLD]
    assert versions.trained_on(3) == [NEW]
    assert versions.trained_on(9) == []


def test_a_stamp_is_utc_to_the_second() -> None:
    """As the folders are named."""
    assert stamp(datetime(2026, 11, 21, 2, 0, 0, tzinfo=UTC)) == NEW


# --- kills -------------------------------------------------------------------------------------------------------

_KILLABLE = """
    import os, shutil, sys
    from pathlib import Path
    from onebot_bot.learning.versions import Versions

    template, action = Path(sys.argv[1]), sys.argv[2]
    left = [0]

    def watch(event, args):
        writing = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
        if writing or event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.copyfile"):
            left[0] -= 1
            if left[0] < 0:
                os._exit(77)

    def act(folder):
        versions = Versions(folder / "models", lambda: "model-1")
        made = folder / "candidate"
        sys.addaudithook(watch)
        versions.promote(made, "20261121T020000Z") if action == "promote" else getattr(versions, action)()
        os._exit(0)

    status, point = 77, 0
    while status == 77:
        folder = template.with_name(str(point))
        shutil.copytree(template, folder)
        child = os.fork()
        if not child:
            left[0] = point
            act(folder)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        point += 1
    sys.exit(status)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="processes do not fork there")
@pytest.mark.parametrize(
    ("action", "expected"),
    [("promote", {OLD, NEW}), ("rollback", {OLD, "20261119T020000Z"}), ("prune", {OLD})],
)
def test_a_kill_between_any_two_file_operations_leaves_a_good_version(
    tmp_path: Path, action: str, expected: set[str]
) -> None:
    """The old or the new one serves, the action goes through when it is tried again, and no litter stays."""
    template = tmp_path / "template"
    filled(template / "models", *(f"202611{day}T020000Z" for day in (16, 17, 18, 19)), OLD)
    candidate(template / "candidate", NEW)
    script = textwrap.dedent(_KILLABLE)
    subprocess.run([sys.executable, "-c", script, str(template), action], check=True)
    points = sorted((path for path in tmp_path.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    assert len(points) > 4
    assert {_survivor(folder, action) for folder in points} == expected


def _survivor(folder: Path, action: str) -> str:
    """What serves after a kill; the action is then done again."""
    versions = versions_in(folder / "models")
    current = versions.current()
    assert current is not None
    assert versions.problem(current) == ""
    served = content(current)
    if action == "promote":
        assert content(versions.promote(folder / "candidate", NEW)) == NEW
    versions.prune(3)
    assert content(versions.current()) == (NEW if action == "promote" else served)
    assert [path.name for path in (folder / "models" / "adapters").iterdir() if path.name.startswith(".")] == []
    return served
