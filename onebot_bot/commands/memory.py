"""/memory: what the bot remembers of a chat, to be seen and put right by the people it is about.

In private everybody may do everything with the memories of their own chat. In a group the admins may; the others see
and forget those that are about them, or that they said.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from onebot_bot.commands.confirming import take_yes, unconfirmed
from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import Answer, Attachment, Command, Handler, Tier, first_word, whole_number
from onebot_bot.commands.verbs import spelled, usage
from onebot_bot.errors import CommandError
from onebot_bot.memory.rows import Memory
from onebot_bot.texts import Language, say

PAGE = 10
"""Memories on a page."""
LARGEST_FILE = 700_000
"""Bytes of an exported file: NapCat is slow with frames over 1 MiB, and base64 makes four of three."""


class Verb(Struct, frozen=True):
    """One of the things that /memory does."""

    handler: Handler
    for_members: bool = False
    """Whether everybody in a group may, with what concerns themselves."""


async def memory(context: Context, rest: str) -> str | Answer:
    """Do one of the things below with the memories of this chat."""
    name, argument = first_word(rest)
    verb = _VERBS.get(name.casefold())
    if verb is None:
        raise usage(context, "memory")
    if _member(context) is not None and not verb.for_members:
        raise _refusal(context, name)
    return await verb.handler(context, argument)


def _member(context: Context) -> int | None:
    """Whose memories alone may be seen: the asker's, unless this is their own chat or they are an admin here."""
    limited = context.chat.kind == "group" and context.tier < Tier.GROUP_ADMIN
    return context.message.user_id if limited else None


def _refusal(context: Context, verb: str) -> CommandError:
    language, name = context.language, f"{context.prefix}memory {verb}"
    tier, who = say(language, "tier.group_admin"), say(language, "who.group_admin")
    return CommandError(say(language, "command.refused", name=name, tier=tier, who=who))


def _id(context: Context, text: str) -> int:
    number = whole_number(text.removeprefix("#"))
    if number is None:
        raise usage(context, "memory")
    return number


async def _find(context: Context, memory_id: int) -> Memory:
    """The memory, if this person may see it here; else a CommandError that does not tell whether there is one."""
    found = await context.services.memories.show(context.chat, memory_id)
    member = _member(context)
    if found is None or found.status == "forgotten" or (member is not None and not _concerns(found, member)):
        raise _unknown(context, memory_id)
    return found


def _concerns(found: Memory, user: int) -> bool:
    return user == found.speaker or user in found.subjects


def _unknown(context: Context, memory_id: int) -> CommandError:
    return CommandError(say(context.language, "memory.unknown", id=memory_id))


# --- seeing --------------------------------------------------------------------------------------------------------


async def _list(context: Context, page: str) -> str:
    number, member = whole_number(page or "1"), _member(context)
    if not number:
        raise usage(context, "memory")
    memories, total = await context.services.memories.page(context.chat, number, PAGE, member)
    if not total:
        return _none(context)
    lines = [_line(context.language, one) for one in memories]
    pages = -(-total // PAGE)
    foot = say(context.language, "memory.page", page=number, pages=pages, total=total)
    return "\n".join([*lines, foot, *([] if member is None else [say(context.language, "memory.yours")])])


def _none(context: Context) -> str:
    return say(context.language, "memory.none" if _member(context) is None else "memory.none_yours")


def _line(language: Language, one: Memory) -> str:
    pinned = say(language, "memory.pin_mark") if one.pinned else ""
    return say(language, "memory.line", id=one.id, pinned=pinned, text=one.text)


async def _search(context: Context, text: str) -> str:
    if not text:
        raise usage(context, "memory")
    hits = await context.services.memories.search(context.chat, text, _member(context))
    if not hits:
        return _none(context)
    return "\n".join(
        say(context.language, "memory.hit", id=hit.memory_id, score=hit.score, text=hit.text) for hit in hits
    )


async def _show(context: Context, number: str) -> str:
    found = await _find(context, _id(context, number))
    language = context.language
    return "\n".join(
        [
            say(language, "memory.line", id=found.id, pinned="", text=found.text),
            f"{told(context, found)}{_about(context, found.subjects)}",
            *([say(language, "memory.event", when=moment(found.event_time))] if found.event_time else []),
            _recalled(language, found),
            say(language, "memory.weight", importance=found.importance, pinned=_pinned(language, found)),
            _status(language, found),
            say(language, "memory.value", exact=_exact(language, found), maker=_maker(language, found)),
        ]
    )


def moment(seconds: float) -> str:
    """A unix time as people here read it, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def told(context: Context, found: Memory) -> str:
    """Who said it, and when it was noted."""
    if found.speaker is None:
        return say(context.language, "memory.noted", when=moment(found.created))
    who = _person(context, found.speaker)
    return say(context.language, "memory.told", when=moment(found.created), who=who)


def _person(context: Context, user: int) -> str:
    return say(context.language, "memory.you") if user == context.message.user_id else str(user)


def _about(context: Context, subjects: Collection[int]) -> str:
    people = say(context.language, "list.comma").join(_person(context, user) for user in subjects)
    return say(context.language, "memory.about", people=people) if people else ""


def _recalled(language: Language, found: Memory) -> str:
    if found.recalled_at is None:
        return say(language, "memory.never_recalled")
    return say(language, "memory.recalled", count=found.recall_count, when=moment(found.recalled_at))


def _pinned(language: Language, found: Memory) -> str:
    return say(language, "memory.weight_pinned") if found.pinned else ""


def _status(language: Language, found: Memory) -> str:
    if found.status == "superseded":
        return say(language, "memory.superseded", by=found.superseded_by)
    return say(language, "memory.shared" if found.shared else "memory.active")


def _exact(language: Language, found: Memory) -> str:
    return say(language, {None: "memory.unchecked", True: "memory.exact", False: "memory.inexact"}[found.exact])


def _maker(language: Language, found: Memory) -> str:
    return found.maker or say(language, "learn.nothing")


async def _stats(context: Context, rest: str) -> str:
    if rest:
        raise usage(context, "memory")
    stats = await context.services.memories.stats(context.chat)
    return say(context.language, "memory.stats", **msgspec.structs.asdict(stats))


# --- changing ------------------------------------------------------------------------------------------------------


async def _add(context: Context, text: str) -> str:
    if not text:
        raise usage(context, "memory")
    kept = await context.services.memories.add(context.chat, text, speaker=context.message.user_id)
    return say(context.language, "memory.added", id=kept.id, text=kept.text)


async def _edit(context: Context, rest: str) -> str:
    number, text = first_word(rest)
    memory_id = _id(context, number)
    if not text:
        raise usage(context, "memory")
    kept = await context.services.memories.edit(context.chat, memory_id, text)
    if kept is None:
        raise _unknown(context, memory_id)
    return say(context.language, "memory.edited", id=kept.id, text=kept.text)


async def _pin(context: Context, number: str) -> str:
    return await _set_pinned(context, _id(context, number), pinned=True)


async def _unpin(context: Context, number: str) -> str:
    return await _set_pinned(context, _id(context, number), pinned=False)


async def _set_pinned(context: Context, memory_id: int, *, pinned: bool) -> str:
    if not await context.services.memories.pin(context.chat, memory_id, pinned):
        raise _unknown(context, memory_id)
    return say(context.language, "memory.pinned" if pinned else "memory.unpinned", id=memory_id)


async def _forget(context: Context, rest: str) -> str:
    number, sure = take_yes(rest)
    memory_id = _id(context, number)
    found = await _find(context, memory_id)
    if not sure:
        what = say(context.language, "memory.would_forget", id=memory_id, text=found.text)
        raise unconfirmed(context, what, f"memory forget {memory_id}")
    trained = context.services.learning.trained_on(memory_id)
    if not await context.services.memories.forget(context.chat, memory_id):
        raise _unknown(context, memory_id)
    done = say(context.language, "memory.forgotten", id=memory_id)
    return f"{done}\n{_still_known(context, trained)}" if trained else done


def _still_known(context: Context, trained: Sequence[str]) -> str:
    versions = say(context.language, "list.comma").join(trained)
    return say(context.language, "memory.trained", versions=versions, prefix=context.prefix)


# --- taking away ---------------------------------------------------------------------------------------------------


async def _export(context: Context, rest: str) -> str | Answer:
    if rest:
        raise usage(context, "memory")
    memories = await context.services.memories.export(context.chat)
    if not memories:
        return _none(context)
    files = tuple(_files(context, [_as_line(one) for one in memories]))
    return Answer(say(context.language, "memory.exported", count=len(memories), files=len(files)), files=files)


def _files(context: Context, lines: Iterable[bytes]) -> Iterator[Attachment]:
    parts: list[list[bytes]] = [[]]
    size = 0
    for line in lines:
        if size + len(line) > LARGEST_FILE and parts[-1]:
            parts.append([])
            size = 0
        parts[-1].append(line)
        size += len(line)
    stem = f"memories-{context.chat.kind}-{context.chat.peer}"
    for number, part in enumerate(parts, 1):
        name = f"{stem}.jsonl" if len(parts) == 1 else f"{stem}-{number}.jsonl"
        yield Attachment(name, b"".join(part))


def _as_line(one: Memory) -> bytes:
    fields = {
        "id": one.id,
        "text": one.text,
        "told": _iso(one.created),
        "speaker": one.speaker,
        "subjects": one.subjects,
        "event_time": _iso(one.event_time),
        "importance": one.importance,
        "pinned": one.pinned,
        "shared": one.shared,
        "status": one.status,
        "superseded_by": one.superseded_by,
        "recalled": one.recall_count,
        "recalled_at": _iso(one.recalled_at),
        "exact": one.exact,
        "maker": one.maker,
    }
    return msgspec.json.encode(fields) + b"\n"


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


_VERBS: Mapping[str, Verb] = spelled(
    (("list", "列表"), Verb(_list, for_members=True)),
    (("search", "搜索"), Verb(_search, for_members=True)),
    (("show", "查看"), Verb(_show, for_members=True)),
    (("forget", "忘记"), Verb(_forget, for_members=True)),
    (("add", "添加"), Verb(_add)),
    (("edit", "修改"), Verb(_edit)),
    (("pin", "置顶"), Verb(_pin)),
    (("unpin", "取消置顶"), Verb(_unpin)),
    (("stats", "统计"), Verb(_stats)),
    (("export", "导出"), Verb(_export)),
)

COMMANDS = (
    Command(names=("memory", "记忆"), handler=memory, arguments="list|search|show|forget|add|edit|pin|stats|export …"),
)
