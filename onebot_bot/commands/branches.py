"""The commands about branches, and about the prompt and the settings that each of them has: branch, prompt, set."""

from collections.abc import Mapping, Sequence

import msgspec

from onebot_bot.commands.confirming import take_yes, unconfirmed
from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import MOST_DIGITS, Answer, Command, Handler, Tier, first_word, whole_number
from onebot_bot.commands.verbs import carry_out, spelled, usage
from onebot_bot.config import config_keys
from onebot_bot.errors import CommandError
from onebot_bot.memory.branches import Branch, Branches, Value
from onebot_bot.sections.model import GenerationConfig
from onebot_bot.texts import say

LONGEST_NAME = 20
DEFAULT = ("default", "默认")

# --- branch --------------------------------------------------------------------------------------------------------


async def branch(context: Context, rest: str) -> str | Answer:
    """Do one of the things below with the branches of this chat."""
    return await carry_out(context, rest, _VERBS, "branch", default="list")


def _of(context: Context) -> Branches:
    return context.services.own.branches.of(context.chat)


async def _list(context: Context, _argument: str) -> str:
    known, sizes = _of(context), await context.services.own.branches.sizes(context.chat)
    return "\n".join(
        say(
            context.language,
            "branch.line",
            mark=say(context.language, "branch.mark") if one.number == known.active else "",
            number=one.number,
            name=_name(context, one),
            count=sizes.get(one.number, 0),
            more=_more(context, one),
        )
        for one in known.all
    )


def _more(context: Context, one: Branch) -> str:
    has = [(bool(one.prompt), "branch.has_prompt"), (bool(one.settings), "branch.has_settings")]
    return "".join(say(context.language, key) for holds, key in has if holds)


def _name(context: Context, one: Branch) -> str:
    return one.name or say(context.language, "branch.first")


async def _new(context: Context, name: str) -> str:
    fresh = Branch(name=_free_name(context, name))
    await context.services.own.use(context.chat, _of(context).with_new(fresh))
    return say(context.language, "branch.created", name=fresh.name)


async def _clone(context: Context, name: str) -> str:
    name = _free_name(context, name)
    await context.services.own.clone(context.chat, name)
    return say(context.language, "branch.cloned", name=name)


async def _switch(context: Context, which: str) -> str:
    found = _find(context, which)
    await context.services.own.use(context.chat, Branches(_of(context).all, found.number))
    return say(context.language, "branch.switched", name=_name(context, found))


async def _rename(context: Context, rest: str) -> str:
    """`new` for the one in use, or `old new`."""
    first, second = first_word(rest)
    old = _find(context, first) if second else _of(context).current
    name = second or first
    if not name:
        raise usage(context, "branch")
    renamed = msgspec.structs.replace(old, name=_checked_name(context, name, but=old.number))
    await context.services.own.branches.put(context.chat, _of(context).with_changed(renamed))
    return say(context.language, "branch.renamed", old=_name(context, old), name=renamed.name)


async def _delete(context: Context, rest: str) -> str:
    which, sure = take_yes(rest)
    found = _find(context, which)
    name = _name(context, found)
    if found.number == 1:
        raise CommandError(say(context.language, "branch.keep_first", name=name, prefix=context.prefix))
    if not sure:
        count = (await context.services.own.branches.sizes(context.chat)).get(found.number, 0)
        raise unconfirmed(
            context, say(context.language, "branch.sure", name=name, count=count), f"branch delete {name}"
        )
    await context.services.own.delete(context.chat, found.number)
    return say(context.language, "branch.deleted", name=name, now=_name(context, _of(context).current))


def _find(context: Context, which: str) -> Branch:
    """By name, or by number."""
    known = _of(context).all
    named = next((one for one in known if which and _name(context, one) == which), None)
    number = whole_number(which.removeprefix("#"))
    found = named or next((one for one in known if one.number == number), None)
    if found is None:
        names = say(context.language, "list.comma").join(_name(context, one) for one in known)
        raise CommandError(say(context.language, "branch.unknown", name=which, names=names))
    return found


def _free_name(context: Context, name: str) -> str:
    """A name for one more branch: the given one, or one made up."""
    known = _of(context).all
    most = context.services.configuration.config.own.branches
    if len(known) >= most:
        raise CommandError(say(context.language, "branch.many", most=most, prefix=context.prefix))
    return _checked_name(context, name or say(context.language, "branch.unnamed", number=known[-1].number + 1))


def _checked_name(context: Context, name: str, but: int = 0) -> str:
    if len(name) > LONGEST_NAME or len(name.split()) != 1 or whole_number(name.removeprefix("#")) is not None:
        raise CommandError(say(context.language, "branch.bad_name", most=LONGEST_NAME))
    if any(_name(context, one) == name for one in _of(context).all if one.number != but):
        raise CommandError(say(context.language, "branch.taken", name=name))
    return name


_VERBS: Mapping[str, Handler] = spelled(
    (("list", "列表"), _list),
    (("new", "新建"), _new),
    (("switch", "切换"), _switch),
    (("rename", "改名"), _rename),
    (("clone", "复制"), _clone),
    (("delete", "删除"), _delete),
)

# --- prompt --------------------------------------------------------------------------------------------------------


async def prompt(context: Context, rest: str) -> str:
    """Show, set or clear the prompt of the branch in use."""
    verb, text = first_word(rest or "show")
    match verb.casefold(), bool(text):
        case "show" | "查看", False:
            return _shown_prompt(context)
        case "set" | "设置", True:
            return await _set_prompt(context, text)
        case "clear" | "清除", False:
            await _change(context, prompt="")
            return say(context.language, "prompt.cleared")
    raise usage(context, "prompt")


def _shown_prompt(context: Context) -> str:
    own = _of(context).current.prompt
    return say(context.language, "prompt.now" if own else "prompt.none", prompt=own)


async def _set_prompt(context: Context, text: str) -> str:
    most = context.services.configuration.config.own.prompt_chars
    if len(text) > most:
        raise CommandError(say(context.language, "prompt.long", length=len(text), most=most))
    await _change(context, prompt=text)
    return say(context.language, "prompt.set", length=len(text))


async def _change(context: Context, **values: object) -> None:
    known = _of(context)
    changed = known.with_changed(msgspec.structs.replace(known.current, **values))
    await context.services.own.branches.put(context.chat, changed)


# --- set -----------------------------------------------------------------------------------------------------------

SETTABLE: Mapping[str, Sequence[str]] = {
    "temperature": ("温度",),
    "top_p": (),
    "top_k": (),
    "min_p": (),
    "repetition_penalty": ("重复惩罚",),
    "presence_penalty": (),
    "seed": ("种子",),
    "max_new_tokens": ("max_tokens", "长度"),
    "thinking": ("思考",),
    "max_thinking": (),
}
"""Keys of [generation] that people may set for their own branch, with their other names."""

_KEYS = {name: key for key, others in SETTABLE.items() for name in (key, *others)}
_BOOLS = {"on": True, "true": True, "开": True, "off": False, "false": False, "关": False}
_NO_NUMBERS = ("nan", "inf", "infinity")
"""What Python reads as numbers that no range holds."""


async def set_own(context: Context, rest: str) -> str:
    """Show or change how answers are generated in the branch in use."""
    name, written = first_word(rest)
    if not name:
        return _shown_settings(context)
    if name in DEFAULT and not written:
        await _change(context, settings={})
        return say(context.language, "set.cleared")
    key = _KEYS.get(name.casefold())
    if key is None or not written:
        raise CommandError(_set_usage(context))
    own = {name: value for name, value in _of(context).current.settings.items() if name != key}
    if written not in DEFAULT:
        own[key] = _value(context, key, written)
    await _change(context, settings=own)
    return say(context.language, "set.done", line=_setting_line(context, key))


def _set_usage(context: Context) -> str:
    keys = say(context.language, "list.comma").join(_spelling(key) for key in SETTABLE)
    told = say(context.language, "set.usage", prefix=context.prefix)
    return "\n".join([told, say(context.language, "set.names", keys=keys)])


def _spelling(key: str) -> str:
    return "max_tokens" if key == "max_new_tokens" else key


def _shown_settings(context: Context) -> str:
    lines = [_setting_line(context, key) for key in SETTABLE]
    return "\n".join([say(context.language, "set.head", prefix=context.prefix), *lines])


def _setting_line(context: Context, key: str) -> str:
    """What holds, whose it is, and what it may be."""
    own = _of(context).current.settings
    value = own.get(key, getattr(context.services.configuration.config.generation, key))
    mark = say(context.language, "set.own") if key in own else ""
    return say(
        context.language, "set.line", key=_spelling(key), value=_written(value), mark=mark, range=_range(context, key)
    )


def _written(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def _range(context: Context, key: str) -> str:
    kind = next(one.type for one in config_keys() if one.path == f"generation.{key}")
    return f"int, ≥ 1, ≤ {_most_tokens(context)}" if key == "max_new_tokens" else kind


def _most_tokens(context: Context) -> int:
    config = context.services.configuration.config
    return max(config.own.max_tokens, config.generation.max_new_tokens)


def _value(context: Context, key: str, written: str) -> Value:
    """The value, if it is one that the key may have."""
    given = _BOOLS.get(written.casefold(), written) if key == "thinking" else written
    if len(written) > MOST_DIGITS or written.casefold().lstrip("+-") in _NO_NUMBERS:
        raise _out_of_range(context, key, written)
    try:
        value: Value = getattr(msgspec.convert({key: given}, GenerationConfig, strict=False), key)
    except msgspec.ValidationError as error:
        raise _out_of_range(context, key, written) from error
    if key == "max_new_tokens" and value > _most_tokens(context):
        raise _out_of_range(context, key, written)
    return value


def _out_of_range(context: Context, key: str, written: str) -> CommandError:
    shown = written if len(written) <= LONGEST_NAME else f"{written[:LONGEST_NAME]}…"
    return CommandError(say(context.language, "set.range", key=_spelling(key), value=shown, range=_range(context, key)))


COMMANDS = (
    Command(
        names=("branch", "分支"),
        handler=branch,
        group_tier=Tier.GROUP_ADMIN,
        arguments="list|new|switch|rename|clone|delete …",
    ),
    Command(names=("prompt", "提示词"), handler=prompt, group_tier=Tier.GROUP_ADMIN, arguments="show|set|clear …"),
    Command(names=("set", "设置"), handler=set_own, group_tier=Tier.GROUP_ADMIN, arguments="temperature 0.8 …"),
)
