"""Taking back, asking again, other words, off the record: what the model sees afterwards, and what is learned."""

import pytest
from commands.lounge import ADMIN, ALICE, BOB, GROUP, HERE, PRIVATE, Lounge, interrupted
from fakes import answer, until
from watching import seen

from onebot_bot.errors import StoreError
from onebot_bot.memory.chat_settings import ChatSettings
from onebot_bot.memory.rows import Extracted
from onebot_bot.memory.unread import Unread
from onebot_bot.protocol.segments import Reply
from onebot_bot.texts import say

STORY = (
    "春天来了，山上的桃花开了。我们一早坐车出城，带着面包和热茶。路边有人卖草莓，又红又甜。到了湖边已经中午，风很轻。"
    "孩子们脱了鞋去踩水，笑得停不下来。老王支起帐篷就睡着了，鼾声比蛙叫还响。傍晚收东西的时候下起小雨，大家挤在车里唱歌。"
    "回家路上谁也没说累。第二天上班，裤脚里还藏着一片花瓣。"
)
"""Long enough for more than one message."""


async def test_undo_takes_back_exchanges_and_what_was_learned_from_them(lounge: Lounge) -> None:
    """What such a memory took the place of is true again."""
    await lounge.talk("I live in Rome", "Nice")
    rome = await lounge.remember("Alice lives in Rome.", source_ids=((await lounge.last()).id,))
    await lounge.talk("I live on Mars", "Wow")
    row = (await lounge.last()).id
    mars = Extracted(text="Alice lives on Mars.", chat=PRIVATE, speaker=ALICE, source_ids=(row,), supersedes=(rome.id,))
    await lounge.memories.learn(mars)
    assert await lounge.texts() == ["Alice lives on Mars."]

    assert await lounge.command("/undo") == say("zh", "undo.done", count=1)
    assert await lounge.texts() == ["Alice lives in Rome."]
    assert await lounge.record() == [("user", "I live in Rome"), ("assistant", "Nice")]
    assert [hit.text for hit in await lounge.memories.search(PRIVATE, "Alice lives in Rome.")] == [
        "Alice lives in Rome."
    ]
    with pytest.raises(StoreError, match="barred"):  # as by a reading that had begun before
        await lounge.memories.learn(mars)


async def test_a_memory_that_was_told_twice_stays(lounge: Lounge) -> None:
    """Only what was taken from nothing else goes."""
    await lounge.talk("I have a cat", "Oh")
    first = (await lounge.last()).id
    await lounge.talk("My cat!", "Yes")
    await lounge.remember("Alice has a cat.", source_ids=(first, (await lounge.last()).id))
    await lounge.command("/undo")
    assert [(one.text, one.source_ids) for one in await lounge.kept.store.export(PRIVATE)] == [
        ("Alice has a cat.", (first,))
    ]


async def test_undo_stops_the_answer_being_written_and_counts_it(lounge: Lounge) -> None:
    """The question goes with it; the exchange before stays."""
    await lounge.talk("one", "1")
    generation = await lounge.asked("two")
    lounge.type("/undo")
    await until(lambda: generation.interrupted)
    interrupted(generation)
    assert (await lounge.world.account.next()).message[0].text == say("zh", "undo.done", count=1)
    assert await lounge.record() == [("user", "one"), ("assistant", "1")]


async def test_undo_waits_for_an_answer_that_is_being_sent(lounge: Lounge) -> None:
    """What is out is taken back, what is not stays unsent."""
    lounge.world.configure("chat", typing_speed=1.0, max_delay=5.0)
    generation = await lounge.asked("tell me")
    answer(generation, STORY)
    await lounge.world.quiet(5)
    await lounge.world.account.next()
    await until(lambda: bool(lounge.world.clock.sleeping))
    lounge.type("/undo")
    await lounge.world.settled()
    lounge.world.clock.advance(5)
    assert (await lounge.world.account.next()).message[0].text == say("zh", "undo.done", count=1)
    assert await lounge.record() == []
    assert lounge.world.account.sent.empty()


async def test_undo_of_nothing_says_so(lounge: Lounge) -> None:
    """And a count out of range shows the usage."""
    assert await lounge.command("/undo") == say("zh", "undo.none")
    assert await lounge.command("/undo 51") == say("zh", "undo.usage", prefix="/")


async def test_reset_stops_the_answer_being_written(lounge: Lounge) -> None:
    """The next answer sees nothing of before."""
    generation = await lounge.asked("one")
    lounge.type("/reset")
    await until(lambda: generation.interrupted)
    interrupted(generation)
    assert (await lounge.world.account.next()).message[0].text == say("zh", "reset.done")
    assert await lounge.talk("two", "2") == ["two"]


async def test_retry_answers_the_same_again(lounge: Lounge) -> None:
    """The model does not see the answer that it gave."""
    await lounge.talk("zero", "0")
    await lounge.talk("one", "bad")
    lounge.type("/retry")
    again = await lounge.next()
    assert seen(again) == ["zero", "0", "one"]
    assert await lounge.reply(again, "good") == "good"
    assert (await lounge.record())[2:] == [("user", "one"), ("assistant", "good")]


async def test_an_answer_that_is_asked_for_again_may_be_the_same(lounge: Lounge) -> None:
    """It is no repetition: the one before is taken back."""
    await lounge.talk("What is it?", "It is a grey cat called Fog.")
    lounge.type("/retry")
    assert await lounge.reply(await lounge.next(), "It is a grey cat called Fog.") == "It is a grey cat called Fog."


async def test_retry_during_an_answer_begins_it_anew(lounge: Lounge) -> None:
    """The one that was stopped leaves nothing behind."""
    await lounge.talk("zero", "0")
    generation = await lounge.asked("one")
    lounge.type("/重试")
    await until(lambda: generation.interrupted)
    interrupted(generation)
    again = await lounge.next()
    assert seen(again) == ["zero", "0", "one"]
    await lounge.reply(again, "1")
    assert (await lounge.record())[2:] == [("user", "one"), ("assistant", "1")]


async def test_retry_within_a_burst_answers_the_burst(lounge: Lounge) -> None:
    """Also when nothing of it was being answered yet; it is still owed after a crash."""
    await lounge.talk("zero", "0")
    lounge.world.say(lounge.message("one"))
    await until(lambda: bool(lounge.world.clock.sleeping))
    waiting = lounge.world.sessions[PRIVATE]._pending
    lounge.type("/retry")
    await until(lambda: lounge.world.sessions[PRIVATE]._pending not in ([], waiting))
    again = await lounge.next()
    assert seen(again) == ["zero", "0", "one"]
    assert [entry.text for _, entry in await lounge.kept.history.pending(PRIVATE.account, 0)] == ["one"]
    await lounge.reply(again, "1")
    assert (await lounge.record())[2:] == [("user", "one"), ("assistant", "1")]


async def test_retry_in_a_group_is_for_whose_turn_it_was_and_admins(lounge: Lounge) -> None:
    """Nobody else makes the bot say it again."""
    await lounge.talk("hi", "hello", ALICE, GROUP)
    assert await lounge.command("/retry", BOB, GROUP) == say("zh", "turn.not_yours")
    assert await lounge.command("/retry") == say("zh", "turn.none")
    lounge.type("/retry", ADMIN, GROUP)
    assert await lounge.reply(await lounge.next(), "hey") == "hey"


async def test_continue_goes_on_with_the_last_answer(lounge: Lounge) -> None:
    """It is an exchange of its own, which can be undone."""
    await lounge.talk("a story", "Once")
    lounge.type("/继续")
    more = await lounge.next()
    assert seen(more) == ["a story", "Once", say("zh", "see.continue")]
    await lounge.reply(more, "upon a time")
    await lounge.command("/undo")
    assert await lounge.record() == [("user", "a story"), ("assistant", "Once")]


async def test_edit_puts_the_last_message_in_other_words(lounge: Lounge) -> None:
    """It is answered anew, what was learned from the old words is gone, and a recall in QQ takes the new ones back."""
    generation = await lounge.asked("I have a dog")
    await lounge.reply(generation, "woof")
    old = await lounge.last()
    await lounge.remember("Alice has a dog.", source_ids=(old.id,))
    lounge.type("/edit I have a cat")
    again = await lounge.next()
    assert seen(again) == ["I have a cat"]
    await lounge.reply(again, "meow")
    assert await lounge.record() == [("user", "I have a cat"), ("assistant", "meow")]
    assert await lounge.texts() == []
    assert [entry.text for entry in await Unread(lounge.database).since(PRIVATE, 0, 10)] == ["I have a cat", "meow"]
    assert old.message_id is not None
    await lounge.kept.history.withdraw(PRIVATE, old.message_id)
    assert await lounge.record() == [("assistant", "meow")]


async def test_edit_in_a_group_is_of_ones_own(lounge: Lounge) -> None:
    """What others said stays where it was, and the answer quotes the message."""
    await lounge.talk("mine", "ok", ALICE, GROUP)
    await lounge.talk("theirs", "ok 2", BOB, GROUP)
    quoted = (await lounge.kept.history.recent(HERE, 4))[0].message_id
    lounge.type("/edit better", ALICE, GROUP)
    again = await lounge.next()
    assert seen(again)[-1].endswith("[card1(1)] better")
    answer(again, "fine")
    assert (await lounge.world.account.next()).message[0] == Reply(str(quoted))
    await lounge.rest()
    texts = [text for _, text in await lounge.record(HERE)]
    assert texts == ["better", "fine", "@小忆 theirs", "ok 2"]


async def test_edit_without_words_or_message_says_so(lounge: Lounge) -> None:
    """And changes nothing."""
    assert await lounge.command("/edit") == say("zh", "edit.usage", prefix="/")
    assert await lounge.command("/edit x") == say("zh", "edit.none")
    assert await lounge.command(f"/edit {'x' * 4001}") == say("zh", "turn.long", length=4001, most=4000)


async def test_nosave_is_answered_and_kept_nowhere(lounge: Lounge) -> None:
    """Neither in the record nor in what is read for memories; the next answer knows nothing of it."""
    await lounge.talk("one", "1")
    lounge.type("/nosave my secret is 42")
    off = await lounge.next()
    assert seen(off) == ["one", "1", "my secret is 42"]
    assert await lounge.reply(off, "I will forget it") == "I will forget it"
    assert await lounge.talk("two", "2") == ["one", "1", "two"]
    rows = await lounge.database.read(lambda c: c.execute("SELECT count(*) FROM messages").fetchone())
    assert rows == (4,)
    assert await lounge.command("/nosave") == say("zh", "nosave.usage", prefix="/")


async def test_nosave_is_a_turn_of_its_own(lounge: Lounge) -> None:
    """Also in a burst with what is kept."""
    lounge.world.say(lounge.message("kept"))
    lounge.type("/nosave secret")
    await until(lambda: len(lounge.world.sessions[PRIVATE]._pending) == 2)
    first = await lounge.next()
    assert seen(first) == ["kept"]
    answer(first, "1")
    off = await lounge.next()
    assert seen(off)[-1] == "secret"
    answer(off, "2")
    await lounge.rest()
    assert await lounge.record() == [("user", "kept"), ("assistant", "1")]


async def test_inject_is_context_that_nobody_learns_from(lounge: Lounge) -> None:
    """Seen by the next answer; in a group for admins."""
    assert await lounge.command("/inject it is winter") == say("zh", "inject.done")
    assert await lounge.talk("hi", "brr") == [f"{say('zh', 'see.injected', text='it is winter')}\nhi"]
    assert [entry.role for entry in await Unread(lounge.database).since(PRIVATE, 0, 1)] == ["event"]
    assert "群管理员" in await lounge.command("/inject x", BOB, GROUP)
    assert await lounge.command("/inject") == say("zh", "inject.usage", prefix="/")


@pytest.mark.parametrize("command", ["/retry", "/continue", "/edit x", "/nosave x"])
async def test_where_the_bot_does_not_speak_it_is_not_made_to(lounge: Lounge, command: str) -> None:
    """An admin lets it."""
    await lounge.chats.put(HERE, ChatSettings(mode="observe"))
    assert await lounge.command(command, ALICE, GROUP) == say("zh", "turn.silent", prefix="/")
