"""/persona and /mood: who the bot is here, and how it feels.

In private everybody chooses for themselves. In a group its admins choose for all, and everybody, with `me`, who the
bot is to them there.
"""

import difflib
from collections.abc import Mapping

from msgspec import Struct

from onebot_bot.characters.cast import Cast
from onebot_bot.characters.feelings import in_words
from onebot_bot.characters.persona import Persona
from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import Answer, Command, Handler, Tier
from onebot_bot.commands.verbs import carry_out, spelled, usage
from onebot_bot.errors import CommandError
from onebot_bot.memory.moods import Mood
from onebot_bot.memory.persona_choices import EVERYBODY
from onebot_bot.sections.bot import BotConfig
from onebot_bot.texts import say

_ME = ("me", "我", "对我")
LONGEST_PROMPT = 3000
"""Characters of a prompt that are shown."""


class _Wish(Struct, frozen=True):
    """What somebody wants to choose, and for whom."""

    name: str
    user: int
    """`EVERYBODY`, or the asker alone."""


async def persona(context: Context, rest: str) -> str | Answer:
    """Do one of the things below."""
    return await carry_out(context, rest, _VERBS, "persona", default="list")


async def _list(context: Context, _rest: str) -> str:
    """Every persona, and who the bot is now."""
    language, now = context.language, _now(context)
    found = context.services.cast.library.all()
    if not found:
        return say(language, "persona.none", folder="personas/")
    lines = [
        say(language, "persona.line", mark="▶" if each is now else "·", id=each.id, about=each.description or each.name)
        for each in found
    ]
    return "\n".join([_now_line(context), say(language, "persona.head", prefix=context.prefix), *lines])


async def _use(context: Context, rest: str) -> str:
    """Choose a persona; it greets."""
    wish = _wish(context, rest, "use")
    if not wish.name:
        raise usage(context, "persona")
    cast, found = context.services.cast, _found(context, wish.name)
    await cast.choices.put(context.chat, wish.user, found.id)
    sender = context.message.sender
    greeting = cast.greeting(found, context.chat, context.message.user_id, sender.name, _bot(context))
    done = say(context.language, "persona.used" if wish.user == EVERYBODY else "persona.used_me", name=found.name)
    return f"{done}\n{greeting}" if greeting else done


async def _reset(context: Context, rest: str) -> str:
    """Take the choice back."""
    wish = _wish(context, rest, "reset")
    if wish.name:
        raise usage(context, "persona")
    await context.services.cast.choices.put(context.chat, wish.user, "")
    return say(context.language, "persona.reset", name=_called(context, _now(context)))


async def _show(context: Context, rest: str) -> str:
    """One persona, or who the bot is now; the prompt is the owner's."""
    shown = _found(context, rest) if rest else _now(context)
    language = context.language
    lines = [] if rest else [_now_line(context)]
    if shown.id:
        lines += [say(language, "persona.shown", name=shown.name, id=shown.id), shown.description]
    if shown.names:
        lines.append(say(language, "persona.shown_names", names="、".join(shown.names)))
    if shown.emotions:
        lines.append(say(language, "persona.shown_emotions", emotions="、".join(shown.emotions)))
    if context.tier >= Tier.OWNER and context.chat.kind == "private":
        lines.append(say(language, "persona.shown_prompt", prompt=shown.source[:LONGEST_PROMPT]))
    return "\n".join(line for line in lines if line)


def _wish(context: Context, rest: str, verb: str) -> _Wish:
    """What is asked for; raises CommandError where it takes an admin."""
    *before, last = ["", *rest.split()]
    group = context.chat.kind == "group"
    if group and last.casefold() in _ME:
        return _Wish(" ".join(before).strip(), context.message.user_id)
    if group and context.tier < Tier.GROUP_ADMIN:
        name = f"{verb} {rest}".strip()
        raise CommandError(say(context.language, "persona.admins", prefix=context.prefix, verb=name))
    return _Wish(rest, EVERYBODY)


def _found(context: Context, name: str) -> Persona:
    library = context.services.cast.library
    if (found := library.find(name)) is not None:
        return found
    known = [each for persona in library.all() for each in (persona.id, persona.name)]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = (
        say(context.language, "persona.near", name=near[0])
        if near
        else say(context.language, "persona.see_list", prefix=context.prefix)
    )
    raise CommandError(say(context.language, "persona.unknown", name=name[:40], hint=hint))


def _bot(context: Context) -> BotConfig:
    return context.services.configuration.config.bot


def _now(context: Context) -> Persona:
    return context.services.cast.persona(context.chat, context.message.user_id, _bot(context))


def _called(context: Context, shown: Persona) -> str:
    return shown.name or next(iter(_bot(context).names), say(context.language, "persona.unnamed"))


def _now_line(context: Context) -> str:
    by = say(context.language, f"persona.by.{_chosen_by(context.services.cast, context)}")
    return say(context.language, "persona.now", name=_called(context, _now(context)), by=by)


def _chosen_by(cast: Cast, context: Context) -> str:
    """Whose choice holds; one whose file is gone is nobody's."""
    for user, who in ((context.message.user_id, "user"), (EVERYBODY, context.chat.kind)):
        if (name := cast.choices.of(context.chat, user)) and cast.library.find(name) is not None:
            return who
    return "default"


async def mood(context: Context, rest: str) -> str:
    """How the bot feels here, and about the asker; `reset` calms it."""
    if rest.casefold() in ("reset", "重置"):
        return await _calm(context)
    if rest:
        raise usage(context, "mood")
    config, cast = context.services.configuration.config.character, context.services.cast
    if not (config.emotions and config.mood and _now(context).emotions):
        return say(context.language, "mood.off")
    here, towards = await cast.moods(context.chat, context.message.user_id, config)
    lines = [_mood_line(context, "mood.here", here)]
    if context.chat.kind == "group":
        lines.append(_mood_line(context, "mood.towards", towards))
    if here.emotion:
        lines.append(say(context.language, "mood.last", emotion=here.emotion))
    return "\n".join(lines)


def _mood_line(context: Context, key: str, now: Mood) -> str:
    words = in_words(now, context.language) or say(context.language, "mood.neutral")
    return say(context.language, key, mood=words, pleasure=now.pleasure, energy=now.energy)


async def _calm(context: Context) -> str:
    """An admin calms it towards the group, a member towards themselves."""
    alone = context.chat.kind == "group" and context.tier < Tier.GROUP_ADMIN
    await context.services.cast.calm(context.chat, context.message.user_id if alone else EVERYBODY)
    return say(context.language, "mood.calmed")


_VERBS: Mapping[str, Handler] = spelled(
    (("list", "列表"), _list),
    (("use", "使用", "用", "换"), _use),
    (("show", "查看"), _show),
    (("reset", "default", "重置", "默认"), _reset),
)

COMMANDS = (
    Command(names=("persona", "人设"), handler=persona, arguments="list|use|show|reset"),
    Command(names=("mood", "心情"), handler=mood, arguments="[reset]"),
)
