"""The conditions under which memories are listed and counted."""

from typing import Any

from onebot_bot.memory.database import in_chat
from onebot_bot.memory.rows import Status
from onebot_bot.protocol.chat_id import ChatId

MAY_RECALL = "(shared OR (account = ? AND kind = ? AND peer = ?))"
"""SQL that holds for the memories of a chat and the shared ones."""


def listed_by(
    chat: ChatId | None, status: Status, words: str, subject: int | None, before: int | None
) -> tuple[str, list[Any]]:
    """SQL and its values for what was asked for; None and an empty text ask for nothing."""
    where: list[str] = ["status = ?"]
    values: list[Any] = [status]
    for condition, given in (
        (MAY_RECALL, in_chat(chat) if chat else None),
        ("instr(text, ?)", (words,) if words else None),
        ("(speaker = ? OR ? IN (SELECT value FROM json_each(subjects)))", None if subject is None else (subject,) * 2),
        ("id < ?", None if before is None else (before,)),
    ):
        if given is not None:
            where.append(condition)
            values.extend(given)
    return " AND ".join(where), values
