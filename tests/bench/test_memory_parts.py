"""The parts of bench/memory.py that need no model."""

from pathlib import Path
from random import Random

import msgspec
import numpy as np
import pytest
import torch

from bench.memory_answers import Asked, holds, is_right, memory_positions, questions_of
from bench.memory_finding import chance, even, judge
from bench.memory_lasting import load_text
from bench.memory_scopes import measure_leaks
from bench.memory_setup import (
    FIRST_WORLD,
    FULL,
    QUICK,
    Parts,
    bare_questions,
    bench_world,
    chat_questions,
    distractors,
    new_facts,
    plain_talks,
    restored_talks,
)
from onebot_bot.learning.lessons import Talk, conversation
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.worlds.world import Context

CHAT = ChatId(10000, "group", 700)


def asked(value: str = "", wrong: str = "") -> Asked:
    """A question whose answer must hold `value`."""
    return Asked(
        kind="told", chat=CHAT, situation=Context("bare", (("user", "?"),)), last="?", value=value, wrong=wrong
    )


def test_parts_are_made_once(tmp_path: Path) -> None:
    """What is stored is read back by the next run, and counted with the time that it took."""
    made: list[int] = []

    def make() -> dict[str, list[int]]:
        made.append(1)
        return {"a": [1, 2]}

    first, second = Parts(tmp_path), Parts(tmp_path)
    assert first.take("part", dict[str, list[int]], make) == {"a": [1, 2]}
    assert second.take("part", dict[str, list[int]], make) == {"a": [1, 2]}
    assert made == [1]
    assert first.seconds == second.seconds > 0


def test_a_part_that_failed_is_not_stored(tmp_path: Path) -> None:
    """What a killed run was at is made anew."""

    def fail() -> int:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        Parts(tmp_path).take("part", int, fail)
    assert Parts(tmp_path).take("part", int, lambda: 7) == 7


def test_new_people_are_known_to_no_night() -> None:
    """Whoever is asked about as new stands in neither of the worlds that nights learn."""
    for seed in range(3):
        fresh = {fact.person for fact in new_facts(seed, 64)}
        told = [*bench_world(seed, 0, FULL.facts).facts, *bench_world(seed, 1, FULL.trained).facts]
        assert len(new_facts(seed, 64)) == 64
        assert fresh.isdisjoint(fact.person for fact in told)


def test_distractors_answer_nothing_that_is_asked() -> None:
    """There are enough of them, and none is about the person and attribute of a fact beside it."""
    facts = new_facts(0, 64)
    others = distractors(0, facts, 1936)
    assert len(others) == 1936
    assert {(f.person, f.attribute) for f in facts}.isdisjoint((f.person, f.attribute) for f in others)


def test_worlds_are_far_from_primings() -> None:
    """Seeds and the pool of names are others."""
    assert FIRST_WORLD > 500
    assert bench_world(0, 0, 64) != bench_world(1, 0, 64)


def test_questions_are_of_the_test_forms_alone() -> None:
    """Neither bare questions nor those in chats hold a form that trains."""
    facts = bench_world(0, 0, 64).facts
    questions = [*bare_questions(facts), *chat_questions(facts, Random(0), 64)]  # noqa: S311 - data, not secrets
    assert len(questions) == sum(len(fact.tests) for fact in facts) + 64
    for question in questions:
        fact = facts[question.target]
        assert question.last.endswith((*fact.tests, *fact.own_tests))


def test_end_to_end_asks_of_every_kind() -> None:
    """As many as the sizes say, in the chat where the fact was told; both sides of a conflict bar the other's value."""
    world = bench_world(0, 0, 64)
    found = questions_of(QUICK.asked, world, Random(0))  # noqa: S311 - data, not secrets
    kinds = [question.kind for question in found]
    assert [kinds.count(kind) for kind in ("told", "updates", "unanswerables", "groups")] == list(QUICK.asked)
    here, there = [question for question in found if question.kind == "groups"][:2]
    assert (here.value, here.wrong) == (there.wrong, there.value)
    assert here.chat != there.chat


@pytest.mark.parametrize(
    ("said", "value", "right"),
    [
        ("Her number is 48.", "48", True),
        ("Her number is 481.", "48", False),
        ("GREEN TEA!", "green tea", True),
        ("greenish", "green", False),
    ],
)
def test_an_answer_holds_whole_words(said: str, value: str, right: bool) -> None:  # noqa: FBT001 - a case's outcome
    """Case does not count, a part of another word or number is not the value."""
    assert holds(said, value) is right


def test_what_is_right() -> None:
    """The value and not the other one; where nobody told, that one does not know."""
    assert is_right(asked("Rome"), "It is Rome.")
    assert not is_right(asked("Rome", "Oslo"), "It was Oslo, now Rome.")
    assert is_right(asked(), "I don't remember that.")
    assert not is_right(asked(), "It is Rome.")


def test_memory_positions_count_from_recall_to_its_end() -> None:
    """Marks, vectors and words of every recall; an open one to the last token."""
    recall, end, pad = 90, 91, 92
    assert memory_positions([1, recall, pad, pad, 5, 6, end, 7], (recall, end, pad)) == 6
    assert memory_positions([recall, pad, 5], (recall, end, pad)) == 3
    assert memory_positions([1, 2], (recall, end, pad)) == 0


def test_scores_become_figures() -> None:
    """Ties stand before the right one, so that equal scores gain nothing."""
    found = judge(np.array([[0.9, 0.1, 0.2], [0.5, 0.5, 0.5]]), [[0], [1]])
    assert (found.hit1, found.hit10) == (0.5, 1.0)
    assert found.mrr == pytest.approx((1 + 1 / 3) / 2)


def test_chance_is_what_blind_choice_gives() -> None:
    """One in as many as there are."""
    assert (chance(4).hit1, chance(4).hit10) == (0.25, 1.0)
    assert chance(2).mrr == pytest.approx(0.75)


def test_depths_are_evened_out() -> None:
    """A block of a key that is ten times longer is divided by ten times more."""
    raw = torch.randn(50, 12, generator=torch.Generator().manual_seed(0))
    raw[:, 4:8] *= 10
    spread = even(raw)
    assert float(spread[4] / spread[0]) == pytest.approx(10, rel=0.3)


def test_talks_survive_the_disk() -> None:
    """Persona, turns and reply come back; a talk that nobody replied to is left out."""
    talk = Talk(
        context=conversation([("user", "hi"), ("assistant", "yes?"), ("user", "bye")], "be kind"), reply="so long"
    )
    silent = Talk(context=conversation([("user", "hi")]))
    assert restored_talks(plain_talks([talk, silent])) == [talk]


def test_chinese_text_is_read_where_it_is_present(tmp_path: Path) -> None:
    """KdConv's conversations end with the reply that counts; without data there is nothing."""
    folder = tmp_path / "kdconv-zh"
    folder.mkdir()
    chats = [{"messages": [{"message": "你好"}, {"message": "你好呀", "attrs": []}]}]
    (folder / "film_dev.json").write_bytes(msgspec.json.encode(chats))
    assert load_text(tmp_path) == [Talk(context=conversation([("user", "你好")]), reply="你好呀")]
    assert load_text(None) == []


def test_nothing_leaks_out_of_the_real_store() -> None:
    """Searches between shares, supersessions and forgetting bring up much and nothing that may not come up."""
    found = measure_leaks(seed=1, queries=1000)
    assert (found.queries, found.leaks) == (1000, 0)
    assert found.hits > 5000
