"""The generated worlds: the same for the same seed, confusable, and with nothing in a test that trained."""

import lzma
import os
import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from tokenizers import Tokenizer

from onebot_bot.texts import Language
from onebot_bot.worlds.names import names, pool_of
from onebot_bot.worlds.words import attributes, fill, ordinary_words
from onebot_bot.worlds.world import KINDS, Fact, World, context, contexts, join, make_world, ordinary, told

DATA = Path(__file__).parent.parent / "data"
LANGUAGES: tuple[Language, ...] = ("en", "zh")
both = pytest.mark.parametrize("lang", LANGUAGES)

SMALL_WORDS = {
    "do",
    "does",
    "did",
    "am",
    "is",
    "are",
    "was",
    "be",
    "i",
    "me",
    "my",
    "mine",
    "somebody",
    "s",
    "have",
    "has",
}
"""What differs between asking about somebody and about oneself."""


def seeded(seed: int) -> Random:
    """Chance that repeats."""
    return Random(seed)  # noqa: S311 - made-up people need no secrecy


def every_question(fact: Fact) -> list[str]:
    """All that may be asked about the fact."""
    return [*fact.questions, *fact.tests, *fact.own, *fact.own_tests]


def bare(form: str) -> str:
    """The form without what tells a question about somebody from one about oneself."""
    words = re.findall(r"[a-z]+", fill(form, "somebody").lower())
    return " ".join(word for word in words if word not in SMALL_WORDS) or fill(form, "我")


@both
def test_same_seed_makes_same_world(lang: Language) -> None:
    """A world follows from its arguments alone."""
    assert make_world(7, 48, lang) == make_world(7, 48, lang)
    assert make_world(7, 48, lang) != make_world(8, 48, lang)


def test_world_does_not_depend_on_the_process() -> None:
    """Another process, which hashes strings differently, makes the same world."""
    code = "from onebot_bot.worlds.world import make_world; print(make_world(1, 64, 'zh'))"
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONIOENCODING": "utf-8"}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.PIPE)
    assert printed.stdout.decode().strip() == str(make_world(1, 64, "zh"))


@both
def test_world_has_as_many_facts_as_asked_for(lang: Language) -> None:
    """Every size comes out exact, also sizes that four does not divide."""
    assert [len(make_world(1, size, lang).facts) for size in (1, 30, 257)] == [1, 30, 257]


@both
@pytest.mark.parametrize("confusable", [True, False])
def test_facts_are_unique(lang: Language, *, confusable: bool) -> None:
    """No person is known twice for one thing, no text and no question belongs to two facts."""
    world = make_world(3, 600, lang, confusable=confusable)
    assert len(world.facts) == len({(fact.person, fact.attribute) for fact in world.facts})
    assert len(world.facts) == len({fact.text for fact in world.facts})
    asked = Counter(question for fact in world.facts for question in {*fact.questions, *fact.tests})
    assert max(asked.values()) == 1


@both
def test_confusable_world_shares_people_and_attributes(lang: Language) -> None:
    """Every person has several facts, every attribute several people, and some names differ by one character."""
    world = make_world(4, 64, lang)
    assert min(Counter(fact.person for fact in world.facts).values()) >= 2
    assert Counter(fact.attribute for fact in world.facts).most_common()[-1][1] >= 3
    people = {fact.person for fact in world.facts}
    assert any(differ_by_one(one, other) for one in people for other in people)


def differ_by_one(one: str, other: str) -> bool:
    """Whether the names are as long and differ in one place."""
    return len(one) == len(other) and sum(a != b for a, b in zip(one, other, strict=True)) == 1


def test_plain_world_has_one_fact_of_each_person() -> None:
    """Without confusion nobody is known for two things."""
    world = make_world(4, 64, "en", confusable=False)
    assert len({fact.person for fact in world.facts}) == 64


@both
def test_no_name_is_in_both_pools(lang: Language) -> None:
    """Names that train and names that only a benchmark uses share none, and each pool holds thousands."""
    prime, bench = names(seeded(1), 3000, lang), names(seeded(1), 3000, lang, "bench")
    assert set(prime).isdisjoint(bench)
    assert {"prime"} == {pool_of(name) for name in prime}
    assert len(set(prime)) == 3000


@both
def test_no_name_is_part_of_another(lang: Language) -> None:
    """A name always means one person: nobody is called by a part of another's name."""
    people = set(names(seeded(2), 400, lang, near=0.25))
    if lang == "en":
        assert not [name for name in people if " " in name and name.partition(" ")[0] in people]
    else:
        assert not [(a, b) for a in people for b in people if a != b and a in b]


@both
def test_world_uses_only_its_pool(lang: Language) -> None:
    """A benchmark's people, askers included, were never in a world that trained."""
    world = make_world(5, 64, lang, "bench")
    rng = seeded(5)
    lines = [text for fact in world.facts for found in contexts(fact, rng, "test") for _, text in found.turns]
    lines += [text for found in ordinary(rng, 60, lang, "test", "bench") for _, text in found.turns]
    speakers = {name for line in lines for name in re.findall(r"^\[(.+?)\(\d+\)\]", line, re.MULTILINE)}
    assert {"bench"} == {pool_of(name) for name in speakers | {fact.person for fact in world.facts}}


@both
def test_there_are_enough_ways_to_say_it(lang: Language) -> None:
    """At least 24 attributes, each with three statements, seven questions to train, three to test, twelve values."""
    known = attributes(lang)
    assert len(known) >= 24
    assert [each.name for each in known if len(each.statements) < 3 or len(each.said) < 2] == []
    assert [each.name for each in known if len(each.questions.train) < 7 or len(each.questions.test) < 3] == []
    assert [each.name for each in known if ";" in each.values and len(set(each.values.split(";"))) < 12] == []


@both
def test_forms_that_test_never_train(lang: Language) -> None:
    """No question of a test is a training question, not even one's own as asked about another."""
    train = {bare(form) for each in attributes(lang) for form in (*each.questions.train, *each.own.train)}
    test = {bare(form) for each in attributes(lang) for form in (*each.questions.test, *each.own.test)}
    assert set() == train & test


@both
def test_no_form_asks_for_two_things(lang: Language) -> None:
    """Every question belongs to one attribute, also when the person asks about themselves."""
    forms = [bare(form) for each in attributes(lang) for form in {*each.questions.train, *each.questions.test}]
    own = [form for each in attributes(lang) for form in (*each.own.train, *each.own.test)]
    assert [form for form, times in Counter(own).items() if times > 1] == []
    assert [form for form, times in Counter(forms).items() if times > 1] == []


@both
def test_facts_are_told_as_the_chat_writes_them(lang: Language) -> None:
    """In a group the line names the person; alone with the bot it is only what was said."""
    for fact in make_world(13, 40, lang).facts:
        name = f"[{fact.person}({fact.user_id})] " if fact.chat.kind == "group" else ""
        assert f"{name}{fact.said}" == told(fact)


@both
def test_longer_memories_hold_all_their_facts(lang: Language) -> None:
    """Several facts make one text in which each stands whole."""
    facts = make_world(14, 8, lang).facts[:3]
    assert [fact.text for fact in facts if fact.text not in join(facts)] == []
    assert len(join(facts)) <= sum(len(fact.text) for fact in facts) + 2


@both
def test_languages_know_the_same_attributes(lang: Language) -> None:
    """Both languages tell of the same things, of the same kind."""
    english = [(each.name, each.lasts, each.sort) for each in attributes("en")]
    assert english == [(each.name, each.lasts, each.sort) for each in attributes(lang)]


@both
def test_no_question_gives_the_answer_away(lang: Language) -> None:
    """The value stands in the statement and in no question."""
    world = make_world(6, 900, lang)
    assert [fact.text for fact in world.facts if fact.value not in fact.text or fact.value not in fact.said] == []
    assert [q for fact in world.facts for q in every_question(fact) if names_value(fact, q)] == []


def names_value(fact: Fact, question: str) -> bool:
    """Whether the value stands in the question, the person's own name aside."""
    return fact.value.lower() in question.replace(fact.person, "").lower()


@both
def test_statements_are_short(lang: Language) -> None:
    """A memory has at most 24 tokens."""
    tokenizer = Tokenizer.from_str(lzma.decompress((DATA / "qwen3-tokenizer.json.xz").read_bytes()).decode())
    texts = [fact.text for fact in make_world(7, 600, lang).facts]
    assert max(len(encoded.ids) for encoded in tokenizer.encode_batch(texts)) <= 24


@both
def test_update_replaces_an_older_fact(lang: Language) -> None:
    """What changed was told earlier with another value, is no longer a fact, and is asked for by its time."""
    world = make_world(8, 128, lang)
    assert len(world.updates) == 16
    for update in world.updates:
        assert same_place(update.old, update.new)
        assert update.old.day < update.new.day
        assert update.new in world.facts
        assert update.old not in world.facts
        assert set(update.questions).isdisjoint(update.tests)


def same_place(one: Fact, other: Fact) -> bool:
    """Whether both are about the same, with different values, in one chat."""
    same = (one.person, one.attribute, one.chat) == (other.person, other.attribute, other.chat)
    return same and one.value != other.value


@both
def test_groups_hear_different_things(lang: Language) -> None:
    """The same person told two chats two values."""
    world = make_world(9, 256, lang)
    assert world.groups
    for conflict in world.groups:
        assert (conflict.here.person, conflict.here.attribute) == (conflict.there.person, conflict.there.attribute)
        assert conflict.here.value != conflict.there.value
        assert conflict.here.chat != conflict.there.chat


@both
def test_unanswerables_were_never_told(lang: Language) -> None:
    """They ask for known things of known people, and nobody told them."""
    world = make_world(10, 64, lang)
    told = {(fact.person, fact.attribute) for fact in world.facts}
    assert len(world.unanswerables) == 16
    assert told.isdisjoint((left.person, left.attribute) for left in world.unanswerables)
    assert {left.person for left in world.unanswerables} <= people_of(world)


def people_of(world: World) -> set[str]:
    """Everybody who is known for something."""
    return {fact.person for fact in world.facts}


@both
def test_contexts_look_as_the_chat_writes_them(lang: Language) -> None:
    """Every form ends with the question; groups name the speaker, and one's own question comes from the person."""
    fact = make_world(11, 8, lang).facts[0]
    found = contexts(fact, seeded(1), "test")
    assert tuple(each.kind for each in found) == KINDS
    lines = {each.kind: each.turns[-1][1].splitlines()[-1] for each in found}
    assert lines["bare"] in fact.tests
    assert lines["history"] in fact.tests
    assert re.match(r"\[.+\(\d+\)\] ", lines["group"])
    assert lines["own"].startswith(f"[{fact.person}({fact.user_id})] ")
    assert lines["own"].endswith(fact.own_tests)


@both
def test_turns_alternate(lang: Language) -> None:
    """Neighbours of one role are one turn, and the last is a person's, as chat templates want it."""
    rng = seeded(2)
    found = [context(fact, rng) for fact in make_world(12, 80, lang).facts] + ordinary(rng, 80, lang)
    for each in found:
        roles = [role for role, _ in each.turns]
        assert roles[-1] == "user"
        assert all(one != other for one, other in pairwise(roles))


@both
def test_ordinary_turns_are_many_and_apart(lang: Language) -> None:
    """There are 150 hand-written turns and more; those that test never train, and none asks for an attribute."""
    words = ordinary_words(lang)
    assert len({*words.turns.train, *words.turns.test}) >= 150
    for forms in (words.turns, words.mentions, words.patterns):
        assert set(forms.train).isdisjoint(forms.test)
    asked = {bare(form) for each in attributes(lang) for form in (*each.questions.train, *each.questions.test)}
    assert asked.isdisjoint(map(bare, [*words.mentions.train, *words.mentions.test]))


@both
def test_ordinary_turns_come_in_every_form(lang: Language) -> None:
    """No form tells by itself whether to recall."""
    found = ordinary(seeded(3), 300, lang)
    assert len(found) == 300
    assert set(KINDS) == {each.kind for each in found}
