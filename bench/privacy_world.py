"""What people, admins and the operator do to a bot at random."""

import asyncio
import sqlite3
from datetime import UTC
from pathlib import Path
from random import Random

from bench.privacy_book import Asked, Exchange, Known
from bench.privacy_bot import CHATS, OWNER, PEOPLE, Bot, patiently
from onebot_bot.errors import StoreError
from onebot_bot.importing.importer import Job, bring_in
from onebot_bot.memory.rows import Extracted
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import At, Text

EXPORT = """消息记录（此消息记录为文本格式，不支持重新导入）

================================================================
消息分组:我的QQ群
================================================================
消息对象:{chat}
================================================================

2023-01-02 12:34:{second:02} someone({user})
{words}
"""
DEEDS = {
    "say": 16,
    "off_record": 1,
    "undo": 2,
    "edit": 2,
    "go_on": 1,
    "recall": 2,
    "reset": 1,
    "branch_off": 3,
    "delete_branch": 1,
    "refer": 3,
    "opt": 2,
    "learn": 8,
    "forget_memory": 2,
    "share": 1,
    "forget_person": 1,
    "ban": 1,
    "bring_in": 1,
    "restart": 1,
}
"""What people and the operator do, and how often."""


class World(Bot):
    """One bot in one folder, and all that is done to it. An async context manager."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.done: list[str] = []
        """The names of the deeds that came about."""

    async def do(self, seed: int) -> None:
        """Something that somebody does somewhere, as the seed says."""
        rng = Random(seed)
        name = rng.choices(list(DEEDS), list(DEEDS.values()))[0]
        chat = rng.choices(CHATS, (8, 6, 1, 4, 1, 4, 1, 1, 2, 1))[0]
        user = chat.peer if chat.kind == "private" else rng.choice(PEOPLE)
        if await getattr(self, f"_{name}")(chat, user, rng):
            self.done.append(name)

    # --- talking ---

    async def _say(self, chat: ChatId, user: int, _rng: Random) -> bool:
        token = self.new_token("q")
        if user in self.banned:
            return await self._say_unheard(chat, user, token)
        exchange = Exchange([Asked(token, user, None)], [])
        self.book.own(chat, self.branch(chat)).append(exchange)
        reply = await self.exchange(chat, user, f"{token} is on my mind")
        exchange.asked[0].message = reply.message
        if user in self.book.opted_out:
            self.book.unlearnable.add(reply.message)
        exchange.answers += reply.answers
        assert token in reply.shown
        return True

    async def _say_unheard(self, chat: ChatId, user: int, token: str) -> bool:
        """A banned person speaks: neither now nor ever is it shown."""
        client = self.clients[chat.account]
        group = chat.kind == "group"
        await client.send_event(
            client.group_message(chat.peer, user, (At(str(chat.account)), Text(token)))
            if group
            else client.private_message(user, token)
        )
        await self.exchange(ChatId(chat.account, "private", OWNER), OWNER, "/sid")
        return True

    async def _off_record(self, chat: ChatId, user: int, _rng: Random) -> bool:
        if user in self.banned:
            return False
        self.unsaved = {token := self.new_token("n")}
        reply = await self.exchange(chat, user, f"/nosave {token} is a secret")
        assert token in reply.shown
        self.unsaved = set()
        return True

    async def _go_on(self, chat: ChatId, user: int, _rng: Random) -> bool:
        if user in self.banned:
            return False
        reply = await self.exchange(chat, user, "/continue")
        if reply.answers:
            self.book.own(chat, self.branch(chat)).append(Exchange([], list(reply.answers)))
        return bool(reply.answers)

    async def _undo(self, chat: ChatId, user: int, _rng: Random) -> bool:
        if user in self.banned:
            return False
        await self.exchange(chat, user, "/undo")
        self.book.undo(chat, self.branch(chat))
        return True

    async def _edit(self, chat: ChatId, user: int, _rng: Random) -> bool:
        exchanges = self.book.own(chat, self.branch(chat))
        last = exchanges[-1] if exchanges else None
        # Of the last exchange only, and while it is whole: else it is less certain what is said anew.
        if user in self.banned or last is None or not last.answers or [one.author for one in last.asked] != [user]:
            return False
        token = self.new_token("q")
        exchange = self.book.edit(chat, self.branch(chat), user, token)
        reply = await self.exchange(chat, user, f"/edit {token} is what I meant")
        exchange.answers += reply.answers
        return True

    async def _recall(self, chat: ChatId, _user: int, rng: Random) -> bool:
        said = [one for exchange in self.book.own(chat, self.branch(chat)) for one in exchange.asked]
        found = rng.choice(said) if said else None
        if found is None or found.message is None:
            return False
        await self._take_back(chat, found.author, found.message)
        self.book.recall(chat, found.message)
        return True

    async def _take_back(self, chat: ChatId, user: int, message: int) -> None:
        event = {"time": 1, "self_id": chat.account, "post_type": "notice", "user_id": user, "message_id": message}
        group = {"notice_type": "group_recall", "group_id": chat.peer, "operator_id": user}
        await self.clients[chat.account].send_event(
            {**event, **(group if chat.kind == "group" else {"notice_type": "friend_recall"})}
        )
        await patiently(self._until_hidden(chat, message))

    async def _until_hidden(self, chat: ChatId, message: int) -> None:
        # Nothing tells when it is done; each look is a query that takes its turn behind it.
        while not await self.app.stores.database.read(lambda connection: _hidden(connection, chat, message)):  # noqa: ASYNC110 - see above
            await asyncio.sleep(0)

    # --- branches and people ---

    async def _reset(self, chat: ChatId, user: int, _rng: Random) -> bool:
        if user in self.banned:
            return False
        await self.exchange(chat, user, "/reset")
        self.book.own(chat, self.branch(chat)).clear()
        return True

    async def _branch_off(self, chat: ChatId, user: int, rng: Random) -> bool:
        if user in self.banned:
            return False
        known, before = self.app.stores.branches.of(chat), self.branch(chat)
        verb = rng.choice(["new", "clone", f"switch {rng.choice(known.all).number}"])
        await self.exchange(chat, user, f"/branch {verb}")
        now = self.branch(chat)
        if verb == "clone" and now != before:
            self.book.clone(chat, before, now)
        return now != before

    async def _delete_branch(self, chat: ChatId, user: int, rng: Random) -> bool:
        number = rng.choice(self.app.stores.branches.of(chat).all).number
        if user in self.banned or number == 1:
            return False
        await self.exchange(chat, user, f"/branch delete {number} -y")
        self.book.own(chat, number).clear()
        return True

    async def _refer(self, chat: ChatId, user: int, rng: Random) -> bool:
        """Two people agree that one sees the other's chat, or one of them no longer does."""
        account, owner = chat.account, rng.choice([other for other in PEOPLE if other != user])
        if {user, owner} & self.banned:
            return False
        mine, theirs = ChatId(account, "private", user), ChatId(account, "private", owner)
        if (link := (account, user, owner)) in self.book.links:
            await self.exchange(mine, user, f"/ref revoke {owner}")
            self.book.links -= {link, (account, owner, user)}
            return True
        await self.exchange(mine, user, f"/ref ask {owner}")
        await self.exchange(theirs, owner, f"/ref allow {user}")
        self.book.links.add(link)
        return True

    async def _opt(self, chat: ChatId, user: int, _rng: Random) -> bool:
        if user in self.banned:
            return False
        out = user not in self.book.opted_out
        await self.exchange(chat, user, "/optout" if out else "/optin")
        self.book.opted_out ^= {user}
        self.book.unlearnable |= self._heard_of(user)
        return True

    def _heard_of(self, user: int) -> set[int]:
        said = [one for exchanges in self.book.said.values() for exchange in exchanges for one in exchange.asked]
        return {one.message for one in said if one.author == user and one.message is not None}

    async def _forget_person(self, chat: ChatId, user: int, _rng: Random) -> bool:
        if user in self.banned:
            return False
        await self.exchange(chat, user, "/forget me -y")
        self.book.forget_person(user)
        return True

    async def _ban(self, chat: ChatId, user: int, _rng: Random) -> bool:
        verb = "unban" if user in self.banned else "ban"
        await self.exchange(ChatId(chat.account, "private", OWNER), OWNER, f"/{verb} {user}")
        self.banned ^= {user}
        return True

    # --- memories ---

    async def _learn(self, chat: ChatId, _user: int, rng: Random) -> bool:
        """As a reading of the chat does it; now and then something older is no longer so."""
        exchanges = self.book.own(chat, self.branch(chat))
        said = [one for exchange in exchanges for one in exchange.asked if one.message is not None and not one.copied]
        if not said:
            return False
        source = rng.choice(said)
        row = await self.app.stores.database.read(lambda connection: _row(connection, chat, source.message))
        older = [n for n, one in self.book.memories.items() if one.chat == chat and not one.gone and not one.successor]
        old = tuple(rng.sample(older, 1)) if older and rng.random() < 0.3 else ()
        token = self.new_token("m")
        text = f"{token} {rng.getrandbits(64):x} {rng.getrandbits(64):x}"
        self.engine.probes.add(text)
        try:
            memory = await self.app.memories.learn(
                Extracted(text=text, chat=chat, speaker=source.author, source_ids=(row,), supersedes=old)
            )
        except StoreError:
            assert source.message in self.book.unlearnable
            return False
        assert source.message not in self.book.unlearnable
        self.book.memories[memory.id] = Known(token, chat, source.author, source.message or 0)
        for number in old:
            self.book.memories[number].successor = memory.id
        return True

    def _active(self, chat: ChatId, rng: Random) -> int | None:
        found = [n for n, one in self.book.memories.items() if one.chat == chat and not one.gone and not one.successor]
        return rng.choice(found) if found else None

    async def _forget_memory(self, chat: ChatId, _user: int, rng: Random) -> bool:
        number = self._active(chat, rng)
        if number is not None:
            await self.app.memories.forget(chat, number)
            self.book.forget_memory(number)
        return number is not None

    async def _share(self, chat: ChatId, _user: int, rng: Random) -> bool:
        number = self._active(chat, rng)
        if number is not None:
            known = self.book.memories[number]
            known.shared = not known.shared
            await self.app.stores.memories.share(number, shared=known.shared)
        return number is not None

    # --- the operator ---

    async def _bring_in(self, chat: ChatId, user: int, _rng: Random) -> bool:
        token = self.new_token("i")
        text = EXPORT.format(chat=chat.peer, user=user, words=f"{token} was long ago", second=next(self.numbers) % 60)
        file = self.folder / f"{token}.txt"
        await asyncio.to_thread(file.write_text, text, encoding="utf-8")
        job = Job(file=file, chat=chat, me=frozenset([str(chat.account)]), zone=UTC, language="en")
        assert await bring_in(job, self.app.stores.history) == 1
        self.book.imported.append((chat, user, token))
        return True

    async def _restart(self, _chat: ChatId, _user: int, _rng: Random) -> bool:
        await self.restart()
        return True


def _hidden(connection: sqlite3.Connection, chat: ChatId, message: int) -> bool:
    """Whether a message and all copies of it are out of view."""
    sql = """SELECT count(*) FROM messages WHERE hidden = 0 AND account = ? AND kind = ? AND peer = ?
        AND (message_id = ? OR copy_of IN (SELECT id FROM messages WHERE account = ? AND kind = ? AND peer = ?
        AND message_id = ?))"""
    values = (chat.account, chat.kind, chat.peer, message)
    return int(connection.execute(sql, (*values, *values)).fetchone()[0]) == 0


def _row(connection: sqlite3.Connection, chat: ChatId, message: int | None) -> int:
    sql = "SELECT id FROM messages WHERE account = ? AND kind = ? AND peer = ? AND message_id = ?"
    return int(connection.execute(sql, (chat.account, chat.kind, chat.peer, message)).fetchone()[0])
