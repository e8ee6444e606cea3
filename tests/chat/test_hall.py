"""Who is told of what comes in."""

from typing import Any

import pytest
from fakes import FakeAccount

from onebot_bot.chat.hall import Hall
from onebot_bot.protocol.events import (
    Event,
    FriendRequest,
    GroupMessage,
    GroupRequest,
    PokeNotice,
    PrivateMessage,
    Sender,
)
from onebot_bot.protocol.segments import Text

COMMON: dict[str, Any] = {"time": 1, "self_id": 10000, "user_id": 5}
SAID: dict[str, Any] = {**COMMON, "message_id": 1, "sender": Sender(user_id=5), "message": (Text("hi"),)}


class Listeners:
    """All of them, in one."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def take(self, event: Event) -> None:
        """A request."""
        self.told.append(("take", type(event)))

    def heard(self, chat: object, user: int) -> None:
        """Somebody is there."""
        self.told.append(("heard", (str(chat), user)))

    def dispatch(self, account: object, event: Event) -> None:
        """For the chats."""
        self.told.append(("dispatch", type(event)))

    def connected(self, account: object = None) -> None:
        """A connection."""
        self.told.append(("connected", account))


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (FriendRequest(**COMMON, flag="f"), [("take", FriendRequest)]),
        (GroupRequest(**COMMON, flag="f", group_id=7, sub_type="invite"), [("take", GroupRequest)]),
        (PrivateMessage(**SAID), [("heard", ("10000/private/5", 5)), ("dispatch", PrivateMessage)]),
        (GroupMessage(**SAID, group_id=7), [("heard", ("10000/group/7", 5)), ("dispatch", GroupMessage)]),
        (
            PokeNotice(**COMMON, group_id=7, target_id=10000),
            [("heard", ("10000/group/7", 5)), ("dispatch", PokeNotice)],
        ),
        (PokeNotice(**COMMON, group_id=7, target_id=8), [("dispatch", PokeNotice)]),
    ],
)
def test_every_event_finds_whom_it_concerns(event: Event, told: list[tuple[str, Any]]) -> None:
    """Requests are no chat's; messages, and pokes at the bot, are also a sign that somebody is there."""
    listeners: Any = Listeners()
    account: Any = FakeAccount()
    Hall(listeners, listeners, listeners, listeners).dispatch(account, event)
    assert listeners.told == told


def test_a_connection_is_told_to_everybody() -> None:
    """The owner first: what could not be told is older than what comes now."""
    listeners: Any = Listeners()
    account: Any = FakeAccount()
    Hall(listeners, listeners, listeners, listeners).connected(account)
    assert listeners.told == [("connected", None), *[("connected", account)] * 3]
