"""What commands may do to one's own part of a chat."""

from collections.abc import Sequence
from typing import Protocol

from onebot_bot.memory.branches import Branches, BranchStore
from onebot_bot.memory.erasing import Forgotten
from onebot_bot.memory.history import Entry
from onebot_bot.memory.personal import PersonalData
from onebot_bot.protocol.chat_id import ChatId


class OwnControl(Protocol):
    """The records of all chats. What is being written in a chat ends before its record is changed."""

    @property
    def branches(self) -> BranchStore:
        """To be read; changed by `use`, `clone` and `delete`, and directly where only a prompt or settings change."""

    @property
    def people(self) -> PersonalData:
        """What is kept of people."""

    async def reset(self, chat: ChatId) -> None:
        """Let the model start afresh."""

    async def undo(self, chat: ChatId, turns: int) -> int:
        """Take the last exchanges out of view, with what was learned from them; how many there were."""

    async def last_asked(self, chat: ChatId) -> list[Entry]:
        """What the last answer was to, or what was stopped since; oldest first."""

    async def ask_again(self, chat: ChatId, asked: Sequence[Entry], temporary_group: int = 0) -> None:
        """Answer that again; the answer it got is out of view."""

    async def edit(self, chat: ChatId, user: int, text: str, temporary_group: int = 0) -> bool:
        """Let the last message of `user` say something else and answer it anew; False when there is none."""

    async def put(self, chat: ChatId, user: int, text: str) -> None:
        """Put a line on record that the model sees, and answers to nothing."""

    async def said(self, chat: ChatId, text: str, message_id: int | None) -> None:
        """Put on record what the bot was told to say."""

    async def ask(self, chat: ChatId, user: int, text: str, temporary_group: int = 0) -> None:
        """Put a line on record that is no message of anybody's, and let it be answered."""

    def ask_off_record(self, chat: ChatId, entry: Entry, temporary_group: int = 0) -> None:
        """Let a message be answered, and keep neither."""

    async def use(self, chat: ChatId, branches: Branches) -> None:
        """Let a chat have these branches."""

    async def clone(self, chat: ChatId, name: str) -> None:
        """Add a branch that begins as the one in use is now, and use it."""

    async def delete(self, chat: ChatId, number: int) -> None:
        """Delete a branch with all that was said in it."""

    async def forget(self, user: int) -> Forgotten:
        """Erase all that is kept of a person, in every chat; what other people said stays."""
