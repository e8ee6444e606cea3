"""What the admins of a group decided for it, on top of config.toml."""

import msgspec
from msgspec import Struct

from onebot_bot.memory.database import Database, in_chat
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.sections.chat import ChatConfig, Mode


class ChatSettings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One chat's; None: as config.toml says."""

    mode: Mode | None = None
    talk_value: float | None = None
    talk_times: tuple[str, ...] = ()
    """As `chat.talk_times`; those of config.toml hold only where a chat has neither these nor a `talk_value`."""
    quiet_hours: str | None = None
    pictures: bool | None = None
    """Whether long answers may be pictures."""
    profile: str | None = None
    """The profile that answers, by its name in [profiles]; one that is not there any more counts as none."""
    disabled: tuple[str, ...] = ()
    """Commands, by their main names, that are not there in this chat."""
    first_words_since: int = 0
    """Unix second since when the bot may speak first there; 0: it may not."""
    since: int = 0
    """Unix second of the end of the last time that the bot was off here: what was said before is none of its business,
    also when it is asked for what it missed."""


NOTHING = ChatSettings()


def overlaid(config: ChatConfig, own: ChatSettings) -> ChatConfig:
    """The configuration as it holds in a chat."""
    if own is NOTHING:
        return config
    talks = own.talk_value is not None or own.talk_times
    return msgspec.structs.replace(
        config,
        mode=own.mode or config.mode,
        talk_value=config.talk_value if own.talk_value is None else own.talk_value,
        talk_times=list(own.talk_times) if talks else config.talk_times,
        quiet_hours=config.quiet_hours if own.quiet_hours is None else own.quiet_hours,
    )


class ChatSettingsStore:
    """Every chat's settings: read once, since each message asks for them, and written through."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._all: dict[ChatId, ChatSettings] = {}

    async def restore(self) -> None:
        """Read what was decided before this start."""
        sql = "SELECT account, kind, peer, settings FROM chat_settings"
        rows = await self._database.read(lambda connection: connection.execute(sql).fetchall())
        self._all = {ChatId(*chat): msgspec.json.decode(text, type=ChatSettings) for *chat, text in rows}

    def of(self, chat: ChatId) -> ChatSettings:
        """A chat's settings; `NOTHING` itself where nobody decided anything."""
        return self._all.get(chat, NOTHING)

    def spoken_to_first(self) -> list[ChatId]:
        """The chats in which the bot may speak first."""
        return [chat for chat, own in self._all.items() if own.first_words_since]

    async def put(self, chat: ChatId, settings: ChatSettings) -> None:
        """Let these settings hold in a chat from now on, and after a restart.

        Raises:
            StoreError: they could not be written; those before still hold.
        """
        values = (*in_chat(chat), msgspec.json.encode(settings).decode())
        sql = "INSERT OR REPLACE INTO chat_settings VALUES (?, ?, ?, ?)"
        await self._database.write(lambda connection: connection.execute(sql, values).rowcount)
        self._all[chat] = settings

    def forget(self, user: int) -> None:
        """Follow `erasing.forget_person`, which has deleted the rows."""
        self._all = {chat: own for chat, own in self._all.items() if (chat.kind, chat.peer) != ("private", user)}
