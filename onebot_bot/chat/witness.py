"""Sees what happens in the chats besides messages, names who is in it, and decides whether a poke is answered."""

from collections.abc import Callable

from onebot_bot.chat.access import Door
from onebot_bot.chat.errands import Errand, Gate
from onebot_bot.chat.happenings import Happening, Sieve, told
from onebot_bot.chat.participation import Seen, Trigger
from onebot_bot.chat.services import Services
from onebot_bot.chat.session import ChatSession
from onebot_bot.memory.history import Entry
from onebot_bot.transport.account import Account


class Witness:
    """Of all chats."""

    def __init__(self, services: Services, gate: Gate) -> None:
        self._services = services
        self._gate = gate
        self._sieve = Sieve()

    def heeds(self, happening: Happening) -> bool:
        """Whether it is the bot's business, and no news of a moment ago once more."""
        services, chat = self._services, happening.chat
        settings = services.settings()
        group = chat.peer if chat.kind == "group" else 0
        if services.access.door_of(happening.who, group, settings.bot, settings.access) is not Door.OPEN:
            return False
        heard = services.presence.listens(chat, settings.chat, happening.time)
        return heard and self._sieve.is_new(happening, services.clock.time())

    async def entry(self, account: Account, happening: Happening) -> Entry:
        """What goes on record of it."""
        known = {user: name for user, name, _ in await self._services.history.speakers(happening.chat)}
        errand = Errand(account, self._services.clock, self._gate)
        names = {user: known.get(user) or await errand.name(happening.chat, user) for user in happening.people}
        # Names that the word list speaks against are numbers, as they are before messages.
        fit = {user: "" if self._services.guard.refuses(name) else name for user, name in names.items()}
        text = told(happening, lambda user: fit.get(user, ""), self._services.settings().bot.language)
        name = fit.get(happening.who, "")
        return Entry(role="event", text=text, time=happening.time, user_id=happening.who, name=name)

    def trigger(self, happening: Happening, session: ChatSession, ignores: Callable[[int], bool]) -> Trigger | None:
        """Why to answer it; None: it is only seen."""
        config, user = self._services.settings().chat, happening.who
        if happening.kind != "poked" or not config.answer_pokes:
            return None
        seen = Seen(
            user=user,
            group=happening.chat.kind == "group",
            called=Trigger.POKE,
            ignored=ignores(user),
            owed=session.is_owed(user),
        )
        return self._services.presence.decide(happening.chat, seen, config, self._services.clock.time()).trigger
