"""What people write reaches SQLite as values, never as part of a statement."""

import ast
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.privacy import deeds_of, play
from bench.privacy_book import TOKEN
from bench.privacy_bot import PEOPLE

PACKAGE = Path(__file__).parents[2] / "onebot_bot"
STATEMENT = re.compile(r"^\s*(SELECT|INSERT|UPDATE|DELETE|PRAGMA|CREATE|DROP|ALTER)\b")
OWN = frozenset({"where", "conditions", "order", "given", "ids", "here", "last", "said", "number"})
"""Names of local constants that may stand in a statement, too: whoever adds one has looked at where it comes from."""


def put_together() -> Iterator[tuple[str, ast.expr]]:
    """Every value that is put into the text of a statement, with its place."""
    sources = {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
    for path, source in sources.items():
        for node in ast.walk(ast.parse(source)) if "execute" in source or "SELECT" in source else ():
            if isinstance(node, ast.JoinedStr) and STATEMENT.match(ast.unparse(node).strip("f'\"\\n")):
                for value in node.values:
                    if isinstance(value, ast.FormattedValue):
                        yield f"{path.relative_to(PACKAGE)}:{node.lineno}", value.value


def test_statements_are_made_of_constants() -> None:
    """In all of the package: names in capitals, choices between two texts, and what is listed above."""
    values = list(put_together())
    assert len(values) > 30
    assert [
        (place, ast.unparse(value))
        for place, value in values
        if not (isinstance(value, ast.Name) and (value.id.isupper() or value.id in OWN))
        and not (isinstance(value, ast.IfExp) and isinstance(value.body, ast.Constant))
    ] == []


async def test_no_statement_has_what_people_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole evening, imports and forgetting included: neither words nor numbers of anybody."""
    statements: set[str] = set()

    class Recording(sqlite3.Connection):
        """Notes the text of every statement."""

        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            statements.add(sql)
            return super().execute(sql, *values)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **{**k, "factory": Recording}))
    await play(2, deeds_of(2)[:60])
    assert len(statements) > 40
    assert [sql for sql in statements if TOKEN.search(sql) or any(str(one) in sql for one in PEOPLE)] == []
