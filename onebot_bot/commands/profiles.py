"""/profile: which model answers here. In private everybody chooses for themselves, in a group its admins do."""

import difflib
from collections.abc import Mapping

import msgspec

from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import Answer, Command, Handler, Tier, first_word
from onebot_bot.commands.verbs import carry_out, spelled, usage
from onebot_bot.engine.request import ProfileState
from onebot_bot.errors import CommandError
from onebot_bot.sections.profiles import MAIN, choose
from onebot_bot.texts import say


async def profile(context: Context, rest: str) -> str | Answer:
    """Do one of the things below; a profile's name alone chooses it."""
    word, argument = first_word(rest)
    if word.casefold() not in _VERBS and not argument and word.casefold() in _names(context):
        return await _use(context, word)
    return await carry_out(context, rest, _VERBS, "profile", default="list")


async def _list(context: Context, _rest: str) -> str:
    """Every profile, how its model stands, and which answers here."""
    language, now = context.language, profile_here(context)
    names = _names(context)
    if len(names) == 1:
        return say(language, "profile.none")
    states = (await context.services.overview()).engine.profiles
    lines = [
        say(language, "profile.line", mark="▶" if name == now else "·", about=_about(context, name, states.get(name)))
        for name in names
    ]
    chosen = context.services.groups.of(context.chat).profile
    by = say(language, f"profile.by.{context.chat.kind if chosen == now else 'default'}")
    return "\n".join(
        [say(language, "profile.now", name=now, by=by), *lines, say(language, "profile.how", prefix=context.prefix)]
    )


async def _use(context: Context, rest: str) -> str:
    """Choose one."""
    name = rest.casefold()
    if not name:
        raise usage(context, "profile")
    if name not in _names(context):
        raise CommandError(say(context.language, "profile.unknown", name=rest[:40], hint=_hint(context, name)))
    await _put(context, name)
    state = (await context.services.overview()).engine.profiles.get(name)
    key = f"profile.used_{state.state}" if state and state.state in ("absent", "loading", "failed") else "profile.used"
    return say(context.language, key, name=name)


async def _reset(context: Context, rest: str) -> str:
    """Take the choice back."""
    if rest:
        raise usage(context, "profile")
    await _put(context, None)
    return say(context.language, "profile.reset", name=profile_here(context))


async def _put(context: Context, name: str | None) -> None:
    if context.chat.kind == "group" and context.tier < Tier.GROUP_ADMIN:
        raise CommandError(say(context.language, "profile.admins"))
    groups = context.services.groups
    await groups.put(context.chat, msgspec.structs.replace(groups.of(context.chat), profile=name))


def profile_here(context: Context) -> str:
    """The profile that answers in this chat."""
    config = context.services.configuration.config
    return choose(config.profiles, context.services.groups.of(context.chat).profile, config.chat.profile)


def _names(context: Context) -> list[str]:
    return [MAIN, *context.services.configuration.config.profiles]


def _about(context: Context, name: str, state: ProfileState | None) -> str:
    """Name, title, and how its model stands; why it failed is the owner's to read, for it names folders."""
    language, config = context.language, context.services.configuration.config
    found = config.profiles.get(name)
    title = found.title if found is not None else say(language, "profile.main")
    parts = [f"{name}（{title}）" if title and language == "zh" else f"{name} ({title})" if title else name]
    if state is not None:
        parts.append(say(language, f"profile.state.{state.state}"))
    thinks = config.generation.thinking if found is None or found.thinking is None else found.thinking
    parts += [say(language, "profile.thinks")] if thinks else []
    parts += [state.error] if state is not None and state.error and context.tier >= Tier.OWNER else []
    return say(language, "list.comma").join(parts)


def _hint(context: Context, name: str) -> str:
    near = difflib.get_close_matches(name, _names(context), n=1, cutoff=0.5)
    if near:
        return say(context.language, "profile.near", name=near[0])
    return say(context.language, "profile.see_list", prefix=context.prefix)


_VERBS: Mapping[str, Handler] = spelled(
    (("list", "列表"), _list),
    (("use", "使用", "用", "换"), _use),
    (("reset", "default", "重置", "默认"), _reset),
)

COMMANDS = (Command(names=("profile", "模型", "档案"), handler=profile, arguments="list|use NAME|reset"),)
