"""Who waits for writes is told in order, and not all at once."""

import asyncio

from onebot_bot.memory.writer import TOLD_AT_ONCE, Outcome, Settlement


async def test_many_are_told_in_order_with_turns_in_between() -> None:
    """A great batch, and another behind it: whoever was told first may act before the last is."""
    loop = asyncio.get_running_loop()
    waiting = [loop.create_future() for _ in range(3 * TOLD_AT_ONCE)]
    told: list[int] = []
    for future in waiting:
        future.add_done_callback(lambda done: told.append(done.result()))
    outcomes = [Outcome(future, number, None) for number, future in enumerate(waiting)]
    settlement = Settlement(loop)
    settlement.take(outcomes[:-5])
    settlement.take(outcomes[-5:])
    assert sum(future.done() for future in waiting) == TOLD_AT_ONCE
    await asyncio.gather(*waiting)
    assert told == list(range(len(waiting)))
