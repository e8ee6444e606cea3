"""What is recorded of a chat, and what of it the model sees."""

import asyncio
import itertools
import sqlite3
from functools import partial

import pytest

from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Counts, Entry, History, Role, State
from onebot_bot.protocol.chat_id import ChatId

GROUP = ChatId(10000, "group", 20000)
OTHER = ChatId(10000, "group", 20001)
PRIVATE = ChatId(10000, "private", 20000)

ids = itertools.count(1)


@pytest.fixture
def history(database: Database) -> History:
    """The history under test, with a clock that stands still."""
    return History(database, clock=lambda: 1_000.0)


def said(text: str, time: int = 100, *, state: State = "heard", message_id: int | None = None) -> Entry:
    """What somebody said; an id of its own when none is given."""
    return Entry(
        role="user", text=text, time=time, user_id=5, name="Kir", message_id=message_id or next(ids), state=state
    )


def answer(text: str, time: int = 100, role: Role = "assistant") -> Entry:
    """What the bot said."""
    return Entry(role=role, text=text, time=time)


async def texts(history: History, chat: ChatId = GROUP, limit: int = 100) -> list[str]:
    """The texts in the model's view."""
    return [entry.text for entry in await history.recent(chat, limit)]


async def turn(history: History, question: str, reply: str, time: int = 100) -> int:
    """One question and its answer; the row of the question."""
    row = await history.append(GROUP, said(question, time, state="pending"))
    assert row is not None
    await history.answered(GROUP, [row], [answer(reply, time)])
    return row


async def test_an_entry_comes_back_as_it_was(history: History) -> None:
    """Every field survives, and the row's number is filled in."""
    entry = Entry(
        role="user",
        text="你好 <recall>",
        time=123,
        user_id=5,
        name="Kir 🐇",
        message_id=-7,
        segments=[{"type": "text", "data": {"text": "你好 <recall>"}}],
        reply_to=6,
        state="pending",
    )
    row = await history.append(GROUP, entry)

    assert row is not None
    expected = Entry(**{name: getattr(entry, name) for name in Entry.__struct_fields__ if name != "id"}, id=row)
    assert [expected] == await history.recent(GROUP, 10)
    assert expected == await history.find(GROUP, -7)


async def test_recent_is_the_end_of_one_chat_oldest_first(history: History) -> None:
    """Only this chat's last messages come, in the order in which they were said."""
    for n in range(5):
        await history.append(GROUP, said(f"g{n}", 100 + n))
        await history.append(OTHER, said(f"o{n}", 100 + n))
        await history.append(PRIVATE, said(f"p{n}", 100 + n))

    assert await texts(history, GROUP, 3) == ["g2", "g3", "g4"]
    assert await texts(history, PRIVATE, 1) == ["p4"]


async def test_a_known_message_is_not_stored_twice(history: History) -> None:
    """The second append of an id says None; the same id in another chat is another message."""
    assert await history.append(GROUP, said("first", message_id=7)) is not None

    assert await history.append(GROUP, said("again", message_id=7)) is None
    assert await history.append(OTHER, said("other", message_id=7)) is not None
    assert await texts(history) == ["first"]


async def test_messages_without_an_id_are_all_stored(history: History) -> None:
    """Events have no id and are never taken for one another."""
    poke = Entry(role="event", text="Kir pokes you", time=1)

    assert None not in [await history.append(GROUP, poke), await history.append(GROUP, poke)]
    assert len(await history.recent(GROUP, 10)) == 2


async def test_appends_keep_their_order_and_return_rows(history: History) -> None:
    """A burst queued without waiting is stored in order; each future has its own row."""
    futures = [history.append_nowait(GROUP, said(str(n))) for n in range(500)]
    rows = await asyncio.gather(*futures)

    assert [str(n) for n in range(500)] == await texts(history, limit=500)
    assert sorted(set(rows), key=str) == sorted(rows, key=str)
    assert rows == [entry.id for entry in await history.recent(GROUP, 500)]


async def test_what_is_fetched_late_lands_where_it_was_said(history: History) -> None:
    """A message from a gap goes between those around it."""
    for text, time in (("one", 100), ("three", 300), ("two", 200)):
        await history.append(GROUP, said(text, time))

    assert await texts(history) == ["one", "two", "three"]


@pytest.mark.parametrize("skew", [-3600, 0, 3600])
async def test_an_answer_follows_its_question_whatever_our_clock_says(history: History, skew: int) -> None:
    """A clock an hour off neither puts the answer first nor after the next question."""
    row = await history.append(GROUP, said("question", 5000, state="pending"))
    assert row is not None
    await history.answered(GROUP, [row], [answer("a", 5001 + skew), answer("b", 5002 + skew)])
    await history.append(GROUP, said("next", 5003))

    assert await texts(history) == ["question", "a", "b", "next"]


async def test_the_bot_may_speak_first(history: History) -> None:
    """An answer to nothing is stored in an empty chat at its own time."""
    sent = await history.answered(GROUP, [], [answer("morning", 42)])

    assert len(sent) == 1
    assert [(e.text, e.time) for e in await history.recent(GROUP, 5)] == [("morning", 42)]


# --- answering ---


async def test_pending_lists_what_has_no_answer(history: History) -> None:
    """Waiting and half-sent turns of this account come back, oldest first, with their chats."""
    waiting = await history.append(GROUP, said("waiting", 200, state="pending"))
    sending = await history.append(PRIVATE, said("half sent", 100, state="pending"))
    assert waiting is not None
    assert sending is not None
    await history.mark([sending], "sending")
    await history.append(GROUP, said("chatter", 200))
    await history.append(GROUP, said("too old", 50, state="pending"))
    await history.append(ChatId(10001, "group", 1), said("another account", 200, state="pending"))
    dropped = await history.append(GROUP, said("dropped", 200, state="pending"))
    assert dropped is not None
    await history.mark([dropped], "dropped")
    await turn(history, "done", "answer", 200)

    found = await history.pending(10000, since=100)
    assert [(chat, entry.text, entry.state) for chat, entry in found] == [
        (PRIVATE, "half sent", "sending"),
        (GROUP, "waiting", "pending"),
    ]


async def test_an_answer_and_its_mark_are_one(history: History, database: Database) -> None:
    """When the answer cannot be stored, the turn stays unanswered."""
    row = await history.append(GROUP, said("question", state="pending"))
    assert row is not None
    await database.write(
        lambda c: (
            c.execute(
                "CREATE TEMP TRIGGER broken BEFORE UPDATE OF turn ON main.messages "
                "BEGIN SELECT RAISE(ABORT, 'broken'); END"
            ).rowcount
        )
    )

    with pytest.raises(Exception, match="broken"):
        await history.answered(GROUP, [row], [answer("lost")])
    assert await texts(history) == ["question"]
    assert [row] == [entry.id for _, entry in await history.pending(10000, 0)]


async def test_silence_is_an_answer(history: History) -> None:
    """A turn that the model chose not to answer is no longer waited for, and is nothing to undo."""
    row = await history.append(GROUP, said("talk among others", state="pending"))
    assert row is not None

    assert await history.answered(GROUP, [row], []) == []
    assert await history.pending(10000, 0) == []
    assert (await history.undo(GROUP, 1)).turns == 0


# --- out of view ---


async def test_reset_hides_what_was_said_and_deletes_nothing(history: History) -> None:
    """After a reset only new messages are shown, also when older ones are fetched late; other chats are untouched."""
    await turn(history, "old", "answer", 100)
    await history.append(GROUP, said("waiting", 110, state="pending"))
    await history.append(OTHER, said("elsewhere"))
    before = (await history.counts()).messages

    await history.reset(GROUP)
    await history.append(GROUP, said("fetched late", 50))
    await history.append(GROUP, said("new", 111))

    assert await texts(history) == ["new"]
    assert await texts(history, OTHER) == ["elsewhere"]
    assert await history.pending(10000, 0) == []
    assert before + 2 == (await history.counts()).messages


async def test_reset_twice_moves_the_mark(history: History) -> None:
    """The later reset counts."""
    for text in ("a", "b"):
        await history.append(GROUP, said(text))
        await history.reset(GROUP)
    await history.append(GROUP, said("c"))

    assert await texts(history) == ["c"]


async def test_undo_takes_back_the_last_turns(history: History) -> None:
    """Question and answer leave the view together; what others said between stays."""
    await turn(history, "q1", "a1")
    await turn(history, "q2", "a2")
    await history.append(GROUP, said("chatter"))
    await turn(history, "q3", "a3")

    assert (await history.undo(GROUP, 2)).turns == 2
    assert await texts(history) == ["q1", "a1", "chatter"]
    assert (await history.undo(GROUP, 5)).turns == 1
    assert await texts(history) == ["chatter"]
    assert (await history.undo(GROUP, 1)).turns == 0


async def test_undo_takes_back_what_was_answered_when_the_process_was_killed(history: History) -> None:
    """The answer is on no record, so nothing but its question goes; what was said before stays."""
    await turn(history, "first", "1")
    left = [await history.append(GROUP, said(text)) for text in ("second", "and more")]
    await history.settle([row or 0 for row in left])
    assert (await history.undo(GROUP, 1)).turns == 1
    assert await texts(history) == ["first", "1"]


@pytest.mark.parametrize("turns", [0, -1])
async def test_undo_of_nothing_undoes_nothing(history: History, turns: int) -> None:
    """A count below one takes nothing back."""
    await turn(history, "q", "a")

    assert (await history.undo(GROUP, turns)).turns == 0
    assert await texts(history) == ["q", "a"]


async def test_undo_stops_at_a_reset(history: History) -> None:
    """What a reset hides is not undone."""
    await turn(history, "q", "a")
    await history.reset(GROUP)

    assert (await history.undo(GROUP, 1)).turns == 0


async def test_messages_are_found_in_their_own_chat(history: History) -> None:
    """By their OneBot ids, as far as they were not recalled."""
    for chat, text, number in ((GROUP, "a", 1), (GROUP, "b", 2), (GROUP, "c", 3), (OTHER, "x", 1), (PRIVATE, "y", 2)):
        await history.append(chat, said(text, message_id=number))
    await history.withdraw(GROUP, 3)
    assert {entry.text for entry in await history.find_all(GROUP, [1, 2, 3, 4])} == {"a", "b"}
    assert await history.find_all(PRIVATE, [1]) == []


async def test_a_recalled_message_leaves_the_view(history: History) -> None:
    """What was recalled in QQ is neither shown nor answered, and stays known."""
    row = await history.append(GROUP, said("oops", state="pending", message_id=9))

    assert row == await history.withdraw(GROUP, 9)
    assert await texts(history) == []
    assert await history.find(GROUP, 9) is None
    assert await history.pending(10000, 0) == []
    assert {9} == await history.known_ids(GROUP, [9])
    assert await history.withdraw(GROUP, 10) is None
    assert await history.withdraw(OTHER, 9) is None


# --- looking around ---


async def test_recent_chats_are_the_latest_first(history: History) -> None:
    """Chats of this account with a message since then come, the latest first."""
    await history.append(GROUP, said("a", 100))
    await history.append(PRIVATE, said("b", 300))
    await history.append(OTHER, said("c", 50))
    await history.append(GROUP, said("d", 200))
    await history.append(ChatId(1, "group", 1), said("e", 400))

    assert await history.recent_chats(10000, since=100) == [PRIVATE, GROUP]


async def test_known_ids_are_of_the_chat_asked(history: History) -> None:
    """Only ids stored in this chat are known."""
    await history.append(GROUP, said("a", message_id=1))
    await history.append(OTHER, said("b", message_id=2))

    assert {1} == await history.known_ids(GROUP, [1, 2, 3])
    assert set() == await history.known_ids(GROUP, [])


async def test_counts_tell_how_much_there_is(history: History) -> None:
    """Messages, chats and waiting turns are counted."""
    assert Counts(0, 0, 0) == await history.counts()
    await turn(history, "q", "a")
    await history.append(OTHER, said("b", state="pending"))

    assert Counts(messages=3, chats=2, unanswered=1) == await history.counts()


def plan_of(connection: sqlite3.Connection, statement: str) -> list[str]:
    """What SQLite will read to answer `statement`."""
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]


async def test_no_question_reads_every_message(history: History, database: Database) -> None:
    """What runs on every message or start is answered from an index."""
    statements: list[str] = []
    for ask in (database.read, database.write):
        await ask(lambda c: c.set_trace_callback(statements.append))
    await history.recent(GROUP, 10)
    await history.find(GROUP, 1)
    await history.find_all(GROUP, [1])
    await history.pending(10000, 5)
    await history.known_ids(GROUP, [1])
    await history.recent_chats(10000, 5)
    for ask in (database.read, database.write):
        await ask(lambda c: c.set_trace_callback(None))

    asked = [statement for statement in statements if statement.startswith("SELECT")]
    for statement in asked:
        plan = await database.read(partial(plan_of, statement=statement))
        assert [line for line in plan if line.startswith("SCAN") and "json_each" not in line] == []
    assert len(asked) == 6


async def test_an_answer_stays_with_its_question_when_others_spoke_meanwhile(history: History) -> None:
    """What arrived between sending and committing is shown after the answer, as it was seen by the chat."""
    row = await history.append(GROUP, said("question", 100, state="pending"))
    assert row is not None
    await history.append(GROUP, said("chatter", 103))
    await history.answered(GROUP, [row], [answer("reply", 102)])
    assert await texts(history) == ["question", "reply", "chatter"]
