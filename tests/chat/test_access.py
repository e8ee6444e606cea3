"""Who is heard."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fakes import FakeClock, ScriptedEngine
from world import World

from onebot_bot.chat.access import Access, Door
from onebot_bot.chat.router import ChatRouter
from onebot_bot.memory.bans import Bans
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import History
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import At, Text
from onebot_bot.sections.access import AccessConfig
from onebot_bot.sections.bot import BotConfig

OWNER, ADMIN, TOM, ANN = 1, 2, 3, 4
GROUP = 7
BOT = BotConfig(owners=[OWNER], admins=[ADMIN])
ME = At("10000")


@pytest.mark.parametrize(
    ("user", "group", "access", "door"),
    [
        (TOM, 0, {}, Door.OPEN),
        (TOM, GROUP, {}, Door.OPEN),
        (TOM, 0, {"deny_users": [TOM]}, Door.CLOSED),
        (TOM, GROUP, {"deny_users": [TOM]}, Door.CLOSED),
        (TOM, 0, {"users": "allow-list"}, Door.CLOSED),
        (TOM, GROUP, {"users": "allow-list"}, Door.OPEN),
        (TOM, 0, {"users": "allow-list", "allow_users": [TOM]}, Door.OPEN),
        (TOM, 0, {"users": "allow-list", "allow_users": [TOM], "deny_users": [TOM]}, Door.CLOSED),
        (TOM, GROUP, {"deny_groups": [GROUP]}, Door.CLOSED),
        (TOM, GROUP, {"groups": "allow-list"}, Door.CLOSED),
        (TOM, GROUP, {"groups": "allow-list", "allow_groups": [GROUP]}, Door.OPEN),
        (TOM, GROUP, {"groups": "allow-list", "allow_groups": [GROUP], "deny_groups": [GROUP]}, Door.CLOSED),
        (ANN, 0, {}, Door.CLOSED),
        (ANN, GROUP, {}, Door.CLOSED),
        (OWNER, 0, {"users": "allow-list"}, Door.OPEN),
        (ADMIN, 0, {"deny_users": [ADMIN]}, Door.OPEN),
        (OWNER, GROUP, {"deny_groups": [GROUP]}, Door.COMMANDS),
        (ADMIN, GROUP, {"groups": "allow-list"}, Door.COMMANDS),
    ],
)
def test_a_denial_is_stronger_than_a_permission(user: int, group: int, access: dict[str, Any], door: Door) -> None:
    """Ann is banned; owners and bot admins are heard in private, and in every group at least with commands."""
    assert Access(lambda who: who == ANN).door_of(user, group, BOT, AccessConfig(**access)) is door


@pytest.fixture
async def company(engine: ScriptedEngine, clock: FakeClock, tmp_path: Path) -> AsyncIterator[World]:
    """A router over real bans."""
    async with Database(tmp_path / "memory.sqlite3") as database:
        made = World(engine, clock, History(database))
        bans = Bans(database)
        await bans.put(ANN, None, "", OWNER)
        made.configure("bot", owners=[OWNER])
        services = msgspec.structs.replace(made.services(), access=Access(bans.banned))
        async with ChatRouter(services, made, made.accounts, made.sessions, made.fill_gap) as router:
            made.router = router
            yield made


async def test_who_is_banned_is_neither_stored_nor_answered(company: World) -> None:
    """In private, in a group with an @, with a command, and in what was missed."""
    company.say(company.private("hi", ANN))
    company.say(company.group((ME, Text("hi")), ANN))
    company.say(company.private("/help", ANN))
    company.missed = [company.private("missed", ANN)]
    company.router.connected(company.account)
    company.say(company.private("hello", TOM))
    await company.quiet()
    await company.engine.next()
    assert list(company.sessions) == [ChatId(10000, "private", TOM)]
    assert (await company.history.counts()).messages == 1
    assert company.commands.empty()


async def test_a_denied_group_takes_commands_of_the_owner_alone(company: World) -> None:
    """Or nobody could let it in again from there."""
    company.configure("access", deny_groups=[GROUP])
    for user in (TOM, OWNER):
        company.say(company.group((ME, Text("hi")), user, GROUP))
        company.say(company.group(f"/access {user}", user, GROUP))
    assert await company.commands.get() == f"/access {OWNER}"
    assert company.commands.empty()
    assert not company.sessions
