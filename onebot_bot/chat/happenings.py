"""What happens in a chat besides messages: pokes at the bot, and who comes and goes. Pure functions, and a sieve."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from onebot_bot.chat.guards import label
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import Event, GroupDecrease, GroupIncrease, PokeNotice
from onebot_bot.texts import Language, say

Kind = Literal["poked", "joined", "invited", "arrived", "left", "removed"]
"""`arrived`: the bot itself came into a group. As the catalogue's keys end."""

ONCE = 10.0
"""Seconds in which the same counts once: NapCat reports an invited member twice, and people poke in bursts."""
REMEMBERED = 1024


class Happening(Struct, frozen=True):
    """Something that happened."""

    chat: ChatId
    kind: Kind
    time: int
    """Unix seconds."""
    who: int
    """Who poked, came or went."""
    by: int = 0
    """Who invited or removed them; 0: nobody."""

    @property
    def people(self) -> tuple[int, ...]:
        """Who has to be named: others than the bot."""
        if self.kind == "arrived":
            return ()
        return (self.who, self.by) if self.by else (self.who,)


def happening_of(event: Event) -> Happening | None:
    """What the model is told of an event; None: nothing."""
    match event:
        case PokeNotice(self_id=own, target_id=target) if target == own != event.poker_id:
            return Happening(event.chat_id, "poked", event.time, event.poker_id)
        case GroupIncrease():
            return _come(event)
        case GroupDecrease():
            return _gone(event)
        case _:
            return None


def _come(event: GroupIncrease) -> Happening:
    chat = ChatId(event.self_id, "group", event.group_id)
    if event.user_id == event.self_id:
        return Happening(chat, "arrived", event.time, event.user_id)
    if event.sub_type == "invite" and event.operator_id not in (0, event.user_id):
        return Happening(chat, "invited", event.time, event.user_id, event.operator_id)
    return Happening(chat, "joined", event.time, event.user_id)


def _gone(event: GroupDecrease) -> Happening | None:
    """None when the bot itself is out: there is nobody left to tell."""
    chat = ChatId(event.self_id, "group", event.group_id)
    if event.user_id == event.self_id or event.sub_type in ("kick_me", "disband"):
        return None
    if event.sub_type == "kick" and event.operator_id:
        return Happening(chat, "removed", event.time, event.user_id, event.operator_id)
    return Happening(chat, "left", event.time, event.user_id)


def told(happening: Happening, name_of: Callable[[int], str], language: Language) -> str:
    """The line that the model reads; in groups with numbers, since names are not unique."""

    def named(user: int) -> str:
        name = label(name_of(user)) or str(user)
        return f"{name}({user})" if happening.chat.kind == "group" else name

    by = named(happening.by) if happening.by else ""
    return say(language, f"see.{happening.kind}", who=named(happening.who), by=by)


class Sieve:
    """Lets the same happening through once in `ONCE` seconds."""

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[ChatId, Kind, int], float] = OrderedDict()

    def is_new(self, happening: Happening, now: float) -> bool:
        """Whether it has not just been; `now` in clock seconds."""
        key = (happening.chat, happening.kind, happening.who)
        last = self._last.get(key)
        if last is not None and now - last < ONCE:
            return False
        self._last[key] = now
        self._last.move_to_end(key)
        if len(self._last) > REMEMBERED:
            self._last.popitem(last=False)
        return True
