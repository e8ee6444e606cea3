"""Whom the bot hears at all: asked before anything is done about a message, so it looks into lists and nothing else."""

import enum
from collections.abc import Callable

from onebot_bot.protocol.events import GroupMessage, Message
from onebot_bot.sections.access import AccessConfig
from onebot_bot.sections.bot import BotConfig


class Door(enum.Enum):
    """How far what somebody says gets."""

    OPEN = "open"
    COMMANDS = "commands"
    """Only commands: an owner or bot admin in a group that is not heard, who may want to change that."""
    CLOSED = "closed"
    """It is as if it had not been said."""


class Access:
    """Who is heard. The lists are of the configuration; bans are asked for by QQ number."""

    def __init__(self, banned: Callable[[int], bool] = lambda _: False) -> None:
        self._banned = banned

    def door(self, message: Message, bot: BotConfig, access: AccessConfig) -> Door:
        """How far a message gets."""
        group = message.group_id if isinstance(message, GroupMessage) else 0
        return self.door_of(message.user_id, group, bot, access)

    def door_of(self, user: int, group: int, bot: BotConfig, access: AccessConfig) -> Door:
        """How far what `user` does gets, in private if `group` is 0."""
        if user in bot.owners or user in bot.admins:
            return Door.OPEN if not group or group_heard(group, access) else Door.COMMANDS
        if user in access.deny_users or self._banned(user):
            return Door.CLOSED
        heard = group_heard(group, access) if group else access.users == "deny-list" or user in access.allow_users
        return Door.OPEN if heard else Door.CLOSED


def group_heard(group: int, access: AccessConfig) -> bool:
    """Whether what is said in a group is the bot's business."""
    return group not in access.deny_groups and (access.groups == "deny-list" or group in access.allow_groups)
