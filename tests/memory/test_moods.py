"""onebot_bot.memory.moods."""

from onebot_bot.memory.database import Database
from onebot_bot.memory.moods import EVERYBODY, KEPT_SECONDS, Mood, MoodStore
from onebot_bot.protocol.chat_id import ChatId

HERE, THERE = ChatId(1, "group", 7), ChatId(1, "group", 8)
GLAD, SAD = Mood(0.5, 0.25, 1000.0, "开心"), Mood(-0.5, -0.25, 2000.0, "难过")


async def test_moods_are_kept_by_chat_and_person(database: Database) -> None:
    """The last one holds; where there is none it is neutral."""
    store = MoodStore(database)
    await store.put(HERE, {EVERYBODY: SAD, 5: SAD})
    await store.put(HERE, {EVERYBODY: GLAD})
    assert await store.of(HERE, 5) == (GLAD, SAD)
    assert await store.of(HERE, 6) == (GLAD, Mood())
    assert await store.of(THERE, 5) == (Mood(), Mood())


async def test_a_mood_is_forgotten_alone(database: Database) -> None:
    """The others stay."""
    store = MoodStore(database)
    await store.put(HERE, {EVERYBODY: GLAD, 5: SAD})
    await store.forget(HERE, 5)
    assert await store.of(HERE, 5) == (GLAD, Mood())
    await store.forget(HERE)
    assert await store.of(HERE, 5) == (Mood(), Mood())


async def test_what_has_long_faded_is_dropped(database: Database) -> None:
    """Only that."""
    store = MoodStore(database, clock=lambda: 1500.0 + KEPT_SECONDS)
    await store.put(HERE, {EVERYBODY: GLAD, 5: SAD})
    await store.prune()
    assert await store.of(HERE, 5) == (Mood(), SAD)
