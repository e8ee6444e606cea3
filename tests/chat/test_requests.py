"""Friend requests and invitations: by rule, put before the owner, listed after an outage."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fakes import FakeAccount, FakeClock, ScriptedEngine, until
from world import World

from onebot_bot.chat.access import Access
from onebot_bot.chat.requests import Requests, judge
from onebot_bot.errors import ActionFailed, ActionUnknown
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import History
from onebot_bot.memory.requests import MOST_KEPT, Asked, RequestStore
from onebot_bot.protocol.actions import (
    GetDoubtFriendsAddRequest,
    GetGroupSystemMsg,
    SetDoubtFriendsAddRequest,
    SetFriendAddRequest,
    SetGroupAddRequest,
)
from onebot_bot.protocol.events import FriendRequest, GroupRequest
from onebot_bot.sections.bot import BotConfig
from onebot_bot.sections.requests import RequestsConfig
from onebot_bot.texts import say

OWNER, ADMIN, TOM, ANN, BANNED = 1, 2, 3, 4, 5
GROUP = 77
SYSTEM = {
    "invited_requests": [
        {"request_id": 501, "invitor_uin": TOM, "group_id": GROUP, "checked": False},
        {"request_id": 502, "invitor_uin": TOM, "group_id": 78, "checked": True},
        {"request_id": None, "invitor_uin": "x", "group_id": []},
        "nonsense",
    ],
    "join_requests": [{"request_id": 503, "group_id": 79}],
}
DOUBTFUL = [{"flag": "u_1", "uin": str(ANN), "msg": "hello\nthere"}, {"flag": "", "uin": "4"}, None]


def asked(kind: Any = "friend", user: int = TOM, **fields: Any) -> Asked:
    """A request."""
    return Asked(account=10000, kind=kind, flag="f", user=user, came=1, **fields)


@pytest.mark.parametrize(
    ("config", "one", "verdict"),
    [
        ({}, asked(), "ask"),
        ({}, asked("group", group=GROUP), "ask"),
        ({}, asked("doubt"), "ask"),
        ({}, asked(user=OWNER), "accept"),
        ({}, asked("group", ADMIN, group=GROUP), "accept"),
        ({"friends": "ignore"}, asked(user=OWNER), "ignore"),
        ({"friends": "reject"}, asked(), "reject"),
        ({"friends": "accept"}, asked(), "accept"),
        ({"friends": "accept"}, asked("doubt"), "ask"),
        ({"friends": "accept"}, asked("group", group=GROUP), "ask"),
        ({"groups": "accept"}, asked("group", group=GROUP), "accept"),
        ({"groups": "ignore"}, asked("group", group=GROUP), "ignore"),
        ({"friends": "list", "people": [TOM]}, asked(), "accept"),
        ({"friends": "list", "people": [ANN]}, asked(), "ask"),
        ({"groups": "list", "people": [TOM]}, asked("group", group=GROUP), "accept"),
        ({"groups": "list", "invited_to": [GROUP]}, asked("group", group=GROUP), "accept"),
        ({"groups": "list", "invited_to": [78]}, asked("group", group=GROUP), "ask"),
        ({"friends": "answer", "answers": ["Blue"]}, asked(comment="问题：颜色？\n回答：ｂｌｕｅ!"), "accept"),
        ({"friends": "answer", "answers": ["blue"]}, asked(comment="问题：is it blue?回答：red"), "ask"),
        ({"friends": "answer", "answers": []}, asked(comment="blue"), "ask"),
    ],
)
def test_the_rules(config: dict[str, Any], one: Asked, verdict: str) -> None:
    """Where a rule does not fit, the owner is asked; owners and bot admins need not be."""
    bot = BotConfig(owners=[OWNER], admins=[ADMIN])
    assert judge(one, RequestsConfig(**config), bot) == verdict


class Listing(FakeAccount):
    """An account that lists what came while it was away."""

    def __init__(self) -> None:
        super().__init__()
        self.lists: dict[type, object] = {}

    async def call(self, action: Any, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - the real one's
        """A list, or nothing for what the test did not give one."""
        if isinstance(action, GetGroupSystemMsg | GetDoubtFriendsAddRequest):
            if type(action) not in self.lists:
                raise ActionFailed(action.name, 1404, "不支持的Api")
            return self.lists[type(action)]
        return await super().call(action, timeout)


class Hall(World):
    """Requests over a real store."""

    def __init__(self, engine: ScriptedEngine, clock: FakeClock, database: Database) -> None:
        super().__init__(engine, clock, History(database))
        self.account = Listing()
        self.accounts[10000] = self.account
        self.store = RequestStore(database)
        self.told: list[str] = []
        self.day = "2026-11-21"
        self.configure("bot", owners=[OWNER])
        self.requests = Requests(
            self.store,
            accounts=self.accounts,
            settings=lambda: self.settings,
            access=Access(lambda user: user == BANNED),
            tell=self.tell,
            report=self.report,
            clock=clock,
            today=lambda: self.day,
        )

    async def tell(self, text: str) -> None:
        """Note it."""
        self.told.append(text)

    def friend(self, user: int = TOM, flag: str = "f", comment: str = "") -> None:
        """A friend request comes."""
        self.requests.take(FriendRequest(time=9, self_id=10000, user_id=user, flag=flag, comment=comment))

    def invite(self, user: int = TOM, sub_type: str = "invite") -> None:
        """An invitation comes."""
        self.requests.take(
            GroupRequest(time=9, self_id=10000, user_id=user, group_id=GROUP, flag="g", sub_type=sub_type)
        )

    async def done(self) -> None:
        """Until nothing is under way; nobody hesitates longer than four seconds."""

        def over() -> bool:
            if self.clock.sleeping:
                self.clock.advance(4)
            return not self.requests._owned

        await until(over)

    async def waiting(self) -> list[int]:
        """Who waits for a decision."""
        return [one.user for one in await self.requests.waiting(10)]


@pytest.fixture
async def hall(engine: ScriptedEngine, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Hall]:
    """Open."""
    async with Database(tmp_path / "m.sqlite3") as database:
        made = Hall(engine, clock, database)
        async with made.requests:
            yield made


async def test_the_owner_is_asked_and_decides(hall: Hall) -> None:
    """With the line's id; decided once."""
    hall.friend(comment="我是\n小明")
    await hall.done()
    line = say("zh", "request.friend", id=1, user=TOM, comment="：我是 小明")
    assert hall.told == [say("zh", "request.asked", line=line, prefix="/", id=1)]
    assert (await hall.requests.decide(1, accept=True)) is not None
    assert await hall.account.next() == SetFriendAddRequest("f", approve=True)
    assert await hall.requests.decide(1, accept=False) is None
    hall.invite()
    await hall.done()
    await hall.requests.decide(2, accept=False, reason="不认识")
    assert await hall.account.next() == SetGroupAddRequest("g", approve=False, reason="不认识")


async def test_a_rule_accepts_after_a_moment(hall: Hall) -> None:
    """And rejects; nobody is told."""
    hall.configure("requests", friends="accept", groups="reject")
    hall.friend()
    await until(lambda: bool(hall.clock.sleeping))
    assert hall.account.sent.empty()
    await hall.done()
    assert await hall.account.next() == SetFriendAddRequest("f", approve=True)
    hall.invite()
    await hall.done()
    assert await hall.account.next() == SetGroupAddRequest("g", approve=False)
    assert hall.told == []
    assert await hall.waiting() == []


async def test_one_request_that_is_reported_often_is_one(hall: Hall) -> None:
    """Also with another flag while it waits, which is then the one that counts; decided, the same is not news."""
    for flag in ("f", "f", "g"):
        hall.friend(flag=flag)
    await hall.done()
    assert len(hall.told) == 1
    await hall.requests.decide(1, accept=True)
    assert await hall.account.next() == SetFriendAddRequest("g", approve=True)
    hall.friend(flag="g")
    await hall.done()
    assert len(hall.told) == 1


async def test_ignored_are_those_denied_and_what_is_not_ours(hall: Hall) -> None:
    """Who is banned, a group on the deny list, and who wants to join a group."""
    hall.configure("access", deny_groups=[GROUP])
    hall.friend(BANNED)
    hall.invite()
    await hall.done()
    hall.configure("access", deny_groups=[])
    hall.invite(sub_type="add")
    hall.configure("requests", friends="ignore")
    hall.friend()
    await hall.done()
    assert hall.told == []
    assert await hall.waiting() == []


async def test_a_day_has_a_cap(hall: Hall) -> None:
    """What is beyond waits in the list; the next day counts anew."""
    hall.configure("requests", friends="accept", per_day=2)
    for user in (10, 11, 12):
        hall.friend(user)
    await hall.done()
    assert [(await hall.account.next()).approve for _ in range(hall.account.sent.qsize())] == [True, True]
    assert hall.told == [say("zh", "request.full", count=2, prefix="/")]
    assert await hall.waiting() == [12]
    hall.day = "2026-11-22"
    hall.friend(13)
    await hall.done()
    assert await hall.account.next() == SetFriendAddRequest("f", approve=True)


async def test_what_fails_waits_and_is_told(hall: Hall) -> None:
    """The owner can still decide."""
    hall.configure("requests", friends="accept")
    hall.account.failures = [ActionUnknown("no answer")]
    hall.friend()
    await hall.done()
    assert (await hall.reports.get())[0] == "report.request"
    assert await hall.waiting() == [TOM]
    hall.account.failures = [ActionUnknown("no answer")]
    with pytest.raises(ActionUnknown):
        await hall.requests.decide(1, accept=True)
    assert await hall.waiting() == [TOM]


async def test_what_came_during_an_outage_is_asked_for(hall: Hall) -> None:
    """Invitations and doubtful friend requests, once; malformed entries and clients without lists do no harm."""
    hall.requests.connected(hall.account)
    await hall.done()
    assert hall.told == []
    hall.account.lists = {GetGroupSystemMsg: SYSTEM, GetDoubtFriendsAddRequest: DOUBTFUL}
    for _ in range(2):
        hall.requests.connected(hall.account)
        await hall.done()
    lines = [
        say("zh", "request.group", id=1, user=TOM, group=GROUP, comment=""),
        say("zh", "request.doubt", id=2, user=ANN, comment="：hello there"),
    ]
    told = [say("zh", "request.asked", line=line, prefix="/", id=number) for number, line in enumerate(lines, 1)]
    assert hall.told == told
    await hall.requests.decide(1, accept=True)
    assert await hall.account.next() == SetGroupAddRequest("501", approve=True)
    await hall.requests.decide(2, accept=True)
    assert await hall.account.next() == SetDoubtFriendsAddRequest("u_1")


async def test_a_doubtful_one_is_rejected_by_leaving_it(hall: Hall) -> None:
    """NapCat would accept it whatever it is told."""
    hall.account.lists = {GetDoubtFriendsAddRequest: DOUBTFUL}
    hall.requests.connected(hall.account)
    await hall.done()
    assert await hall.requests.decide(1, accept=False) is not None
    assert hall.account.sent.empty()


async def test_a_flood_pushes_out_the_oldest(hall: Hall) -> None:
    """The table does not grow without end, nor does what a stranger wrote."""
    await asyncio.gather(
        *(hall.store.add(msgspec.structs.replace(asked(), user=user)) for user in range(1, MOST_KEPT + 3))
    )
    assert await hall.store.find(1) is None
    assert await hall.store.find(2) is None
    assert await hall.store.find(3) is not None
    hall.friend(5000, comment="x" * 5000)
    await hall.done()
    assert len((await hall.requests.waiting(1))[0].comment) == 200
