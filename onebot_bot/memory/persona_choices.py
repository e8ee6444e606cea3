"""Which persona was chosen for a chat, or by single people in it."""

# ruff: noqa: S608 - the statement is put together from this file's constants; values are always bound
from onebot_bot.memory.database import Database, in_chat
from onebot_bot.protocol.chat_id import ChatId

EVERYBODY = 0
"""In place of a user: the chat as a whole."""


class PersonaChoices:
    """Every choice: read once, since each message asks for them, and written through."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._all: dict[tuple[ChatId, int], str] = {}

    async def restore(self) -> None:
        """Read what was chosen before this start."""
        sql = "SELECT persona, user, account, kind, peer FROM personas_chosen"
        rows = await self._database.read(lambda connection: connection.execute(sql).fetchall())
        self._all = {(ChatId(*chat), user): persona for persona, user, *chat in rows}

    def of(self, chat: ChatId, user: int = EVERYBODY) -> str:
        """The persona chosen for a chat, or by a person there; empty: none."""
        return self._all.get((chat, user), "")

    def chosen_by(self, user: int) -> dict[ChatId, str]:
        """What a person chose for themselves, by chat."""
        return {chat: persona for (chat, who), persona in self._all.items() if _is_of(chat, who, user)}

    def forget(self, user: int) -> None:
        """Follow `erasing.forget_person`, which has deleted the rows."""
        self._all = {key: persona for key, persona in self._all.items() if not _is_of(*key, user)}

    async def put(self, chat: ChatId, user: int, persona: str) -> None:
        """Choose a persona, or none if it is empty, from now on and after a restart.

        Raises:
            StoreError: it could not be written; what was chosen before still holds.
        """
        here = "account = ? AND kind = ? AND peer = ? AND user = ?"
        values = (*in_chat(chat), user)
        if persona:
            sql = "INSERT OR REPLACE INTO personas_chosen VALUES (?, ?, ?, ?, ?)"
            await self._database.write(lambda connection: connection.execute(sql, (*values, persona)).rowcount)
            self._all[chat, user] = persona
        else:
            sql = f"DELETE FROM personas_chosen WHERE {here}"
            await self._database.write(lambda connection: connection.execute(sql, values).rowcount)
            self._all.pop((chat, user), None)


def _is_of(chat: ChatId, who: int, user: int) -> bool:
    """Whether `user` made that choice: `who` did, and all of a private chat is its person's."""
    return user in {who, chat.peer if chat.kind == "private" else who}
