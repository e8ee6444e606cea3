"""What a message means: whose business it is, whom it calls, whether it is to be answered, what goes on record."""

from collections import OrderedDict
from collections.abc import Mapping

from onebot_bot.chat.access import Door
from onebot_bot.chat.guards import clean_name
from onebot_bot.chat.keeping import quoted_along, worth_keeping
from onebot_bot.chat.participation import Decision, Freshness, Seen, Trigger, asked_by, find_trigger, mentions
from onebot_bot.chat.readable import names_in, readable
from onebot_bot.chat.services import Services
from onebot_bot.chat.session import ChatSession
from onebot_bot.memory.history import LONGEST, Entry
from onebot_bot.memory.quoting import quote_of
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import GroupMessage, Message, PrivateMessage
from onebot_bot.transport.account import Account

CLAIMS = 1024
"""Group messages remembered as one account's to answer."""
CLAIM_SECONDS = 86400.0
"""Nobody answers what is older, whichever account sees it."""
LONGEST_NUMBER = 32
"""Characters of QQ's own number of a message."""


class Intake:
    """Of all chats and accounts."""

    def __init__(self, services: Services, accounts: Mapping[int, Account]) -> None:
        self._services = services
        self._accounts = accounts
        self._claimed: OrderedDict[tuple[int, str], tuple[int, float]] = OrderedDict()
        """Group messages that one of our accounts answers by name, so that the others in the group do not; and since
        when, clock seconds, the oldest first."""

    def door(self, message: Message) -> Door:
        """How far the bot lets it in."""
        settings = self._services.settings()
        return self._services.access.door(message, settings.bot, settings.access)

    def may_command(self, message: Message) -> bool:
        """Neither bots nor ourselves; and of several accounts in a group, one carries it out."""
        if self.ignores(message.user_id):
            return False
        return isinstance(message, PrivateMessage) or mentions(message) or self._claim(message)

    def called(self, message: Message) -> Trigger | None:
        """How it calls the bot; None: it does not."""
        if (trigger := asked_by(message)) is not None:
            return trigger
        bot, cast = self._services.settings().bot, self._services.cast
        return find_trigger(message, cast.names(message.chat_id, message.user_id, bot) if cast else bot.names)

    def decide(self, session: ChatSession, message: Message, called: Trigger | None, freshness: Freshness) -> Decision:
        """Whether to answer."""
        services = self._services
        group = isinstance(message, GroupMessage)
        ignored = self.ignores(message.user_id)
        seen = Seen(
            user=message.user_id,
            group=group,
            called=called,
            freshness=freshness,
            ignored=ignored,
            elsewhere=called in (None, Trigger.NAME) and not ignored and not self._claim(message),
            owed=session.is_owed(message.user_id),
            busy=session.busy or services.rest.resting,
        )
        chat = services.settings().chat
        return services.presence.decide(session.chat, seen, chat, services.clock.time())

    def _speaks_in(self, chat: ChatId) -> bool:
        return self._services.presence.mode(chat, self._services.settings().chat) == "on"

    def ignores(self, user: int) -> bool:
        """Whether the bot never answers somebody: one of its own accounts, or another bot."""
        return user in self._accounts or user in self._services.settings().chat.bots

    def _claim(self, message: Message) -> bool:
        """Whether this account is the first of ours to see a message that is for none of them in particular."""
        if not isinstance(message, GroupMessage) or not message.real_seq or not self._speaks_in(message.chat_id):
            return True
        key = (message.group_id, message.real_seq[:LONGEST_NUMBER])
        if (claim := self._claimed.get(key)) is not None:
            return claim[0] == message.self_id
        now = self._services.clock.time()
        while self._claimed and (len(self._claimed) >= CLAIMS or now - self._oldest_claim >= CLAIM_SECONDS):
            self._claimed.popitem(last=False)
        self._claimed[key] = message.self_id, now
        return True

    @property
    def _oldest_claim(self) -> float:
        return next(iter(self._claimed.values()))[1]

    def entry(self, message: Message, quoted: Entry | None) -> Entry:
        """What goes on record; with no text in it there is nothing to record."""
        bot = self._services.settings().bot
        language = bot.language
        text = readable(message.message, language, names_in(message.self_id, bot))
        if quoted is not None:
            name = quoted.name or str(quoted.user_id)
            text = quote_of(language, name, quoted.text) + text
        return Entry(
            role="user",
            text=text[:LONGEST],
            time=message.time,
            user_id=message.user_id,
            name=self._name(message),
            message_id=message.message_id,
            segments=worth_keeping((*message.message, *quoted_along(quoted))),
            reply_to=quoted.message_id if quoted is not None else None,
        )

    def _name(self, message: Message) -> str:
        """What the sender goes by; empty, which means the number, where the word list speaks against it."""
        name = clean_name(message.sender.name)
        return "" if name and self._services.guard.refuses(name) else name
