"""What bench/memory.py measures, as data: one Struct a table, figures of several seeds side by side."""

from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any

import msgspec
from msgspec import Struct

from bench.goals import goals_of

Seeds = tuple[float, ...]
"""The same figure, one for each seed; shares are from 0 to 1."""

OURS = "default"
"""The recipe that the goals are about."""
NOTHING, TEXT, TEXT_RAG = "no memory", "text given", "text RAG"
"""Rows of the end-to-end table besides the recipes."""
CONFUSABLE, TRAINED, NEW = "confusable", "trained", "new"
"""Whose memories are asked for: 64 confusable ones, ones trained on, ones never trained on."""
IN_CHATS = ", in chats"
"""Behind a row's name: asked as chats have it."""
TOLD = "told"
"""Questions about what somebody said, in the end-to-end table."""
REFINED, PROJECTED = "refined", "projected"
"""What a value is: brought to exactness by itself, or only what the projector made of the key."""


class Retrieved(Struct, frozen=True, kw_only=True):
    """Finding the right memory, asked in forms that nothing trained on."""

    row: str
    """A recipe or a baseline."""
    asked: str
    """`CONFUSABLE`, `TRAINED` or `NEW`."""
    bank: int
    """Memories to find it among."""
    hit1: Seeds
    hit10: Seeds
    mrr: Seeds


class Decoded(Struct, frozen=True, kw_only=True):
    """Reading a memory back, greedily, in contexts that nothing trained on."""

    row: str
    value: str
    """`REFINED`, `TRAINED` or `PROJECTED`."""
    part: str
    """Of which memories: `all`, a length as `<= 16 tokens`, or what the value is: names, numbers, dates, words."""
    exact: Seeds
    f1: Seeds


class Refined(Struct, frozen=True, kw_only=True):
    """How many memories come back exactly after so many steps on their values."""

    steps: int
    exact: Seeds


class Answered(Struct, frozen=True, kw_only=True):
    """From a question to the answer that holds the value, or that says nobody told."""

    row: str
    """`NOTHING`, `TEXT`, `TEXT_RAG`, full history, or a recipe."""
    asked: str
    """`told`, `updates`, `unanswerables` or `groups`."""
    right: Seeds
    tokens: Seeds
    """Of memory, an answer."""


class Kept(Struct, frozen=True, kw_only=True):
    """What is left after so many nights."""

    nights: int
    loss: Seeds
    """Change of the loss on held-out chat against before the first night, in percent."""
    exact: Seeds
    """Share of the first day's memories that still come back exactly."""
    text_loss: Seeds = ()
    """As `loss`, on Chinese text that nobody wrote for this (KdConv); empty: the data is not present."""


class Called(Struct, frozen=True, kw_only=True):
    """When the model recalls: of its own accord, on questions that need it and on turns that do not."""

    row: str
    precision: Seeds
    recall: Seeds
    false: Seeds
    """Share of the ordinary turns that were answered with a recall."""


class Results(Struct, frozen=True, kw_only=True):
    """All that was measured; what was not is empty."""

    machine: str
    seeds: int
    minutes: float
    quick: bool = False
    retrieved: tuple[Retrieved, ...] = ()
    decoded: tuple[Decoded, ...] = ()
    refined: tuple[Refined, ...] = ()
    answered: tuple[Answered, ...] = ()
    kept: tuple[Kept, ...] = ()
    called: tuple[Called, ...] = ()
    madial: dict[str, tuple[float, float, float, float]] = {}
    """Hit@1, hit@5, hit@10 and MRR by row; empty: the data is not present."""
    leaks: int | None = None
    scoped_queries: int = 0


GOALS = goals_of("memory")


def read_results(data: Mapping[str, Any]) -> Results:
    """Results from plain values, as JSON has them.

    Raises:
        msgspec.ValidationError: a key or a value does not fit.
    """
    return msgspec.convert(data, Results)


def collect_figures(results: Results) -> dict[str, float]:
    """The figures that the goals are about, as far as they were measured, and MADial's."""
    found = dict(_retrieval_figures(results.retrieved))
    found.update(_decoding_figures(results.decoded))
    found.update(_use_figures(results))
    found.update(_lasting_figures(results.kept))
    found["quick_minutes" if results.quick else "full_minutes"] = results.minutes
    for row, shares in results.madial.items():
        found |= {f"madial {row} {name}": share for name, share in zip(MADIAL_FIGURES, shares, strict=True)}
    return found


MADIAL_FIGURES = ("hit1", "hit5", "hit10", "mrr")


def _retrieval_figures(rows: tuple[Retrieved, ...]) -> Iterator[tuple[str, float]]:
    for row in rows:
        if row.row == OURS:
            yield f"{row.asked}_{row.bank}_hit1", fmean(row.hit1)
            yield f"{row.asked}_{row.bank}_hit10", fmean(row.hit10)


def _decoding_figures(rows: tuple[Decoded, ...]) -> Iterator[tuple[str, float]]:
    """Of exactness the worse of what was refined and, where it was measured, what was trained."""
    ours = [row for row in rows if row.row == OURS and row.part == "all"]
    if exact := [fmean(row.exact) for row in ours if row.value in {REFINED, TRAINED}]:
        yield "exact_trained_or_refined", min(exact)
    for row in ours:
        if row.value == PROJECTED:
            yield "f1_projected", fmean(row.f1)


def _use_figures(results: Results) -> Iterator[tuple[str, float]]:
    """Of those that were given the text, the model that made the most of it counts, trained or bare."""
    told = {row.row: fmean(row.right) for row in results.answered if row.asked == "told"}
    given = [right for row, right in told.items() if row.startswith(TEXT)]
    if OURS in told and given:
        yield "answers_behind_text_points", 100 * (max(given) - told[OURS])
    for row in results.called:
        if row.row == OURS:
            yield "false_recalls_percent", 100 * fmean(row.false)
    if results.leaks is not None and (results.leaks or results.scoped_queries >= 10_000):
        yield "leaks_in_10000_queries", float(results.leaks)


def _lasting_figures(rows: tuple[Kept, ...]) -> Iterator[tuple[str, float]]:
    for row in rows:
        yield f"chat_loss_{row.nights}_night{'s' * (row.nights != 1)}_percent", fmean(row.loss)
        if row.nights == 10:
            yield "day_1_exact_after_10_nights", fmean(row.exact)
