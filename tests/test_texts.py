"""onebot_bot.texts, and that every failure which reaches a person has an id, a cause and a next step."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from onebot_bot import errors
from onebot_bot.catalogue.refusals import CONSOLE_IDS, IDS
from onebot_bot.cli import console_texts
from onebot_bot.errors import BotError, CommandError, StoreError, named
from onebot_bot.texts import _CATALOGUE, FAILURES, id_of_text, language_of, next_step, say, words

ROOT = Path(__file__).parents[1]
LEDGER = ROOT / "tests" / "data" / "failure_ids.txt"
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "onebot_bot").rglob("*.py"))}
CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BotError)]


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a function or class of that name, with where it stands."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == name:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


@pytest.mark.parametrize(
    ("text", "language"), [("Ann has a cat.", "en"), ("小明养了一只猫。", "zh"), ("小明 uses Arch Linux", "en")]
)
def test_the_language_is_what_most_of_it_is(text: str, language: str) -> None:
    """A Chinese name in an English sentence does not make it Chinese."""
    assert language == language_of(text)


# --- failures ----------------------------------------------------------------------------------------------------


def test_a_text_of_a_failure_ends_with_its_id() -> None:
    """On its own line, once; other texts have none."""
    assert say("zh", "undo.usage", prefix="/") == "用法：/undo [1-50] [OB-2001]"
    assert words("zh", "undo.usage", prefix="/") == "用法：/undo [1-50]"
    assert say("en", "mode.on") == "All right, I am here."


def test_an_error_is_named_by_the_id_of_its_kind() -> None:
    """Unless it was given a finer one, or its text has one; what nobody raised on purpose has what is said of it."""
    assert named(StoreError("a.sqlite3 is damaged", code="OB-1303")) == "a.sqlite3 is damaged [OB-1303]"
    assert named(StoreError("a.sqlite3: no")) == "a.sqlite3: no [OB-1301]"
    assert named(CommandError(say("en", "undo.none"))) == "There is nothing to take back. [OB-2009]"
    assert named(KeyError(), "OB-2105") == "KeyError [OB-2105]"


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_has_an_id_of_its_own(kind: type[BotError]) -> None:
    """Add `code = "OB-…"` to the class in errors.py, and what it means to catalogue/failures.py or faults.py."""
    assert kind.__dict__.get("code") in FAILURES
    assert [other.__name__ for other in CLASSES if other.code == kind.code] == [kind.__name__]


def test_every_failure_has_a_cause_and_a_next_step() -> None:
    """In both languages, as sentences."""
    for code, failure in FAILURES.items():
        for chinese, english in (failure.cause, failure.step):
            assert chinese.endswith("。"), code
            assert english.endswith("."), code
        assert next_step("zh", code) == failure.step[0]


def test_ids_are_unique_and_never_given_to_another_failure() -> None:
    """The ledger has every id there ever was; a new one is added to it, and no line of it is changed."""
    ledger = [line.split() for line in LEDGER.read_text(encoding="utf-8").splitlines()]
    assert len({code for code, _ in ledger}) == len(ledger)
    known = dict(ledger)
    assert {code: failure.name for code, failure in FAILURES.items()} == {code: known.get(code) for code in FAILURES}
    assert len({failure.name for failure in FAILURES.values()}) == len(FAILURES)
    parts = [path for path in TREES if path.name in ("failures.py", "faults.py", "refusals.py")]
    keys = [str(key.value) for path in parts for key in _keys_of_failures(TREES[path])]
    assert sorted(keys) == sorted(FAILURES)


def _keys_of_failures(tree: ast.AST) -> Iterator[ast.Constant]:
    """The ids as they are written, so that one written twice is seen."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            calls_of = (key for key, value in pairs if isinstance(value, ast.Call))
            yield from (key for key in calls_of if isinstance(key, ast.Constant))


def test_every_id_in_the_code_is_in_the_catalogue_and_the_other_way_round() -> None:
    """`code="OB-…"` at a raise, in a log line or of a finding of doctor; a failure that nothing tells of is none."""
    used = {
        node.value
        for path, tree in TREES.items()
        if path.parent.name != "catalogue"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("OB-")
    }
    assert used | set(IDS.values()) | set(CONSOLE_IDS.values()) | {id_of_text(".usage")} == set(FAILURES)


def test_every_refusal_of_a_command_has_an_id() -> None:
    """Add the key to IDS in catalogue/refusals.py."""
    keys = [
        (where, call.args[0].args[1].value)
        for where, call in calls("CommandError")
        if call.args and isinstance(call.args[0], ast.Call) and getattr(call.args[0].func, "id", "") == "say"
        if isinstance(call.args[0].args[1], ast.Constant)
    ]
    assert len(keys) > 25
    assert [(where, key) for where, key in keys if not id_of_text(str(key))] == []


def test_every_report_to_the_owner_has_an_id() -> None:
    """Add the key to IDS in catalogue/refusals.py."""
    kinds = [key for key in _CATALOGUE if key.startswith("report.") and key != "report.error"]
    assert [key for key in kinds if id_of_text(key) not in FAILURES] == []


@pytest.mark.parametrize("level", ["error", "exception", "critical"])
def test_every_error_in_the_log_has_an_id(level: str) -> None:
    """Add `code="OB-…"` to the call."""
    lines = [
        (where, call) for where, call in calls(level) if getattr(getattr(call.func, "value", None), "id", "") == "log"
    ]
    assert [where for where, call in lines if "code" not in {word.arg for word in call.keywords}] == []


def test_ids_belong_to_texts_that_there_are() -> None:
    """No key is left over from a text that is gone."""
    assert [key for key in IDS if key not in _CATALOGUE] == []
    assert [key for key in CONSOLE_IDS if key not in console_texts._CATALOGUE] == []
