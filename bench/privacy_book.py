"""What may be shown where, kept by hand beside a bot: every text has a token of its own, and the book knows each."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from onebot_bot.protocol.chat_id import ChatId

TOKEN = re.compile(r"\b[qamin]\d{6}\b")
"""Of a question, an answer, a memory, an import, what is not saved."""


@dataclass
class Asked:
    """Something that a person said."""

    token: str
    author: int
    message: int | None
    """Its id in QQ; None: what was said cannot be recalled there."""
    copied: bool = False
    """Whether it is a clone's copy of it."""


@dataclass
class Exchange:
    """What was said, and the answer to it."""

    asked: list[Asked]
    answers: list[str]


@dataclass
class Known:
    """A memory."""

    token: str
    chat: ChatId
    speaker: int
    source: int
    """The message that it was taken from."""
    shared: bool = False
    successor: int | None = None
    gone: bool = False


@dataclass
class Book:
    """Of all chats of a bot. What is in doubt counts as allowed: only what is certain can be broken."""

    said: dict[tuple[ChatId, int], list[Exchange]] = field(default_factory=dict)
    """By chat and branch, oldest first."""
    imported: list[tuple[ChatId, int, str]] = field(default_factory=list)
    """Chat, author, token."""
    memories: dict[int, Known] = field(default_factory=dict)
    links: set[tuple[int, int, int]] = field(default_factory=set)
    """Account, reader, owner: both agreed."""
    opted_out: set[int] = field(default_factory=set)
    unlearnable: set[int] = field(default_factory=set)
    """Messages of which nothing may be learned."""

    # --- what may be seen ---

    def own(self, chat: ChatId, branch: int) -> list[Exchange]:
        """What was said in one branch, oldest first; add to it."""
        return self.said.setdefault((chat, branch), [])

    def allowed(self, chat: ChatId, branch: int, branches: dict[ChatId, int]) -> set[str]:
        """The tokens that a prompt there may have; `branches` has the one in use of every chat that has several."""
        chats = {chat: branch}
        for account, reader, owner in self.links:
            if chat == ChatId(account, "private", reader):
                other = ChatId(account, "private", owner)
                chats[other] = branches.get(other, 1)
        tokens = {token for where, _, token in self.imported if where in chats}
        for where in chats.items():
            for exchange in self.said.get(where, []):
                tokens |= {*exchange.answers, *(one.token for one in exchange.asked)}
        return tokens

    def recallable(self, chat: ChatId) -> set[str]:
        """The tokens of memories that may come to mind there."""
        return {
            one.token
            for one in self.memories.values()
            if not one.gone and one.successor is None and (one.shared or one.chat == chat)
        }

    def tellable(self, chat: ChatId) -> set[str]:
        """The tokens of memories that commands may tell of there."""
        return {
            one.token
            for one in self.memories.values()
            if not one.gone and (one.chat == chat or (one.shared and one.successor is None))
        }

    # --- what takes it away ---

    def undo(self, chat: ChatId, branch: int) -> None:
        """The last exchange is out of view; of one that is not whole any more nobody says whether it still counts."""
        exchanges = self.own(chat, branch)
        if exchanges and exchanges[-1].asked and exchanges[-1].answers:
            self._unlearn(chat, exchanges.pop().asked)

    def recall(self, chat: ChatId, message: int) -> None:
        """A message was taken back in QQ: it goes from every branch, clones too."""
        for (where, _), exchanges in self.said.items():
            for exchange in exchanges if where == chat else ():
                exchange.asked = [one for one in exchange.asked if one.message != message]
        self._unlearn(chat, [Asked("", 0, message)])

    def clone(self, chat: ChatId, old: int, new: int) -> None:
        """A branch begins as another one is."""
        self.said[chat, new] = [
            Exchange([Asked(a.token, a.author, a.message, copied=True) for a in one.asked], list(one.answers))
            for one in self.own(chat, old)
        ]

    def edit(self, chat: ChatId, branch: int, user: int, token: str) -> Exchange:
        """Somebody's last message says something else, and will be answered anew; add the answer to what it returns.

        What was learned from the old words goes before that answer is written.
        """
        exchange = next(one for one in reversed(self.own(chat, branch)) if any(a.author == user for a in one.asked))
        old = exchange.asked[-1]
        exchange.asked = [Asked(token, user, None if old.copied else old.message)]
        exchange.answers = []
        if not old.copied and old.message is not None:
            self._unlearn(chat, [old])
            # The new words are another message, under the same id.
            self.unlearnable -= set() if user in self.opted_out else {old.message}
        return exchange

    def forget_memory(self, number: int) -> None:
        """A memory goes, with all that it took the place of; nothing is learned from their messages again."""
        self.memories[number].gone = True
        self.unlearnable.add(self.memories[number].source)
        for older, one in self.memories.items():
            if one.successor == number and not one.gone:
                self.forget_memory(older)

    def forget_person(self, user: int) -> None:
        """All that is kept of them goes, and the answers to it."""
        for (chat, _), exchanges in self.said.items():
            gone = (chat.kind, chat.peer) == ("private", user)
            exchanges[:] = [] if gone else [e for e in exchanges if not any(a.author == user for a in e.asked)]
        self.imported = [
            (chat, author, token)
            for chat, author, token in self.imported
            if author != user and (chat.kind, chat.peer) != ("private", user)
        ]
        for one in self.memories.values():
            if one.speaker == user or (one.chat.kind, one.chat.peer) == ("private", user):
                one.gone = True
                self.unlearnable.add(one.source)
        self.links = {link for link in self.links if user not in link[1:]}
        self.opted_out -= {user}

    def _unlearn(self, chat: ChatId, asked: Iterable[Asked]) -> None:
        """What was learned from these goes; what it took the place of may come up again."""
        sources = {one.message for one in asked if one.message is not None and not one.copied}
        self.unlearnable |= sources
        for number, memory in self.memories.items():
            if memory.chat == chat and memory.source in sources and not memory.gone:
                memory.gone = True
                for older in self.memories.values():
                    if older.successor == number:
                        older.successor = memory.successor
