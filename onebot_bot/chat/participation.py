"""Whether a message calls for an answer: pure functions over the message and the chat's settings."""

import enum
from collections.abc import Collection

from onebot_bot.protocol.events import Message, PrivateMessage
from onebot_bot.protocol.segments import At, plain_text


class Trigger(enum.Enum):
    """Why the bot answers."""

    PRIVATE = "private"
    MENTION = "mention"
    REPLY = "reply"
    NAME = "name"
    FOLLOW_UP = "follow-up"


def find_trigger(message: Message, names: Collection[str], ignored: Collection[int]) -> Trigger | None:
    """Why to answer, as far as the message alone tells; None: only listen.

    Whether a quoted message is the bot's own is for the caller, who has the history. `ignored` are the bot's own
    accounts and other bots.
    """
    if message.sent_by_self or message.user_id in ignored or not message.message:
        return None
    if isinstance(message, PrivateMessage):
        return Trigger.PRIVATE
    if mentions(message):
        return Trigger.MENTION
    words = plain_text(message.message).casefold()
    if any(name and name.casefold() in words for name in names):
        return Trigger.NAME
    return None


def mentions(message: Message) -> bool:
    """Whether the account that heard it is mentioned with @."""
    return any(isinstance(segment, At) and segment.qq == str(message.self_id) for segment in message.message)
