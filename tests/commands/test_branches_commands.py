"""Branches of a chat: each with its own history, prompt and settings."""

from pathlib import Path

import pytest
from commands.lounge import ADMIN, ALICE, BOB, GROUP, HERE, PRIVATE, Lounge, lounge_at, on_disk
from fakes import FakeClock, ScriptedEngine, until

from onebot_bot.memory.history import Entry
from onebot_bot.memory.unread import Unread
from onebot_bot.protocol.events import FriendRecall
from onebot_bot.texts import say


async def test_switching_changes_what_the_model_sees_and_loses_nothing(lounge: Lounge) -> None:
    """Each branch goes on where it was."""
    await lounge.talk("one", "1")
    assert await lounge.command("/branch new work") == say("zh", "branch.created", name="work")
    assert await lounge.talk("two", "2") == ["two"]
    assert await lounge.command("/分支 切换 主线") == say("zh", "branch.switched", name="主线")
    assert await lounge.talk("three", "3") == ["one", "1", "three"]
    await lounge.command("/branch switch 2")
    assert await lounge.talk("four", "4") == ["two", "2", "four"]
    line = say("zh", "branch.line", mark="▶ ", number=2, name="work", count=4, more="")
    assert (await lounge.command("/branch")).splitlines()[1] == line


async def test_branches_survive_a_restart(tmp_path: Path) -> None:
    """With what was said, prompt and settings."""
    async with lounge_at(tmp_path, ScriptedEngine(), FakeClock()) as before:
        await before.talk("one", "1")
        await before.command("/branch new work")
        await before.command("/prompt set Be brief.")
        await before.command("/set temperature 0.1")
        await before.talk("two", "2")
    async with lounge_at(tmp_path, ScriptedEngine(), FakeClock()) as after:
        request = (await after.asked("three")).request
        assert request.conversation.turns[0].parts[0].text.startswith("Be brief.")  # type: ignore[union-attr]  # words
        assert request.sampling.temperature == 0.1
        assert await after.record() == [("user", "two"), ("assistant", "2"), ("user", "three")]


async def test_a_clone_goes_its_own_way(lounge: Lounge) -> None:
    """What is undone there stays in the other, what is recalled in QQ goes from both, and nothing is learned twice."""
    message = lounge.message("one")
    lounge.world.say(message)
    await lounge.reply(await lounge.next(), "1")
    await lounge.command("/prompt set Be brief.")
    assert await lounge.command("/branch clone copy") == say("zh", "branch.cloned", name="copy")
    assert await lounge.talk("two", "2") == ["one", "1", "two"]
    assert len(await Unread(lounge.database).since(PRIVATE, 0, 100)) == 4
    assert await lounge.command("/undo 2") == say("zh", "undo.done", count=2)
    assert await lounge.record() == []
    assert lounge.kept.branches.current(PRIVATE).prompt == "Be brief."
    await lounge.command("/branch switch 主线")
    assert await lounge.record() == [("user", "one"), ("assistant", "1")]
    await lounge.command("/branch clone again")
    recall = FriendRecall(time=1, self_id=10000, user_id=ALICE, message_id=message.message_id)
    lounge.world.router.dispatch(lounge.world.account, recall)
    await lounge.world.settled()
    await until(lambda: len(lounge.world.router._owned) == 1)
    assert await lounge.record() == [("assistant", "1")]


async def test_a_recall_reaches_what_a_clone_has_of_an_edited_message(lounge: Lounge) -> None:
    """Both the words that it got and those that it had."""
    message = lounge.message("one")
    lounge.world.say(message)
    await lounge.reply(await lounge.next(), "1")
    await lounge.command("/branch clone copy")
    await lounge.command("/branch switch 1")
    lounge.type("/edit two")
    await lounge.reply(await lounge.next(), "2")
    await lounge.kept.history.withdraw(PRIVATE, message.message_id)
    assert await lounge.record() == [("assistant", "2")]
    await lounge.command("/branch switch copy")
    assert await lounge.record() == [("assistant", "1")]


async def test_a_branch_is_deleted_for_good_once_confirmed(lounge: Lounge, tmp_path: Path) -> None:
    """Its words are nowhere on the disk, its messages stay known to the bot, and the first branch is in use."""
    await lounge.command("/branch new secret")
    message = lounge.message("the launch code is 93571")
    lounge.world.say(message)
    await lounge.reply(await lounge.next(), "noted 93571")
    asked = say("zh", "branch.sure", name="secret", count=2)
    assert await lounge.command("/branch delete secret") == say(
        "zh", "command.confirm", what=asked, again="/branch delete secret -y"
    )
    deleted = say("zh", "branch.deleted", name="secret", now="主线")
    assert await lounge.command("/branch delete secret -y") == deleted
    assert await lounge.kept.history.known_ids(PRIVATE, [message.message_id]) == {message.message_id}
    assert b"93571" not in on_disk(tmp_path)
    assert await lounge.talk("hi", "hello") == ["hi"]


async def test_names_are_checked(lounge: Lounge) -> None:
    """Of branches that are, that may be, and that must stay."""
    await lounge.command("/branch new a")
    assert await lounge.command("/branch new a") == say("zh", "branch.taken", name="a")
    for bad in ("7", "two words", "x" * 21):
        assert await lounge.command(f"/branch new {bad}") == say("zh", "branch.bad_name", most=20)
    unknown = say("zh", "branch.unknown", name="b", names="主线、a")
    assert await lounge.command("/branch switch b") == unknown
    assert await lounge.command("/branch delete 主线 -y") == say("zh", "branch.keep_first", name="主线", prefix="/")
    assert await lounge.command("/branch rename b") == say("zh", "branch.renamed", old="a", name="b")
    assert await lounge.command("/branch rename 主线 a") == say("zh", "branch.renamed", old="主线", name="a")
    assert await lounge.command("/branch 啊") == say("zh", "branch.usage", prefix="/")


async def test_there_are_only_so_many_branches(lounge: Lounge) -> None:
    """As config.toml says."""
    for _ in range(19):
        await lounge.command("/branch new")
    assert await lounge.command("/branch new") == say("zh", "branch.many", most=20, prefix="/")


async def test_a_groups_branches_are_its_admins_business(lounge: Lounge) -> None:
    """And are the group's: everybody there talks in the one in use."""
    assert "群管理员" in await lounge.command("/branch new x", BOB, GROUP)
    await lounge.talk("hi", "hello", ALICE, GROUP)
    await lounge.command("/branch new x", ADMIN, GROUP)
    await lounge.talk("hey", "yes", BOB, GROUP)
    assert [text for _, text in await lounge.record(HERE)] == ["@小忆 hey", "yes"]
    assert await lounge.record() == []


async def test_an_answer_belongs_to_the_branch_of_its_question(lounge: Lounge) -> None:
    """Also after a switch while it was being sent."""
    await lounge.talk("one", "1")
    await lounge.command("/branch new x")
    first = (await lounge.kept.history.find_all(PRIVATE, range(1000)))[0]
    await lounge.kept.history.answered(PRIVATE, [first.id], [Entry(role="assistant", text="late", time=1)])
    assert await lounge.record() == []
    await lounge.command("/branch switch 1")
    assert ("assistant", "late") in await lounge.record()


async def test_a_prompt_takes_the_personas_place(lounge: Lounge) -> None:
    """Until it is cleared."""
    assert await lounge.command("/prompt") == say("zh", "prompt.none")
    assert await lounge.command("/prompt set You are a cat.") == say("zh", "prompt.set", length=14)
    assert await lounge.command("/提示词 查看") == say("zh", "prompt.now", prompt="You are a cat.")
    generation = await lounge.asked("hi")
    assert "You are a cat." in str(generation.request.conversation.turns[0])
    assert "Be kind." not in str(generation.request.conversation.turns[0])
    await lounge.reply(generation, "meow")
    assert await lounge.command("/prompt clear") == say("zh", "prompt.cleared")
    assert "Be kind." in str((await lounge.asked("hi")).request.conversation.turns[0])
    assert await lounge.command(f"/prompt set {'x' * 2001}") == say("zh", "prompt.long", length=2001, most=2000)
    assert await lounge.command("/prompt set") == say("zh", "prompt.usage", prefix="/")


@pytest.mark.parametrize(
    ("command", "key", "value"),
    [
        ("/set temperature 0.2", "temperature", 0.2),
        ("/设置 温度 1", "temperature", 1.0),
        ("/set top_p 0.5", "top_p", 0.5),
        ("/set max_tokens 1000", "max_new_tokens", 1000),
        ("/set seed 7", "seed", 7),
    ],
)
async def test_settings_hold_for_the_next_answer(lounge: Lounge, command: str, key: str, value: float) -> None:
    """Until they are taken back."""
    assert "★" in await lounge.command(command)
    assert getattr((await lounge.asked("hi")).request.sampling, key) == value
    assert await lounge.command("/set default") == say("zh", "set.cleared")
    assert "★" not in await lounge.command("/set")


@pytest.mark.parametrize(
    ("command", "range_"),
    [
        ("temperature 3", "float, ≥ 0, ≤ 2"),
        ("temperature nan", "float, ≥ 0, ≤ 2"),
        ("temperature x", "float, ≥ 0, ≤ 2"),
        ("top_p 0", "float, > 0, ≤ 1"),
        ("max_tokens 1025", "int, ≥ 1, ≤ 1024"),
        ("max_tokens 0", "int, ≥ 1, ≤ 1024"),
        ("seed 99999999999999999999", "int, ≥ -1"),
        ("thinking maybe", "bool"),
    ],
)
async def test_what_is_out_of_range_is_refused_with_the_range(lounge: Lounge, command: str, range_: str) -> None:
    """And nothing is changed."""
    assert (await lounge.command(f"/set {command}")).endswith(f"{range_} [OB-2010]")
    assert lounge.kept.branches.current(PRIVATE).settings == {}


async def test_unknown_settings_name_those_there_are(lounge: Lounge) -> None:
    """Thinking is among them."""
    assert "temperature、top_p" in await lounge.command("/set warmth 1")
    await lounge.command("/set thinking on")
    assert (await lounge.asked("hi")).request.conversation.thinking


async def test_a_bound_that_was_lowered_holds_for_what_was_set_before(lounge: Lounge) -> None:
    """What config.toml itself asks for is always allowed."""
    await lounge.command("/set max_tokens 1000")
    lounge.world.configure("own", max_tokens=300)
    assert (await lounge.asked("hi")).request.sampling.max_new_tokens == 300
