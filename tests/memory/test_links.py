"""Who lets whom see a private chat: what two people change at once holds as it is written."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from onebot_bot.memory.database import Database
from onebot_bot.memory.erasing import forget_person
from onebot_bot.memory.personal import Link, PersonalData
from onebot_bot.protocol.chat_id import ChatId

ME, ANN, BOB = 10000, 1, 2
CHAT = ChatId(ME, "private", ANN)
SEEN = ChatId(ME, "private", BOB)


@pytest.fixture
async def people(database: Database) -> AsyncIterator[PersonalData]:
    """Ann, who sees Bob's chat; at the end what is known is what is on the disk."""
    people = PersonalData(database)
    for side in ("reader", "owner"):
        await people.agree(people.link(ME, ANN, BOB), side)
    assert people.shown(CHAT) == [SEEN]
    yield people
    restarted = PersonalData(database)
    await restarted.restore()
    assert sorted(restarted.links(ME, BOB), key=str) == sorted(people.links(ME, BOB), key=str)


async def test_what_is_revoked_as_others_agree_stays_revoked(people: PersonalData, database: Database) -> None:
    """None of the two brings back what it found."""
    queued = threading.Event()
    busy = database.submit(lambda _: queued.wait())
    changes = [
        asyncio.create_task(people.agree(people.link(ME, 3, BOB), "reader")),
        asyncio.create_task(people.revoke(people.link(ME, ANN, BOB))),
        asyncio.create_task(people.agree(people.link(ME, 4, BOB), "reader")),
    ]
    asyncio.get_running_loop().call_soon(queued.set)
    await asyncio.gather(busy, *changes)
    assert people.shown(CHAT) == []
    assert {link.reader for link in people.links(ME, BOB)} == {3, 4}


@pytest.mark.parametrize("how", ["revoked", "forgotten"])
async def test_who_asks_again_does_not_agree_for_the_other(people: PersonalData, database: Database, how: str) -> None:
    """What the other wants may have changed since it was read."""
    read = people.link(ME, ANN, BOB)
    if how == "revoked":
        await people.revoke(read)
    else:
        await database.write(lambda connection: forget_person(connection, BOB))
        people.forget(BOB)
    assert await people.agree(read, "reader") == Link(ME, ANN, BOB, reader_agrees=True, owner_agrees=False)
    assert people.shown(CHAT) == []
