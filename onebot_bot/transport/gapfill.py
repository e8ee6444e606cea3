"""What was said while no connection was up: NapCat drops events then, but QQ keeps the history."""

import asyncio
from collections.abc import Iterable
from typing import Any

import structlog

from onebot_bot.errors import ActionError
from onebot_bot.protocol.actions import GetFriendMsgHistory, GetGroupMsgHistory
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import GroupMessage, Message, PrivateMessage
from onebot_bot.protocol.frames import decode_event
from onebot_bot.transport.account import Account

AT_ONCE = 4
"""Chats asked side by side: NapCat answers side by side, and QQ is not to be stormed after an outage."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


async def fill_gap(account: Account, chats: Iterable[ChatId], count: int) -> list[Message]:
    """Fetch the latest messages of `chats` that this account has not heard, the account's own ones included.

    What is returned counts as heard from now on. After a start nothing was heard yet: compare with the stored
    history.

    Args:
        account: whom to ask.
        chats: the conversations to ask for.
        count: messages to ask for in each; 0 asks for none.

    Returns:
        Messages in the order of time. A chat whose history cannot be had is logged and left out.
    """
    if count <= 0:
        return []
    slots = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_latest(account, chat, count, slots)) for chat in chats]
    found = [message for task in tasks for message in task.result() if account.first_sight(message)]
    return sorted(found, key=lambda message: message.time)


async def _latest(account: Account, chat: ChatId, count: int, slots: asyncio.Semaphore) -> list[Message]:
    try:
        async with slots:
            data = await account.call(_history_action(chat, count))
    except ActionError as error:
        log.warning("What was said in a chat during the outage stays unknown.", chat=str(chat), cause=str(error))
        return []
    return _messages(data)


def _history_action(chat: ChatId, count: int) -> GetGroupMsgHistory | GetFriendMsgHistory:
    if chat.kind == "group":
        return GetGroupMsgHistory(chat.peer, count)
    return GetFriendMsgHistory(chat.peer, count)


def _messages(data: Any) -> list[Message]:
    raw = data.get("messages") if isinstance(data, dict) else None
    events = [decode_event(item) for item in raw or () if isinstance(item, dict)]
    return [event for event in events if isinstance(event, GroupMessage | PrivateMessage)]
