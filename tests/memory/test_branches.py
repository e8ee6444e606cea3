"""Branches: what is written behind a change of branch is in the new one, and so is who answers it."""

import asyncio
import threading

from facts import PRIVATE

from onebot_bot.memory.branches import ONE, Branch, BranchStore
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History


async def test_a_message_behind_a_change_of_branch_is_answered_in_the_new_one(database: Database) -> None:
    """Both are written at once; who waits for the message alone finds the new prompt all the same."""
    branches, history, queued = BranchStore(database), History(database), threading.Event()

    async def say() -> str:
        row = history.append_nowait(PRIVATE, Entry(role="user", text="hi", time=1))
        queued.set()
        await row
        return branches.current(PRIVATE).prompt

    busy = database.submit(lambda _: queued.wait())
    change = asyncio.create_task(branches.put(PRIVATE, ONE.with_new(Branch(prompt="Be brief."))))
    assert await asyncio.create_task(say()) == "Be brief."
    await asyncio.gather(busy, change)
    assert len(await history.recent(PRIVATE, 2)) == 1


async def test_one_answer_brings_its_messages_into_one_branch(database: Database) -> None:
    """What was said before and after a change of branch and is answered at once is, with its answer, in the new one."""
    branches, history = BranchStore(database), History(database)
    before = await history.append(PRIVATE, Entry(role="user", text="hi", time=1, state="pending"))
    await branches.put(PRIVATE, ONE.with_new(Branch(prompt="Be brief.")))
    after = await history.append(PRIVATE, Entry(role="user", text="there?", time=2, state="pending"))
    assert before is not None
    assert after is not None
    await history.answered(PRIVATE, [before, after], [Entry(role="assistant", text="hello", time=3)])
    assert [entry.text for entry in await history.recent(PRIVATE, 5)] == ["hi", "there?", "hello"]
    assert await branches.sizes(PRIVATE) == {2: 3}
