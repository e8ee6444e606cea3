"""What is shown of another's private chat, once both people agreed: its end, as one line of context."""

from collections.abc import Sequence
from itertools import accumulate

from onebot_bot.chat.guards import label
from onebot_bot.memory.history import Entry, History
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.texts import Language, say

LONGEST = 2000
"""Characters of a chat that are shown, the latest."""
LONGEST_LINE = 200


async def shown_of(history: History, chats: Sequence[ChatId], limit: int, language: Language) -> list[Entry]:
    """The ends of these chats, at most `limit` messages of each; those without any are left out."""
    if limit == 0:
        return []
    ends = [await history.recent(chat, limit) for chat in chats]
    return [_block(chat, said, language) for chat, said in zip(chats, ends, strict=True) if said]


def _block(chat: ChatId, said: Sequence[Entry], language: Language) -> Entry:
    name = next((label(entry.name) for entry in reversed(said) if entry.role == "user" and entry.name), "")
    name = name or str(chat.peer)
    lines = _latest([_line(entry, name, language) for entry in said])
    text = say(language, "see.shown", name=name, user=chat.peer, lines="\n".join(lines))
    return Entry(role="event", text=text, time=said[-1].time)


def _latest(lines: Sequence[str]) -> list[str]:
    """The last lines, each whole, that have `LONGEST` characters together."""
    sizes = accumulate(len(line) for line in reversed(lines))
    return list(lines[len(lines) - sum(size <= LONGEST for size in sizes) :])


def _line(entry: Entry, name: str, language: Language) -> str:
    who = say(language, "see.you") if entry.role == "assistant" else f"{name}({entry.user_id})"
    return f"{who}: {' '.join(entry.text.split())[:LONGEST_LINE]}"
