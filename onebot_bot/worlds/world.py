"""Generated worlds: made-up people, what is known of them, and how one asks for it; the same for the same seed.

Priming trains on worlds of one pool of names and one set of question forms, the benchmark asks with the others.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.texts import Language
from onebot_bot.worlds.names import Pool, names, number_of, pool_of
from onebot_bot.worlds.words import Attribute, Part, Sort, attributes, draw_value, fill, ordinary_words

ACCOUNT = 10000
"""The bot's own number in a generated world."""
DAYS = 30
"""Over how many days a world is told; older versions of a fact are told in the first half."""
NEAR = 0.25
"""The share of people in a confusable world whose name differs little from another's."""

Kind = Literal["bare", "history", "group", "group history", "own", "own alone"]
KINDS: tuple[Kind, ...] = ("bare", "history", "group", "group history", "own", "own alone")
"""A lone question; talk before it; a line of a group; several; and a person's question about themselves, in a group and
alone with the bot."""


class Fact(Struct, frozen=True, kw_only=True):
    """One thing that somebody told, and the ways to ask for it."""

    person: str
    attribute: str
    value: str
    sort: Sort
    text: str
    """The memory: a statement about the person, by name."""
    said: str
    """What the person said that day."""
    questions: tuple[str, ...]
    """To train with."""
    tests: tuple[str, ...]
    """Only to test with; shares no form with `questions`."""
    own: tuple[str, ...]
    """The person's own questions, to train with."""
    own_tests: tuple[str, ...]
    lang: Language
    day: int
    """When it was told, from 0."""
    chat: ChatId
    user_id: int

    def asked(self, part: Part) -> tuple[str, ...]:
        """The questions by name of `part`."""
        return self.questions if part == "train" else self.tests

    def asked_by_self(self, part: Part) -> tuple[str, ...]:
        """The person's own questions of `part`."""
        return self.own if part == "train" else self.own_tests


class Update(Struct, frozen=True):
    """A fact and the older one that it replaced; both kinds of questions about the older time name the time."""

    old: Fact
    new: Fact
    questions: tuple[str, ...]
    tests: tuple[str, ...]


class Conflict(Struct, frozen=True):
    """What the same person told two groups, differently: each group may only hear its own."""

    here: Fact
    there: Fact


class Unanswerable(Struct, frozen=True, kw_only=True):
    """What nobody told of a person who is known."""

    person: str
    attribute: str
    questions: tuple[str, ...]
    tests: tuple[str, ...]
    lang: Language
    chat: ChatId


class World(Struct, frozen=True):
    """What holds now (`facts`), what held before, what was told elsewhere, and what nobody told."""

    facts: tuple[Fact, ...]
    updates: tuple[Update, ...]
    """`new` is one of `facts`, `old` is none."""
    groups: tuple[Conflict, ...]
    """`here` is one of `facts`, `there` is none."""
    unanswerables: tuple[Unanswerable, ...]


Said = tuple[Literal["user", "assistant"], str]


class Context(Struct, frozen=True):
    """A conversation as the model gets it, oldest first; the last turn is a person's, and the one to answer."""

    kind: Kind
    turns: tuple[Said, ...]
    partner: str = ""
    """Who talks alone with the bot; empty in a group."""


class _Manner(Struct, frozen=True):
    """Which words and whose names surround a question."""

    lang: Language
    part: Part
    pool: Pool


def make_world(
    seed: int, facts: int = 64, lang: Language = "en", pool: Pool = "prime", *, confusable: bool = True
) -> World:
    """A world of `facts` facts that hold now, no two of one person's about the same attribute.

    Confusable: about eight people share an attribute, a person has about four, and some names differ by one letter.
    Otherwise every fact is of another person, and attributes take turns.
    """
    rng = Random(f"{seed} {lang} {pool} {facts} {confusable}")  # noqa: S311 - made-up people need no secrecy
    pairs = _pair_up(rng, facts, lang, pool, confusable=confusable)
    chats = _seat(rng, [person for person, _ in pairs])
    told = tuple(_tell(rng, person, attribute, lang, chats[person]) for person, attribute in pairs)
    known = {attribute.name: attribute for attribute in attributes(lang)}
    updates = tuple(_update(rng, fact, known[fact.attribute]) for fact in _sample(rng, told, 8, "changes", known))
    groups = tuple(_conflict(rng, fact, known[fact.attribute]) for fact in _sample(rng, told, 16, "fixed", known))
    return World(told, updates, groups, tuple(_leave_out(rng, pairs, chats, lang)))


def told(fact: Fact) -> str:
    """The line in which the person told it, as the chat writes it."""
    return _line(fact.person, fact.said, group=fact.chat.kind == "group")


def join(facts: Sequence[Fact]) -> str:
    """One longer memory made of several, to see how reading back depends on length."""
    return ("" if facts[0].lang == "zh" else " ").join(fact.text for fact in facts)


def contexts(fact: Fact, rng: Random, part: Part = "train") -> tuple[Context, ...]:
    """A question of `part` in each of the forms that the bot sees, in the order of `KINDS`."""
    manner = _Manner(fact.lang, part, pool_of(fact.person))
    asker = next(name for name in names(rng, 2, fact.lang, manner.pool) if name != fact.person)
    found = []
    for kind in KINDS:
        own = kind in {"own", "own alone"}
        question = rng.choice(fact.asked_by_self(part) if own else fact.asked(part))
        found.append(_render(rng, kind, fact.person if own else asker, question, manner))
    return tuple(found)


def context(fact: Fact, rng: Random, part: Part = "train") -> Context:
    """One of `contexts`, the bare question as often as all others."""
    found = contexts(fact, rng, part)
    return found[0] if rng.random() < 0.5 else rng.choice(found[1:])


def ordinary(rng: Random, n: int, lang: Language, part: Part = "train", pool: Pool = "prime") -> list[Context]:
    """`n` conversations whose last turn calls for no memory, in the same forms as those that do."""
    people = names(rng, max(2, min(n, 40)), lang, pool)
    manner = _Manner(lang, part, pool)
    return [_ordinary_context(rng, people, manner) for _ in range(n)]


def _pair_up(rng: Random, facts: int, lang: Language, pool: Pool, *, confusable: bool) -> list[tuple[str, Attribute]]:
    """Who is known for what; no pair twice."""
    known = list(attributes(lang))
    rng.shuffle(known)
    if not confusable:
        people = names(rng, facts, lang, pool)
        return [(person, known[at % len(known)]) for at, person in enumerate(people)]
    known = known[: min(len(known), max(8, facts // 8))]
    people = names(rng, max(1, -(-facts // 4)), lang, pool, NEAR)
    pairs = [(person, attribute) for person in people for attribute in rng.sample(known, 4)][:facts]
    rng.shuffle(pairs)
    return pairs


def _seat(rng: Random, people: Sequence[str]) -> dict[str, ChatId]:
    """The chat that each person talks in: one in five alone with the bot, the others in groups of about eight."""
    distinct = list(dict.fromkeys(people))
    groups = [ChatId(ACCOUNT, "group", 700_000_000 + at) for at in range(max(2, len(distinct) // 8))]
    private = {person: ChatId(ACCOUNT, "private", number_of(person)) for person in distinct}
    return {person: private[person] if rng.random() < 0.2 else rng.choice(groups) for person in distinct}


def _tell(rng: Random, person: str, attribute: Attribute, lang: Language, chat: ChatId) -> Fact:
    value = draw_value(rng, attribute, lang)
    return Fact(
        person=person,
        attribute=attribute.name,
        value=value,
        sort=attribute.sort,
        text=fill(rng.choice(attribute.statements), person, value),
        said=fill(rng.choice(attribute.said), person, value),
        questions=_fill_all(attribute.questions.train, person),
        tests=_fill_all(attribute.questions.test, person),
        own=attribute.own.train,
        own_tests=attribute.own.test,
        lang=lang,
        day=rng.randrange(DAYS // 2, DAYS),
        chat=chat,
        user_id=number_of(person),
    )


def _fill_all(forms: Sequence[str], person: str, day: int = 0) -> tuple[str, ...]:
    return tuple(fill(form, person, day=day) for form in forms)


def _sample(rng: Random, facts: Sequence[Fact], share: int, lasts: str, known: dict[str, Attribute]) -> list[Fact]:
    """One in `share` of the facts, of those whose attribute is of the kind."""
    fit = [fact for fact in facts if known[fact.attribute].lasts == lasts]
    return rng.sample(fit, min(len(fit), len(facts) // share))


def _update(rng: Random, fact: Fact, attribute: Attribute) -> Update:
    day = rng.randrange(DAYS // 2)
    old = replace(_differing(rng, fact, attribute, fact.chat), day=day)
    questions, tests = (_fill_all(forms, fact.person, day) for forms in (attribute.before.train, attribute.before.test))
    return Update(old, fact, questions, tests)


def _conflict(rng: Random, fact: Fact, attribute: Attribute) -> Conflict:
    return Conflict(fact, _differing(rng, fact, attribute, ChatId(ACCOUNT, "group", 800_000_000 + fact.user_id)))


def _differing(rng: Random, fact: Fact, attribute: Attribute, chat: ChatId) -> Fact:
    """The same person and attribute with another value."""
    other = fact
    while other.value == fact.value:
        other = _tell(rng, fact.person, attribute, fact.lang, chat)
    return other


def _leave_out(
    rng: Random, pairs: Sequence[tuple[str, Attribute]], chats: dict[str, ChatId], lang: Language
) -> Iterator[Unanswerable]:
    """A quarter as many as there are facts: known people, known attributes, never told together."""
    told = {(person, attribute.name) for person, attribute in pairs}
    known = {attribute.name: attribute for _, attribute in pairs}
    untold = [(p, a) for p in chats for a in known.values() if (p, a.name) not in told]
    for person, attribute in rng.sample(untold, min(len(untold), len(pairs) // 4)):
        yield Unanswerable(
            person=person,
            attribute=attribute.name,
            questions=_fill_all(attribute.questions.train, person),
            tests=_fill_all(attribute.questions.test, person),
            lang=lang,
            chat=chats[person],
        )


def _ordinary_context(rng: Random, people: Sequence[str], manner: _Manner) -> Context:
    speaker, mentioned = rng.sample(people, 2)
    kind: Kind = "bare" if rng.random() < 0.5 else rng.choice(KINDS[1:])
    return _render(rng, kind, speaker, _ordinary_turn(rng, mentioned, manner), manner)


def _ordinary_turn(rng: Random, mentioned: str, manner: _Manner) -> str:
    """A third are hand-written; a third ask what anybody may know, a quarter mention a person, one in twenty tells."""
    words, dice = ordinary_words(manner.lang), rng.random()
    if dice < 0.05:
        attribute = rng.choice(attributes(manner.lang))
        form = attribute.said[0 if manner.part == "train" else -1]
        return fill(form, mentioned, draw_value(rng, attribute, manner.lang))
    if dice < 0.30:
        return rng.choice(words.mentions.of(manner.part)).format(n=mentioned)
    if dice < 0.65:
        return words.fill(rng.choice(words.patterns.of(manner.part)), rng)
    return rng.choice(words.turns.of(manner.part))


def _render(rng: Random, kind: Kind, speaker: str, text: str, manner: _Manner) -> Context:
    """The last turn as `kind` has it; lines of a group bear their speaker, as the chat writes them."""
    in_group = kind in {"group", "group history", "own"}
    called = in_group and rng.random() < 0.4
    last = _line(speaker, f"@{_CALLED[manner.lang]} {text}" if called else text, group=in_group)
    before = _before(rng, manner, group=in_group) if kind in {"history", "group history"} else ()
    return Context(kind, _merge([*before, ("user", last)]), "" if in_group else speaker)


def _before(rng: Random, manner: _Manner, *, group: bool) -> Iterator[Said]:
    """One to three unrelated turns, some with the bot's answer; in a private chat all are answered."""
    words = ordinary_words(manner.lang)
    for name in names(rng, rng.randint(1, 3), manner.lang, manner.pool):
        yield "user", _line(name, rng.choice(words.turns.of(manner.part)), group=group)
        if not group or rng.random() < 0.4:
            yield "assistant", rng.choice(words.replies)


def _line(name: str, text: str, *, group: bool) -> str:
    """As chat/conversation.py writes it."""
    return f"[{name}({number_of(name)})] {text}" if group else text


def _merge(turns: Sequence[Said]) -> tuple[Said, ...]:
    """Neighbours of one role become one turn, as chat/conversation.py has it."""
    merged: list[Said] = []
    for role, text in turns:
        if merged and merged[-1][0] == role:
            merged[-1] = role, f"{merged[-1][1]}\n{text}"
        else:
            merged.append((role, text))
    return tuple(merged)


_CALLED: dict[Language, str] = {"zh": "小忆", "en": "Memo"}
"""What the bot is called in a group."""
