"""Whether what a model took from a chat stands in the chat: every check is against the messages, none trusts the model.

The measure is meant to be strict. What a model adds of its own, however likely, is not a memory.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, timedelta

from onebot_bot.extraction import rules_chinese, rules_english
from onebot_bot.extraction.days import NUMBER_WORDS, PartialDate, named_dates, numbers, relative_dates, relative_numbers
from onebot_bot.extraction.sources import Chunk, Source, is_chinese, pieces

LEAST_WORDS = 0.8
"""Share of an entry's English content words that its sources must hold: of four all, of five all but one."""
SAME_FACT = 0.6
"""Share of the content words of two entries from one message that both have, when they are one fact."""

_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*")
_HAN_RUN = re.compile(r"[\u3400-\u9fff]+")
_FIRST_PERSON = re.compile(r"我|\b(?:I|I['’]m|my|me)\b")
_NAMELESS = re.compile(r"(?:他|她|它|你|(?:he|she|it|they|his|her|their|you|your)\b)", re.IGNORECASE)
_NEGATED = re.compile(
    r"不(?!错|过|仅|但|久|同|管|断)|没(?!事|错)|别(?!人|的|墅)|讨厌|受不了|"
    r"\b(?:not|never|no longer|hates?|dislikes?|cannot|stopped)\b|n['’]t\b",
    re.IGNORECASE,
)

# Words in which a fact may be put without taking anything from the chat.
_FREE_ZH = re.compile(
    "表示|提到|认为|觉得|告诉|大家|自己|名字|叫做|名叫|职业|从事|居住|目前|现在|日期|型号|一辆|一台|特别|非常|定居|出生|爱好|正在|已经|打算|计划|准备|将要|将会|晚上|早上|当天|"
    "要求|记住|因为|所以|[说的了在是有和与也都就还很会要把被给对从到于为这那其之着过吗呢吧啊他她它们我你家住养叫一只个位名条以"
    "并而且但将曾让请人年月日号岁]"
)
_FREE_WORDS = """
    a an the and or but so of in on at to for from by with as about into over than that this these those there here
    is are was were be been being am has have had having do does did will would can could may might shall should must
    i me my mine we us our you your he him his she her hers it its they them their theirs who whom whose which what
    when where not no n't said says say told mentioned asked stated called named name's also very really just now
    currently own owns based home hobby one someone something live lives living get gets got work
    works working job year years old don't doesn't didn't isn't aren't wasn't won't can't"""
_FREE_EN = frozenset(_FREE_WORDS.split())
_SAME_STEM = dict.fromkeys(("lov", "enjo", "ador", "lik"), "lik")
_SUFFIX = re.compile(r"(?:['’]s|ies|es|s|ied|ed|ing|y|e)$")


def unfounded(text: str, own: Sequence[Source], chunk: Chunk) -> str:
    """Why `text` does not stand in the messages `own`, all by its speaker; empty when it does."""
    evidence = "\n".join(source.words for source in own)
    speaker = own[0]
    told = _without(text, speaker.name)
    for reason in (
        _wrong_person(told, own, chunk, evidence),
        _wrong_numbers(told, own, evidence),
        _wrong_words(told, evidence),
        _wrong_sense(told, evidence),
    ):
        if reason:
            return reason
    return ""


def nameless(text: str, name: str) -> str:
    """Why one cannot tell whom a text is about; empty when one can."""
    told = _without(text, name).strip()
    if _FIRST_PERSON.search(told):
        return "speaks in the first person"
    return "begins with a pronoun" if not text.startswith(name) and _NAMELESS.match(told) else ""


def days_of(own: Iterable[Source]) -> set[date]:
    """The days that messages may be about: when they were said, and what they name."""
    found: set[date] = set()
    for source in own:
        found |= {source.day} | relative_dates(source.words, source.day)
        for partial in named_dates(source.words)[0]:
            found |= set(_possible(partial, source.day))
    return found


def gist(text: str) -> tuple[object, ...]:
    """What two texts have in common when they say the same in slightly other words."""
    signs = "".join(_FREE_ZH.sub("", run) for run in _HAN_RUN.findall(text))
    return signs, tuple(_content_words(text)), frozenset(numbers(text) - {1}), bool(_NEGATED.search(text))


def says_again(one: str, other: str) -> bool:
    """Whether two texts taken from one message are one fact in two wordings."""
    mine, theirs = _meaning(one), _meaning(other)
    alike = len(mine & theirs) >= SAME_FACT * len(mine | theirs)
    return alike and numbers(one) == numbers(other) and _is_negated(one) == _is_negated(other)


def _meaning(text: str) -> set[str]:
    return {*_content_words(text), *"".join(_FREE_ZH.sub("", run) for run in _HAN_RUN.findall(text))}


def _without(text: str, name: str) -> str:
    return re.sub(re.escape(name) + "(?:['’]s)?", " ", text)


# --- people ---


def _wrong_person(told: str, own: Sequence[Source], chunk: Chunk, evidence: str) -> str:
    seen = "\n".join(source.text for source in own)
    others = {name for user, name in chunk.names.items() if user != own[0].user_id and name != own[0].name}
    for name in others:
        if name in told and name not in seen:
            return f"names {name}, whom its sources do not name"
    missing = [name for name in others if len(name) > 1 and name in evidence and name not in told]
    if missing and not _FIRST_PERSON.search(evidence):
        return f"leaves out {missing[0]}, whom its source is about"
    return ""


# --- numbers and dates ---


def _wrong_numbers(told: str, own: Sequence[Source], evidence: str) -> str:
    dates, rest = named_dates(told)
    known = numbers(evidence)
    allowed = days_of(own)
    for partial in dates:
        if not _is_known_date(partial, allowed, known):
            return f"names a date that is not in its sources: {partial[1]}/{partial[2]}"
    years = {year for source in own for year in relative_numbers(source.words, source.day)}
    invented = numbers(rest) - known - years - {1}
    return f"names a number that is not in its sources: {min(invented)}" if invented else ""


def _is_known_date(partial: PartialDate, allowed: Collection[date], known: Collection[int]) -> bool:
    year, month, day = partial
    if any((found.month, found.day) == (month, day) and year in (None, found.year) for found in allowed):
        return True
    return {month, day} <= set(known) and (year is None or year in known)


def _possible(partial: PartialDate, said: date) -> Iterator[date]:
    """A date that was said without its year is near the day it was said."""
    year, month, day = partial
    for candidate in [year] if year else [said.year - 1, said.year, said.year + 1]:
        try:
            found = date(candidate, month, day)
        except ValueError:
            continue
        if year or abs(found - said) < timedelta(366):
            yield found


# --- words ---


def _wrong_words(told: str, evidence: str) -> str:
    rest = named_dates(told)[1]
    words, signs = list(_content_words(rest)), [_FREE_ZH.sub(" ", run) for run in _HAN_RUN.findall(rest)]
    if not words and not "".join(signs).strip() and not numbers(told):
        return "says nothing"
    return _new_name(rest, evidence) or _new_words(words, evidence) or _new_signs(signs, evidence)


def _new_name(rest: str, evidence: str) -> str:
    known = evidence.casefold()
    for match in _WORD.finditer(rest):
        word = re.sub(r"['’]s$", "", match.group())
        first = not rest[: match.start()].strip(" \t:：“\"'")
        if word[0].isupper() and not first and word.casefold() not in known and word.casefold() not in _FREE_EN:
            return f"names {word}, which is not in its sources"
    return ""


def _new_words(words: Sequence[str], evidence: str) -> str:
    known = set(_content_words(evidence, keep_free=True))
    new = [word for word in words if word not in known]
    if words and 1 - len(new) / len(words) < LEAST_WORDS:
        return f"its sources do not say: {' '.join(new)}"
    return ""


def _new_signs(signs: Sequence[str], evidence: str) -> str:
    """Of Chinese every character counts: one other is another name."""
    known = set(evidence) | (set("喜欢爱") if re.search("喜欢|爱", evidence) else set())
    new = [sign for run in signs for sign in run if sign not in known and sign != " "]
    return f"its sources do not say: {''.join(new)}" if new else ""


def _content_words(text: str, *, keep_free: bool = False) -> Iterator[str]:
    """The stems of the words that carry the meaning."""
    for match in _WORD.finditer(text):
        word = match.group().casefold().replace("’", "'")
        if keep_free or (word not in _FREE_EN and word not in NUMBER_WORDS):
            yield _stem(word)


def _stem(word: str) -> str:
    bare = _SUFFIX.sub("", word)
    return _SAME_STEM.get(bare, bare) if len(bare) > 2 else word


# --- sense ---


def _wrong_sense(told: str, evidence: str) -> str:
    """A question, a wish, a joke, or the opposite of what was said."""
    if rules_chinese.JOKE.search(evidence) or rules_english.JOKE.search(evidence):
        return "its source is a joke"
    sentence = _nearest(told, list(pieces(evidence)))
    if _asks(sentence):
        return "its source is a question"
    doubt = rules_chinese.DOUBT.search(sentence) or rules_english.DOUBT.search(sentence)
    if doubt and doubt.group().casefold() not in told.casefold():
        return f"its source is uncertain: {doubt.group()}"
    clause = _nearest(told, re.split(r"[，,]|\bbut\b|但是?", sentence))
    return "says the opposite of its source" if _is_negated(clause) != _is_negated(told) else ""


def _asks(sentence: str) -> bool:
    bare = sentence.rstrip("。.！! ~～")
    return bare.endswith(("?", "？")) or (is_chinese(bare) and bool(re.search("吗$|呢$|是不是|有没有", bare)))


def _is_negated(text: str) -> bool:
    return _NEGATED.search(text) is not None


def _nearest(told: str, candidates: Sequence[str]) -> str:
    """The candidate that shares most with `told`."""
    mine = set(_content_words(told)) | set("".join(_HAN_RUN.findall(told)))

    def shared(candidate: str) -> int:
        theirs = set(_content_words(candidate, keep_free=True)) | set("".join(_HAN_RUN.findall(candidate)))
        return len(mine & theirs) + len(numbers(told) & numbers(candidate))

    return max(candidates, key=shared, default="")
