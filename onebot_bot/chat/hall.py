"""Behind the door: who is told of what comes in."""

from dataclasses import dataclass

from onebot_bot.chat.initiative import Initiative
from onebot_bot.chat.reports import Reports
from onebot_bot.chat.requests import Requests
from onebot_bot.chat.router import ChatRouter
from onebot_bot.protocol.events import Event, FriendRequest, GroupMessage, GroupRequest, PokeNotice, PrivateMessage
from onebot_bot.transport.account import Account


@dataclass(frozen=True)
class Hall:
    """All that listens."""

    router: ChatRouter
    reports: Reports
    requests: Requests
    initiative: Initiative

    def connected(self, account: Account) -> None:
        """An account has a new connection."""
        self.reports.connected()
        self.router.connected(account)
        self.requests.connected(account)
        self.initiative.connected(account)

    def dispatch(self, account: Account, event: Event) -> None:
        """An event came; never waits."""
        match event:
            case FriendRequest() | GroupRequest():
                self.requests.take(event)
                return
            case GroupMessage() | PrivateMessage():
                self.initiative.heard(event.chat_id, event.user_id)
            case PokeNotice(self_id=own, target_id=target) if target == own:
                self.initiative.heard(event.chat_id, event.poker_id)
        self.router.dispatch(account, event)
