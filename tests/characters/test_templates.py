"""Templates: what they become, and that none of them can run long, grow large or reach inside."""

import time
from random import Random
from typing import Any

import pytest

from onebot_bot.characters.templates import (
    LONGEST_SOURCE,
    LONGEST_TEXT,
    MOST_STEPS,
    VARIABLES,
    Budget,
    compile_template,
    functions,
)
from onebot_bot.errors import PersonaError

VALUES: dict[str, Any] = {
    **dict.fromkeys(VARIABLES, ""), "user_name": "{{ 7 * 7 }}{% raw %}", "hour": 3, **functions(Random(1)),  # noqa: S311 - no secret
}  # fmt: skip


def rendered(source: str) -> str:
    """What a template becomes."""
    return compile_template(source, "x.md").render(VALUES)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a {{ hour }} b", "a 3 b"),
        ("{% if hour < 5 %}late{% elif hour < 9 %}early{% else %}day{% endif %}", "late"),
        ("{% for n in range(3) %}{{ loop.index }}{% endfor %}", "123"),
        ("{% set x = hour * 2 + 1 %}{{ x }}", "7"),
        ("{{ 'a' ~ hour ~ 'b' }}{{ 'c' + 'd' }}", "a3bcd"),
        ("{{ 'ab'|upper }}{{ [1, 2]|length }}{{ 'x' if hour else 'y' }}", "AB2x"),
        ("{# nobody sees this #}a", "a"),
    ],
)
def test_what_is_taken(source: str, expected: str) -> None:
    """Variables, conditions, loops, sums and comments."""
    assert rendered(source) == expected


def test_values_are_never_templates() -> None:
    """A name with braces stays the name that it is."""
    assert rendered("Hi {{ user_name }}!") == "Hi {{ 7 * 7 }}{% raw %}!"


def test_chance_is_drawn_anew_for_every_answer() -> None:
    """Both ends are possible; a choice is one of what was given."""
    dice = compile_template("{{ random(1, 3) }}", "x.md")
    assert {dice.render(VALUES) for _ in range(50)} == {"1", "2", "3"}
    assert rendered("{{ choice('a', 'a') }}") == "a"


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * 10**10 }}",
        "{{ 'x' * 1000000000 }}",
        "{{ [1] * 1000000000 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ 'x'.center(1000000000) }}",
        "{{ 1.5|round(1000000000, 'floor') }}",
        "{% for i in range(1000000000) %}x{% endfor %}",
        "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
        "{% for i in range(9999) %}{{ 'x' }}{{ date ~ 'xxxxxxxxxx' }}{% endfor %}",
        "{% set a = 'xxxxxxxxxx' %}" + "{% set a = a ~ a %}" * 40,
        "{% set a = 'xxxxxxxxxx' %}" + "{% set a = a + a %}" * 40,
        "{% set a = 99999999 %}" + "{% set a = a * a %}" * 40,
        "{% set a = [1] %}" + "{% set a = [a, a] %}" * 40,
        "{% set a %}x{% endset %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% include 'x' %}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ " + "9" * 9000 + " }}",
        "{% if true %}" * 500 + "{% endif %}" * 500,
        "{{ ''.__class__.__mro__ }}",
        "{{ ''['__class__'].mro() }}",
        "{{ random.__init__ }}",
        "{{ cycler() }}",
        "{{ _budget }}",
        "{{ loop }}",
        "{{ 1 / 0 }}",
        "{% for x in 5 %}{% endfor %}",
        "x" * (LONGEST_SOURCE + 1),
        "{{ random(6, 1) }}",
        "{{ random('a', 'b') }}",
        "{{ choice() }}",
        "{% set time = 1 %}",
        "{{ ",
        "{% if hour %}",
    ],
)
def test_bombs_and_mistakes_are_refused_at_once(source: str) -> None:
    """The error names the file and the line, and no bomb goes off."""
    before = time.thread_time()
    with pytest.raises(PersonaError, match=r"^x\.md, line 1: ."):
        rendered(source)
    assert time.thread_time() - before < 3


@pytest.mark.parametrize(
    ("source", "line", "hint"),
    [
        ("a\n{{ user_nam }}", 8, "Did you mean `user_name`?"),
        ("a\n\n{{ zzz }}", 9, "Known: user_name"),
        ("a\n{% fro x in y %}", 8, "{% for %}"),
        ("{{ 'a'.upper() }}", 7, "only random, choice, range can be called"),
        ("\n{{ hour|tojson }}", 8, "No filter named 'tojson'"),
    ],
)
def test_mistakes_are_told_by_line_and_fix(source: str, line: int, hint: str) -> None:
    """Counted in the file, at whose line 7 the template begins."""
    with pytest.raises(PersonaError) as told:
        compile_template(source, "x.md", 7)
    assert str(told.value).startswith(f"x.md, line {line}: ")
    assert hint in str(told.value)


def test_a_mistake_of_the_moment_is_told_by_line_too() -> None:
    """What is only wrong with some values."""
    made = compile_template("a\n\n{{ 1 // (hour - 3) }}", "x.md", 10)
    with pytest.raises(PersonaError, match=r"x\.md, line 12: .*zero"):
        made.render(VALUES)


def test_loops_share_one_budget() -> None:
    """As many steps as are allowed, and not one more."""
    loops = "{% for i in range(" + str(MOST_STEPS // 2) + ") %}{% endfor %}"
    assert rendered(loops * 2) == ""
    with pytest.raises(PersonaError, match="steps"):
        rendered(loops * 2 + "{% for i in range(1) %}{% endfor %}")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{% for i in range(" + str(MOST_STEPS) + ") %}{% endfor %}", "steps"),
        ("{% for i in range(20) %}" + "x" * (LONGEST_TEXT // 20) + "{% endfor %}", "longer"),
    ],
)
def test_templates_that_are_rendered_together_share_a_budget(source: str, told: str) -> None:
    """Many that are each within bounds are not a way around them."""
    budget, made = Budget(), compile_template(source, "x.md")
    made.render(VALUES, budget)
    with pytest.raises(PersonaError, match=told):
        made.render(VALUES, budget)
