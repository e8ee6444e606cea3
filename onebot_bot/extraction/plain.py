"""Taking facts from what people say about themselves, without a model: for models too small to be asked.

Only plain statements in the first person: no questions, no hypotheticals, nothing quoted, nothing taken back as a joke.
What is doubtful is left out: a memory missed costs less than a wrong one.
"""

import re
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from onebot_bot.extraction import rules_chinese, rules_english
from onebot_bot.extraction.days import resolve_days
from onebot_bot.extraction.rules import Rule, Statement
from onebot_bot.extraction.sources import Chunk, Source, is_chinese, pieces
from onebot_bot.memory.rows import Extracted

ASKED_TO_REMEMBER = 0.9
"""The importance of what somebody asked to be remembered."""
MOST_WORDS = 14
"""Of an English value; longer ones are stories."""

LONGEST_SENTENCE = 200
"""Characters; nobody says who he is in more."""

_QUOTED = re.compile(r"[“\"「『](?P<inside>[^”\"」』]*)[”\"」』]")
_QUOTE_MARK = re.compile(r"[“”\"「」『』]")
_FIRST_PERSON = re.compile(r"我|\b(?:i|my|me)\b", re.IGNORECASE)
_CLAUSE_ZH = re.compile(r"[，,](?!(?:名字|它)?叫)")
_TO_THIRD = ((r"\bmy\b", "their"), (r"\bmyself\b", "themselves"), (r"\bmine\b", "theirs"), (r"\bme\b", "them"))


def extract_plainly(chunk: Chunk) -> list[Extracted]:
    """What the people of a chunk say about themselves, in the order in which they say it."""
    found: list[Extracted] = []
    for at, source in enumerate(chunk.sources):
        if source.usable and not _taken_back(source, chunk.sources[at + 1 :]):
            found.extend(_entry(chunk, source, statement) for statement in statements(source.words, source.name))
    return _resolved(found, chunk)


def statements(words: str, who: str) -> list[Statement]:
    """The facts about its author that a message states; `who` is the author's name."""
    if _joke(words):
        return []
    return [*_remembered(words, who)] or [found for piece in pieces(words) for found in _of_sentence(piece, who)]


def slot_of(text: str) -> str:
    """What a memory's text can have one value of, like `city`; empty when it may stand beside others of its kind."""
    for rule in (*rules_chinese.RULES_ZH, *rules_english.RULES_EN):
        if rule.slot and (found := rule.written.fullmatch(text)):
            return _filled(rule.slot, found.groupdict()).casefold()
    return ""


def _entry(chunk: Chunk, source: Source, statement: Statement) -> Extracted:
    return Extracted(
        text=statement.text,
        chat=chunk.chat,
        speaker=source.user_id,
        subjects=(source.user_id,),
        source_ids=(source.id,),
        event_time=int(source.time.timestamp()),
        importance=statement.importance,
    )


def _resolved(entries: Sequence[Extracted], chunk: Chunk) -> list[Extracted]:
    days = {source.id: source.day for source in chunk.sources}
    return [replace(entry, text=resolve_days(entry.text, days[entry.source_ids[0]])) for entry in entries]


def _taken_back(source: Source, later: Sequence[Source]) -> bool:
    """Whether the author's next message says that this one was a joke."""
    following = next((other for other in later if other.user_id == source.user_id and not other.bot), None)
    return following is not None and len(following.words) <= 20 and _joke(following.words)


def _joke(words: str) -> bool:
    return bool(rules_chinese.JOKE.search(words) or rules_english.JOKE.search(words))


def _remembered(words: str, who: str) -> Iterator[Statement]:
    """What a message asks to be remembered: the facts about its author in it, or else its very words."""
    chinese = is_chinese(words)
    rules = rules_chinese if chinese else rules_english
    found = rules.REMEMBER.fullmatch(words)
    if found is None:
        return
    polite = not chinese and found["asked"]
    value = found["value"].strip(" \t\n。.!！~～" + ("?？" if polite else ""))
    if value.endswith(("?", "？", "吗", "了吗", "没")) or _QUOTE_MARK.search(value):
        return
    facts = [fact for piece in pieces(value) for fact in _of_sentence(piece, who)]
    text = rules.REMEMBERED.format(who=who, value=" ".join(value.split()))
    for fact in facts or [Statement(text, "", ASKED_TO_REMEMBER)]:
        yield Statement(fact.text, fact.slot, ASKED_TO_REMEMBER)


def _of_sentence(sentence: str, who: str) -> Iterator[Statement]:
    if len(sentence) > LONGEST_SENTENCE or sentence.rstrip("!！").endswith(("?", "？")) or _hearsay(sentence):
        return
    chinese = is_chinese(sentence)
    if (rules_chinese if chinese else rules_english).DOUBT.search(sentence):
        return
    yield from _chinese(sentence, who) if chinese else _english(sentence, who)


def _hearsay(sentence: str) -> bool:
    """Whether somebody may be speaking in it in quotation marks; a title in them does no harm."""
    if any(_FIRST_PERSON.search(found["inside"]) for found in _QUOTED.finditer(sentence)):
        return True
    return _QUOTE_MARK.search(_QUOTED.sub("", sentence)) is not None


def _chinese(sentence: str, who: str) -> Iterator[Statement]:
    going_on = False
    for clause in _CLAUSE_ZH.split(sentence):
        bare = _bare(clause, rules_chinese.OPENERS, rules_chinese.ENDING)
        if rules_chinese.ASKING.search(bare):
            going_on = False
            continue
        stated = f"我{bare}" if going_on and rules_chinese.STATED_ON.match(bare) else bare
        found = _matched(stated, rules_chinese.RULES_ZH, who)
        if found is None and rules_chinese.REPORTED.search(clause) and not rules_chinese.OWN_REPORT.search(clause):
            return  # somebody else speaks from here on
        going_on = found is not None
        if found is not None:
            yield found


def _english(sentence: str, who: str) -> Iterator[Statement]:
    for clause in rules_english.SPLIT.split(sentence):
        bare = _bare(clause, rules_english.OPENERS, rules_english.ENDING)
        if rules_english.ASKING.search(bare):
            continue
        bare = _bare(rules_english.CUT.split(bare, maxsplit=1)[0], rules_english.OPENERS, rules_english.ENDING)
        if len(bare.split()) <= MOST_WORDS and (found := _matched(bare, rules_english.RULES_EN, who)):
            yield found
        elif rules_english.REPORTED.search(clause):
            return  # somebody else speaks from here on


def _bare(clause: str, opener: re.Pattern[str], ending: re.Pattern[str]) -> str:
    """`clause` without the words that only begin or end it."""
    clause = clause.strip()
    while (found := opener.match(clause)) and found.end() < len(clause):
        clause = clause[found.end() :]
    while found := ending.search(clause):
        clause = clause[: found.start()]
    return clause


def _matched(clause: str, rules: Sequence[Rule], who: str) -> Statement | None:
    for rule in rules:
        if found := rule.pattern.fullmatch(clause):
            parts = {name: _third_person(part or "") for name, part in found.groupdict().items()}
            parts["when"] = parts.get("when", "").lower()
            if parts["value"].strip() and "我" not in parts["value"] and not rule.refuse.search(parts["value"]):
                text = re.sub(r"\s+(?=\.$)", "", _filled(rule.template, {"who": who, **parts}))
                return Statement(text, _filled(rule.slot, parts).casefold(), rule.importance)
    return None


def _third_person(value: str) -> str:
    value = value.replace("我的", "自己的").replace("我们", "他们")
    for own, their in _TO_THIRD:
        value = re.sub(own, their, value, flags=re.IGNORECASE)
    return value.rstrip()


def _filled(template: str, parts: dict[str, str]) -> str:
    """`template` with `{name}` replaced, in one pass: a name or value may hold braces itself."""
    return re.sub(r"\{(\w+)\}", lambda found: parts[found.group(1)], template)
