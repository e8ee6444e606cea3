"""What bot admins see and do of the running bot: its queues, a word in its name, its end."""

from typing import Any

import msgspec
from commands.desk import ADMIN, ANYONE, OWNER, Busybody, Room
from commands.lounge import ALICE, BOB, GROUP, HERE, Lounge

from onebot_bot.commands.running_control import Busy
from onebot_bot.errors import ActionFailed
from onebot_bot.protocol.actions import SendGroupMsg, SendPrivateMsg
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.sections.bot import BotConfig
from onebot_bot.texts import say


def running(room: Room) -> Busybody:
    """What the bot is busy with."""
    return room.desk.running


# --- queue ---------------------------------------------------------------------------------------------------------


async def test_the_queue_names_who_waits_for_how_long(room: Room) -> None:
    """Chats and what is done for them, then what waits to be sent."""
    room.desk.engine = msgspec.structs.replace(room.desk.engine, running=1, queued=2)
    group, person = ChatId(10000, "group", 7), ChatId(10000, "private", 5)
    running(room).chats = [Busy(group, "writing", 3, 12.4), Busy(person, "waiting", 1, 0.2)]
    running(room).outgoing = {10000: 4}
    assert (await room.type("/queue")).splitlines() == [
        "模型正在写 1 条，排队 2 条。",
        "· 10000/group/7：正在写，3 条消息，12 秒",
        "· 10000/private/5：等着，1 条消息，0 秒",
        "账号 10000：4 条消息等着发送",
    ]


async def test_an_empty_queue_says_so(room: Room) -> None:
    """And a long one is cut."""
    assert (await room.type("/队列")).splitlines()[-1] == say("zh", "queue.none")
    running(room).chats = [Busy(ChatId(10000, "group", number), "waiting", 1, 1.0) for number in range(25)]
    lines = (await room.type("/queue")).splitlines()
    assert (len(lines), lines[-1]) == (22, say("zh", "queue.more", count=5))
    assert "机器人管理员" in await room.type("/queue", ANYONE)


# --- send ----------------------------------------------------------------------------------------------------------


async def test_an_admin_says_something_in_the_bots_name(lounge: Lounge) -> None:
    """It is sent where it should be, on record as the bot's, and the model knows of it."""
    lounge.bot = BotConfig(owners=[ALICE])
    first, told = await lounge.sent(f"/send group {GROUP} 明天\n放假", 2)
    assert first == SendGroupMsg(GROUP, first.message)
    assert (first.message[0].text, told.message[0].text) == ("明天\n放假", "已发到群 77。")
    assert await lounge.record(HERE) == [("assistant", "明天\n放假")]
    assert (await lounge.talk("真的?", "真的", BOB, GROUP))[:1] == ["明天\n放假"]
    first, told = await lounge.sent(f"/发送 私聊 {BOB} hi", 2)
    assert first == SendPrivateMsg(BOB, first.message)
    assert await lounge.record(ChatId(10000, "private", BOB)) == [("assistant", "hi")]


async def test_what_cannot_be_sent_is_told_and_not_on_record(lounge: Lounge) -> None:
    """QQ refuses; mistakes show the usage; nobody else may."""
    lounge.bot = BotConfig(owners=[ALICE])
    lounge.world.account.failures.append(ActionFailed("send_group_msg", 1200, "不在群里"))
    _, told = await lounge.sent(f"/send group {GROUP} hi", 2)
    assert "不在群里" in told.message[0].text
    assert await lounge.record(HERE) == []
    for words in ("/send", "/send group", "/send group x hi", f"/send group {GROUP}", f"/send chat {GROUP} hi"):
        assert "/send group|private" in await lounge.command(words)
    assert "4000" in await lounge.command(f"/send group {GROUP} " + "长" * 4001)
    assert "机器人管理员" in await lounge.command(f"/send group {GROUP} hi", BOB)


# --- shutdown ------------------------------------------------------------------------------------------------------


async def test_the_owner_ends_the_bot_once_sure(room: Room) -> None:
    """Behind the answer, not before it; what is owed is told first."""
    running(room).chats = [Busy(ChatId(10000, "group", 7), "writing", 3, 1.0)]
    asked = await room.type("/shutdown")
    assert "3 条消息在等回答" in asked
    assert "/shutdown -y" in asked
    assert running(room).ended_after is None
    running(room).sent = room.account.sent.qsize
    assert await room.type("/shutdown -y") == say("zh", "shutdown.done")
    assert running(room).ended_after == 1
    assert "主人" in await room.type("/关机 -y", ADMIN, 7)
    assert "/shutdown -y" in await room.type("/shutdown now -y")


async def test_an_answer_that_cannot_be_sent_ends_it_all_the_same(room: Room) -> None:
    """Whoever asked for it may have lost the connection meanwhile."""
    account: Any = room.account
    account.failures.append(ActionFailed("send_private_msg", 1200, "x"))
    await room.actions("/shutdown -y", OWNER)
    assert running(room).ended_after == 0
