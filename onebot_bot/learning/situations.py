"""Situations that call for a memory: what stage 1 learns to ask in. Written by the model, or from forms. No torch."""

import functools
import re
from collections.abc import Sequence
from random import Random

from onebot_bot.errors import BotError
from onebot_bot.extraction.by_model import Ask
from onebot_bot.extraction.prompts import Prompts
from onebot_bot.texts import Language, language_of
from onebot_bot.worlds.words import attributes, fill

MOST = 12
"""Situations of one memory."""
_WORD = re.compile(r"[\u3400-\u9fff]{2,}|[A-Za-z][\w'-]+|\d[\w:.-]*")
_LINK = re.compile(
    "喜欢|讨厌|今天|昨天|明天|每天|打算|已经|最近|自己|一个|一只|一条|一家|最爱|害怕|[的是在有叫了和跟把被对住养最很不也都去想会要从到与给让说爱怕]"
)
"""What stands between the words of a Chinese statement: there are no spaces."""
_STOP = frozenset(
    {"the", "a", "an", "is", "are", "was", "were", "has", "have", "had", "he", "she", "it", "they", "his", "her"}
    | {"their", "on", "in", "at", "of", "to", "and", "for", "with", "as"}
)
_NUMBERED = re.compile(r"^\s*(?:[-*•]|\d+[.)、])\s*")

CUES: dict[Language, tuple[str, ...]] = {
    "en": (
        "What do you know about {n}?",
        "Do you remember what I told you about {n}?",
        "Remind me about {n} and {t}.",
        "What was it again with {n} and {t}?",
        "Something about {t}, do you remember?",
        "Tell me what you know about {t}.",
    ),
    "zh": (
        "你还知道{n}什么？",
        "关于{n}，我跟你说过什么来着？",
        "提醒我一下{n}和{t}的事。",
        "{n}那件关于{t}的事是怎样的？",
        "{t}的事，你还记得吗？",
        "说说你知道的{t}。",
    ),
}


def situations_from_forms(text: str, rng: Random, most: int = MOST) -> list[str]:
    """Questions that a memory answers: the forms of what it is about where that is known, and cues of its own words."""
    lang = language_of(text)
    known = _asked_forms(text, lang)
    if known:
        return rng.sample(known, min(most, len(known)))
    words = _words(text, lang)
    if not words:
        return [text]
    name, topics = words[0].removesuffix("'s").removesuffix("’s"), words[1:] or words
    cues = [cue.format(n=name, t=rng.choice(topics)) for cue in CUES[lang] for _ in range(2)]
    return list(dict.fromkeys(cues))[:most]


def _words(text: str, lang: Language) -> list[str]:
    """What a text is about, whom first; without the last word where there are more, which is often the answer."""
    if lang == "en":
        found = [word for word in _WORD.findall(text) if word.casefold() not in _STOP]
    else:
        found = [word for part in _LINK.split(text) for word in _WORD.findall(part)]
    return found[:-1] if len(found) > 2 else found


def _asked_forms(text: str, lang: Language) -> list[str]:
    for pattern, questions in _forms(lang):
        if found := pattern.fullmatch(text):
            return [fill(question, found["n"]) for question in questions]
    return []


@functools.cache
def _forms(lang: Language) -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
    found = []
    for attribute in attributes(lang):
        for statement in attribute.statements:
            shape = re.escape(statement).replace(r"\{n\}", "(?P<n>[^,.，。]{1,24}?)", 1).replace(r"\{n\}", "(?P=n)")
            shape = re.sub(r"\\\{a?v\\\}", ".+?", shape)
            found.append((re.compile(shape), attribute.questions.train))
    return tuple(found)


async def situations_by_model(text: str, ask: Ask, prompts: Prompts, most: int = MOST) -> list[str]:
    """Questions that the model writes for a memory, those left out that give its answer away; empty when it fails."""
    try:
        answer = await ask(prompts.questions.fill(language_of(text), memory=text, count=most))
    except BotError:
        return []
    return filtered(answer.splitlines(), text)[:most]


def filtered(lines: Sequence[str], text: str) -> list[str]:
    """Lines that can stand for what a person says: short, different, not the memory itself over again."""
    words = {word.casefold() for word in _WORD.findall(text)}
    found: dict[str, None] = {}
    for line in lines:
        clean = _NUMBERED.sub("", line).strip().strip('"“”')
        own = {word.casefold() for word in _WORD.findall(clean)}
        told = len(words & own) / max(1, len(words))
        if 2 <= len(clean) <= 120 and told < 0.75:
            found.setdefault(clean)
    return list(found)
