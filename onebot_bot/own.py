"""What people do with their own part of a chat: say it again, in other words or off the record, branch it, leave."""

import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from onebot_bot.chat.session import ChatSession
from onebot_bot.memory.branches import Branches, BranchStore
from onebot_bot.memory.erasing import Forgotten
from onebot_bot.memory.history import Entry, History
from onebot_bot.memory.personal import PersonalData
from onebot_bot.memory.rewriting import Rewriting
from onebot_bot.memory.store import MemoryStore
from onebot_bot.protocol.chat_id import ChatId


class Follower(Protocol):
    """Knows something of people that is in the database too."""

    def forget(self, user: int) -> None:
        """Forget a person, whose rows are deleted."""


Rewrite = Callable[[int, Collection[int]], Awaitable[None]]
"""Takes a person out of files, by their number and the ids of what they said; raises StoreError."""


class Kept(Struct, frozen=True):
    """Where it is kept."""

    history: History
    rewriting: Rewriting
    store: MemoryStore
    branches: BranchStore
    people: PersonalData
    followers: Sequence[Follower]
    """What else is kept of people, apart from the database too."""
    files: Sequence[Rewrite] = ()
    """What is kept of people beside the database: logs."""


class OwnData:
    """The records of all chats and the sessions that write on: nothing is changed under an answer being written."""

    def __init__(
        self, kept: Kept, sessions: Mapping[ChatId, ChatSession], open_session: Callable[[ChatId], ChatSession]
    ) -> None:
        self._kept = kept
        self._sessions = sessions
        self._open = open_session

    @property
    def branches(self) -> BranchStore:
        """The branches of all chats; to change them while somebody may be answered there is `use`'s business."""
        return self._kept.branches

    @property
    def people(self) -> PersonalData:
        """What is kept of people."""
        return self._kept.people

    # --- the end of a chat ---------------------------------------------------------------------------------------

    async def reset(self, chat: ChatId) -> None:
        """Let the model start afresh; what is being written ends."""
        await self._halt(chat)
        await self._kept.history.reset(chat)

    async def undo(self, chat: ChatId, turns: int) -> int:
        """Take the last exchanges out of view, with what was learned from them; how many there were.

        What is being answered counts as the last.
        """
        stopped = await self._halt(chat)
        return (await self._kept.history.undo(chat, turns, stopped, self._kept.store.take_back)).turns

    async def last_asked(self, chat: ChatId) -> list[Entry]:
        """What the last answer was to, oldest first; one being written ends, and counts."""
        await self._halt(chat)
        return await self._kept.rewriting.last_asked(chat)

    async def ask_again(self, chat: ChatId, asked: Sequence[Entry], temporary_group: int = 0) -> None:
        """Answer that again; the answer it got is out of view."""
        async with self._open(chat).opening:
            await self._kept.rewriting.ask_again(chat, [entry.id for entry in asked])
            self._answer(chat, asked, temporary_group)

    async def edit(self, chat: ChatId, user: int, text: str, temporary_group: int = 0) -> bool:
        """Let the last message of `user` say something else and answer it anew; False when there is none."""
        async with self._open(chat).opening:
            await self._halt(chat)
            edited = await self._kept.rewriting.edit(chat, user, text, self._kept.store.take_back)
            if edited is None:
                return False
            self._answer(chat, edited.asked, temporary_group)
        return True

    async def put(self, chat: ChatId, user: int, text: str) -> None:
        """Put a line on record that the model sees, and answers to nothing."""
        await self._kept.history.append(chat, _event(user, text))

    async def said(self, chat: ChatId, text: str, message_id: int | None) -> None:
        """Put on record what the bot was told to say."""
        entry = Entry(role="assistant", text=text, time=int(time.time()), user_id=chat.account, message_id=message_id)
        await self._kept.history.append(chat, entry)

    async def ask(self, chat: ChatId, user: int, text: str, temporary_group: int = 0) -> None:
        """Put a line on record that is no message of anybody's, and let it be answered."""
        entry = replace(_event(user, text), state="pending")
        async with self._open(chat).opening:
            row = await self._kept.history.append(chat, entry)
            if row is not None:
                self._answer(chat, [replace(entry, id=row)], temporary_group)

    def ask_off_record(self, chat: ChatId, entry: Entry, temporary_group: int = 0) -> None:
        """Let a message be answered, and keep neither."""
        self._open(chat).resume(entry, temporary_group, unsaved=True)

    def _answer(self, chat: ChatId, asked: Sequence[Entry], temporary_group: int) -> None:
        session = self._open(chat)
        for entry in asked:
            session.resume(entry, temporary_group)

    async def _halt(self, chat: ChatId) -> Collection[int]:
        session = self._sessions.get(chat)
        return await session.halt() if session is not None and not session.closed else ()

    # --- branches ------------------------------------------------------------------------------------------------

    async def use(self, chat: ChatId, branches: Branches) -> None:
        """Let a chat have these branches; what is being written ends."""
        await self._halt(chat)
        await self._kept.branches.put(chat, branches)

    async def clone(self, chat: ChatId, name: str) -> None:
        """Add a branch that begins as the one in use is now, and use it; what is being written ends."""
        await self._halt(chat)
        await self._kept.branches.clone(chat, name)

    async def delete(self, chat: ChatId, number: int) -> None:
        """Delete a branch with all that was said in it; what is being written ends."""
        await self._halt(chat)
        await self._kept.branches.delete(chat, number)

    # --- leaving -------------------------------------------------------------------------------------------------

    async def forget(self, user: int) -> Forgotten:
        """Erase all that is kept of a person, in every chat and in the logs; what other people said stays.

        Raises:
            StoreError: something is left; the text names it. Asked again, it goes on with that.
        """
        said = await self._kept.people.message_ids(user)
        for chat, session in list(self._sessions.items()):
            # What a command has just opened again may be theirs.
            if (chat.kind, chat.peer) == ("private", user) or session.answers(user) or session.opening.locked():
                async with session.opening:
                    await session.halt()
                session.answerer.last_recalls = ()
        forgotten = await self._kept.store.forget_person(user)
        followers: list[Follower] = [self._kept.branches, self._kept.people, *self._kept.followers]
        for follower in followers:
            follower.forget(user)
        for rewrite in self._kept.files:
            await rewrite(user, said)
        return forgotten


def _event(user: int, text: str) -> Entry:
    return Entry(role="event", text=text, time=int(time.time()), user_id=user)
