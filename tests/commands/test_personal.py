"""What is kept of a person: taken along, not learned from, forgotten; and whose chat may be seen in whose."""

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from commands.desk import NIGHT
from commands.lounge import ALICE, BOB, GROUP, HERE, PRIVATE, Lounge, interrupted, lounge_at, on_disk
from fakes import FakeClock, ScriptedEngine, until
from watching import seen

from onebot_bot.chat.lines import INDENT
from onebot_bot.commands.context import LearningStatus
from onebot_bot.errors import StoreError
from onebot_bot.memory.history import Entry
from onebot_bot.memory.moods import Mood, MoodStore
from onebot_bot.memory.rows import Extracted
from onebot_bot.memory.tallies import Tallies
from onebot_bot.memory.unread import Unread
from onebot_bot.memory.usage import Usage
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import At, Reply
from onebot_bot.protocol.segments import Text as Words
from onebot_bot.texts import say

BOBS = ChatId(10000, "private", BOB)


def unpacked(action: Any) -> dict[str, str]:
    """The files of a zip that was sent, by name."""
    data = base64.b64decode(action.file.removeprefix("base64://"))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


# --- export --------------------------------------------------------------------------------------------------------


async def test_an_export_holds_all_of_ones_own_and_nothing_else(lounge: Lounge) -> None:
    """Private chats whole, of groups what one said; in JSON and to be read."""
    await lounge.talk("private words", "an answer")
    await lounge.talk("group words", "hi Alice", ALICE, GROUP)
    await lounge.talk("Bob's words", "hi Bob", BOB, GROUP)
    await lounge.remember("Alice likes tea.", HERE, speaker=ALICE)
    await lounge.remember("Bob likes rum.", HERE, speaker=BOB)
    await lounge.command("/prompt set Be brief.")
    await lounge.personas.put(HERE, ALICE, "nuonuo")
    upload, told = await lounge.actions("/export", ALICE, GROUP)
    assert (upload.user_id, upload.file_name) == (ALICE, f"onebot-bot-{ALICE}.zip")
    assert told.message[0].text == say("zh", "export.done", messages=3, memories=1, files=1)
    files = unpacked(upload)
    assert [one["text"] for one in json.loads(files["messages.json"])] == [
        "private words",
        "an answer",
        "@小忆 group words",
    ]
    assert [one["text"] for one in json.loads(files["memories.json"])] == ["Alice likes tea."]
    assert json.loads(files["settings.json"])["branches"][str(PRIVATE)]["all"][0]["prompt"] == "Be brief."
    assert json.loads(files["settings.json"])["personas"] == {str(HERE): "nuonuo"}
    assert "n1: private words\n" in files["messages.txt"]
    assert "Alice likes tea." in files["memories.txt"]


async def test_a_long_export_comes_in_parts(lounge: Lounge) -> None:
    """None of them too large for NapCat, every message in one of them."""
    for number in range(8):
        text = f"{number}{'字' * 60_000}"
        await lounge.kept.history.append(PRIVATE, Entry(role="user", text=text, time=1, user_id=ALICE))
    *uploads, told = await lounge.actions("/export")
    texts = [json.loads(unpacked(upload)["messages.json"]) for upload in uploads]
    assert [one["text"][0] for part in texts for one in part] == list("01234567")
    assert told.message[0].text == say("zh", "export.done", messages=8, memories=0, files=len(uploads))
    assert len(uploads) > 1
    assert [upload for upload in uploads if len(upload.file) > 1_000_000] == []


async def test_there_may_be_nothing_to_export(lounge: Lounge) -> None:
    """Then no file is sent; settings alone are something."""
    assert await lounge.command("/导出") == say("zh", "export.none")
    await lounge.command("/optout")
    upload, _ = await lounge.actions("/export")
    assert json.loads(unpacked(upload)["settings.json"])["opted_out"]


# --- optout --------------------------------------------------------------------------------------------------------


async def test_who_opted_out_is_answered_and_not_learned_from(lounge: Lounge) -> None:
    """Neither from then on, nor from what was not read yet; others still are."""
    await lounge.talk("before", "1", ALICE, GROUP)
    assert await lounge.command("/不要学我") == say("zh", "optout.done", prefix="/")
    await lounge.talk("after", "2", ALICE, GROUP)
    await lounge.talk("Bob's", "3", BOB, GROUP)
    said = [entry for entry in await Unread(lounge.database).since(HERE, 0, 100) if entry.role == "user"]
    rows = [entry.id for entry in said]
    assert await lounge.kept.store.barred(rows) == set(rows[:2])
    new = Extracted(text="Alice said after.", chat=HERE, speaker=ALICE, source_ids=(rows[1],))
    with pytest.raises(StoreError, match="opted out"):
        await lounge.memories.learn(new)


async def test_opting_in_lets_later_words_be_learned(lounge: Lounge, tmp_path: Path) -> None:
    """What was said meanwhile stays barred; both survive a restart."""
    await lounge.command("/optout", BOB)
    await lounge.command("/optout")
    await lounge.talk("meanwhile", "1")
    assert await lounge.command("/optin") == say("zh", "optin.done")
    await lounge.talk("afterwards", "2")
    rows = [entry.id for entry in await Unread(lounge.database).since(PRIVATE, 0, 100) if entry.role == "user"]
    assert await lounge.kept.store.barred(rows) == {rows[0]}
    assert lounge.kept.people.opted_out == {BOB}
    await lounge.kept.people.restore()
    assert lounge.kept.people.opted_out == {BOB}


# --- forget --------------------------------------------------------------------------------------------------------


async def test_forgetting_a_person_leaves_no_trace(tmp_path: Path) -> None:
    """Not in the database, its log or the index; what others said stays, without the words that it quotes."""
    me = 918273645
    mine, here = ChatId(10000, "private", me), HERE
    async with lounge_at(tmp_path, ScriptedEngine(), FakeClock()) as lounge:
        await lounge.talk("my needle1", "you said needle2", me)
        await lounge.command("/branch new needle3", me)
        await lounge.command("/prompt set needle4", me)
        await lounge.command(f"/ref ask {BOB}", me)
        await lounge.command("/optout", me)
        quoted = lounge.message("group needle5", me, GROUP)
        lounge.world.say(quoted)
        await lounge.reply(await lounge.next(), "needle6!")
        lounge.world.say(
            lounge.world.group((Reply(str(quoted.message_id)), At("10000"), Words("Bob stays")), BOB, GROUP)
        )
        await lounge.reply(await lounge.next(), "hi Bob")
        await lounge.remember("needle7", here, speaker=me)
        await lounge.remember("needle8", here, speaker=BOB, subjects=(me,))
        await lounge.remember("both stay", here, speaker=BOB, subjects=(me, BOB))
        await lounge.remember("needle9", mine, speaker=me)
        await lounge.kept.history.append(HERE, Entry(role="event", text="needle10 poked you", time=1, user_id=me))
        await lounge.personas.put(here, me, "nuonuo")
        await MoodStore(lounge.database).put(here, {me: Mood(1.0, 1.0, 1.0, "needle11")})
        counted = Tallies(lounge.database, lambda: "2026-11-21", lambda: 0.0)
        counted.count(mine, {"seen": 1.0})
        counted.save()
        Usage(lounge.database, lambda: "2026-11-21").add(("user", me), answers=3)
        lounge.learning.trained = {1: ["20261121T020000Z"]}
        asked = await lounge.command("/forget me", me)
        assert asked == say(
            "zh",
            "command.confirm",
            what=say("zh", "forget.sure", messages=4, memories=3, prefix="/"),
            again="/forget me -y",
        )
        told = await lounge.command("/forget me -y", me)
        assert told.splitlines()[0] == say("zh", "forget.done", messages=5, memories=3)
        assert "20261121T020000Z" in told
        assert [text for _, text in await lounge.record(here)] == ["@小忆 Bob stays", "hi Bob"]
        assert [(one.text, one.subjects) for one in await lounge.kept.store.export(here)] == [("both stay", (BOB,))]
        assert [one.text for one in await lounge.memories.search(here, "needle7")] == ["both stay"]
        assert await lounge.kept.history.known_ids(here, [quoted.message_id]) == {quoted.message_id}
        assert await lounge.record(mine) == []
        left = await lounge.database.read(rows_naming(me))
        assert left == []
        running = on_disk(tmp_path)
    for data in (running, on_disk(tmp_path)):
        assert b"needle" not in data
        assert str(me).encode() not in data
        assert me.to_bytes(4, "big") not in data  # as SQLite writes it


def rows_naming(user: int) -> Any:
    """Reads every column of every table for a number."""

    def read(connection: Any) -> list[str]:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [
            f"{table}.{column[1]}"
            for table in tables
            for column in connection.execute(f"PRAGMA table_info({table})").fetchall()
            if connection.execute(f"SELECT 1 FROM {table} WHERE {column[1]} = ?", (user,)).fetchone()  # noqa: S608 - own names
        ]

    return read


async def test_what_was_forgotten_is_not_fetched_again(lounge: Lounge) -> None:
    """After an outage QQ offers the old messages of a chat: they were said before all that is on record."""
    old = lounge.message("old words")
    lounge.world.say(old)
    await lounge.reply(await lounge.next(), "1")
    await lounge.command("/forget me -y")
    await lounge.talk("new words", "2")
    lounge.world.missed = [old]
    lounge.world.router.connected(lounge.world.account)
    await until(lambda: len(lounge.world.router._owned) == 1)
    assert await lounge.record() == [("user", "new words"), ("assistant", "2")]


async def test_forgetting_stops_the_answer_being_written(lounge: Lounge) -> None:
    """In a group too; nothing of it comes back on record."""
    generation = await lounge.asked("hello", ALICE, GROUP)
    lounge.type("/forget me -y")
    await until(lambda: generation.interrupted)
    interrupted(generation)
    assert (await lounge.world.account.next()).message[0].text == say("zh", "forget.done", messages=1, memories=0)
    assert await lounge.record(HERE) == []


async def test_a_night_that_learns_what_is_forgotten_is_cancelled(lounge: Lounge) -> None:
    """One that does not is left alone."""
    lounge.learning.now = LearningStatus(enabled=True, step="stage1", next_run=NIGHT)
    await lounge.talk("hi", "hello", BOB)
    await lounge.command("/forget me -y", BOB)
    assert lounge.learning.did == []
    await lounge.remember("Alice likes tea.", speaker=ALICE)
    assert say("zh", "forget.cancelled") in await lounge.command("/忘掉 我 -y")
    assert lounge.learning.did == ["cancel"]


async def test_forget_needs_to_be_told_whom(lounge: Lounge) -> None:
    """Nobody forgets anybody else."""
    for words in ("/forget", "/forget 2", "/forget -y"):
        assert await lounge.command(words) == say("zh", "forget.usage", prefix="/")


# --- ref -----------------------------------------------------------------------------------------------------------


async def test_a_chat_is_shown_in_another_once_both_agree(lounge: Lounge) -> None:
    """Its end is context for the other's answers, until either of the two takes it back."""
    await lounge.talk("my plan is a picnic", "nice", BOB)
    waits = say("zh", "ref.reads_waits", other=BOB, prefix="/") + say("zh", "ref.told")
    asked = say("zh", "ref.read_asked", other=ALICE, prefix="/")
    assert await told(lounge, f"/ref ask {BOB}", ALICE) == [(BOB, asked), (ALICE, waits)]
    assert await lounge.talk("hi", "1") == ["hi"]
    assert await lounge.command("/ref", BOB) == asked
    agreed = say("zh", "ref.read_open", other=ALICE, prefix="/") + say("zh", "ref.told")
    opened = say("zh", "ref.reads_open", other=BOB, prefix="/")
    assert await told(lounge, f"/ref allow {ALICE}", BOB) == [(ALICE, opened), (BOB, agreed)]
    assert await lounge.command("/引用") == opened
    shown = say("zh", "see.shown", name=f"n{BOB}", user=BOB, lines=f"n{BOB}({BOB}): my plan is a picnic\n你: nice")
    shown = shown.replace("\n", f"\n{INDENT}")
    assert await lounge.talk("what does Bob do?", "2") == [f"{shown}\nhi", "1", "what does Bob do?"]
    assert await lounge.talk("and Alice?", "3", BOB) == ["my plan is a picnic", "nice", "and Alice?"]
    await lounge.kept.people.restore()
    assert await lounge.command(f"/ref revoke {ALICE}", BOB) == say("zh", "ref.revoked", other=ALICE)
    assert (await lounge.talk("still?", "4"))[0] == "hi"


async def told(lounge: Lounge, command: str, user: int) -> list[tuple[int, str]]:
    """Somebody gives a command of which another is told: who is told what, the asker last."""
    lounge.type(command, user)
    both = [await lounge.world.account.next() for _ in range(2)]
    return [(action.user_id, action.message[0].text) for action in both]


async def test_nobody_is_told_the_same_twice_or_who_never_wrote(lounge: Lounge) -> None:
    """A stranger's commands are no way to send anybody anything; asking once more changes nothing."""
    alone = say("zh", "ref.reads_waits", other=BOB, prefix="/")
    assert await lounge.command(f"/ref ask {BOB}") == alone
    await lounge.command(f"/ref revoke {BOB}")
    await lounge.talk("hi", "1", BOB)
    assert (await told(lounge, f"/ref ask {BOB}", ALICE))[0][0] == BOB
    assert await lounge.command(f"/ref ask {BOB}") == alone
    await lounge.command(f"/ref revoke {BOB}")
    assert await lounge.command(f"/ref ask {BOB}") == alone


async def test_what_one_offers_the_other_must_want(lounge: Lounge) -> None:
    """To be shown something unasked is no favour; revoking what is not is no error."""
    assert await lounge.command(f"/ref allow {BOB}") == say("zh", "ref.read_waits", other=BOB, prefix="/")
    assert lounge.kept.people.shown(BOBS) == []
    assert await lounge.command("/ref list", BOB) == say("zh", "ref.reads_asked", other=ALICE, prefix="/")
    await lounge.command(f"/ref ask {ALICE}", BOB)
    assert lounge.kept.people.shown(BOBS) == [PRIVATE]
    await lounge.command(f"/ref revoke {BOB}")
    assert await lounge.command(f"/ref revoke {BOB}") == say("zh", "ref.nothing", other=BOB)
    assert await lounge.command("/ref") == say("zh", "ref.none", prefix="/")


async def test_references_are_for_private_chats(lounge: Lounge) -> None:
    """Between two people; nobody refers to themselves."""
    assert await lounge.command(f"/ref ask {BOB}", ALICE, GROUP) == say("zh", "ref.private", prefix="/")
    for words in ("/ref ask", "/ref ask x", f"/ref ask {ALICE}", "/ref what"):
        assert await lounge.command(words) == say("zh", "ref.usage", prefix="/")
    for other in range(100, 150):
        await lounge.command(f"/ref ask {other}")
    assert await lounge.command("/ref ask 150") == say("zh", "ref.many", most=50, prefix="/")
    assert seen(await lounge.asked("hi")) == ["hi"]
