"""The name of one conversation: which account, which kind of chat, who is on the other side."""

from typing import Literal, cast

import msgspec

ChatKind = Literal["private", "group"]


class ChatId(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """One conversation of one account; `str()` gives its stable key, `10000/group/20000`."""

    account: int
    """The bot's own QQ number (`self_id`)."""
    kind: ChatKind
    peer: int
    """The group's number, or the QQ number of the other person."""

    def __str__(self) -> str:
        return f"{self.account}/{self.kind}/{self.peer}"


def parse_chat_id(text: str) -> ChatId:
    """Read what `str(ChatId)` wrote.

    Raises:
        ValueError: it is not `account/private/peer` or `account/group/peer` with whole numbers.
    """
    account, _, rest = text.partition("/")
    kind, _, peer = rest.partition("/")
    if kind not in {"private", "group"} or not (_is_number(account) and _is_number(peer)):
        raise ValueError(f"{text!r} is not a chat: write account/private/number or account/group/number")
    return ChatId(int(account), cast("ChatKind", kind), int(peer))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
