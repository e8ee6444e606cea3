"""/import: a chat export that was sent becomes the chat's history."""

import json
from typing import Any

from commands.lounge import ADMIN, ALICE, BOB, GROUP, HERE, PRIVATE, Lounge

from onebot_bot.protocol.segments import At, File, Reply, Segment, Text
from onebot_bot.sections.bot import BotConfig
from onebot_bot.texts import say

CLASSIC = """消息记录（此消息记录为文本格式，不支持重新导入）

================================================================
消息分组:我的QQ群
================================================================
消息对象:周末爬山群
================================================================

2023-01-02 12:34:56 阿澈(30003)
周六去爬山吗？

2023-01-02 12:35:07 小忆(20001)
好呀

2023-13-40 00:00:04 阿澈(30003)
没有这一天
"""
TALK = [("user", "周六去爬山吗？"), ("assistant", "好呀")]


def sent(lounge: Lounge, name: str, text: str, user: int = ALICE, group: int = 0) -> int:
    """Somebody sends a file; its message's id."""
    lounge.files[name] = text.encode()
    file = File(file=name, file_id=f"/{name}", url=f"https://qq.example/{name}")
    message = lounge.world.group((file,), user, group) if group else lounge.world.private((file,), user)
    lounge.world.say(message)
    return message.message_id


async def asked(lounge: Lounge, quoted: int | str, words: str, user: int = ALICE, group: int = 0) -> str:
    """Somebody quotes that and gives a command; what is said about it."""
    parts: tuple[Segment, ...] = (Reply(str(quoted)), Text(words))
    message = lounge.world.group((*parts, At("10000")), user, group) if group else lounge.world.private(parts, user)
    lounge.world.say(message)
    action: Any = None
    while not hasattr(action, "message"):  # the client is asked for the file's address first
        action = await lounge.world.account.next()
    return str(action.message[0].text)


async def test_an_export_is_shown_and_then_imported_into_its_chat(lounge: Lounge) -> None:
    """Who speaks, how much is new; the bot's own lines become its own; once more adds nothing."""
    lounge.bot = BotConfig(admins=[BOB])
    lounge.type("/observe", ADMIN, GROUP)
    await lounge.world.account.next()
    file = sent(lounge, "old.txt", CLASSIC, BOB, GROUP)
    await lounge.world.settled()
    shown = await asked(lounge, file, " /import --me 20001", BOB, GROUP)
    for words in (
        "周末爬山群",
        "2023-01-02",
        "2 条，2 条是新的；1 条读不了",
        "阿澈(30003)：1 条",
        "作为我说的话",
        "/import --me 20001 -y",
    ):
        assert words in shown
    assert await lounge.record(HERE) == [("user", "[文件：old.txt]")]
    done = await asked(lounge, file, "/导入 -y --me 20001", BOB, GROUP)
    assert done == say("zh", "import.done", count=2, prefix="/")
    assert await lounge.record(HERE) == [*TALK, ("user", "[文件：old.txt]")]
    assert await asked(lounge, file, "/import --me 20001", BOB, GROUP) == say("zh", "import.nothing")
    assert await lounge.record(PRIVATE) == []


async def test_what_cannot_be_imported_is_told(lounge: Lounge) -> None:
    """No quote, no file, another chat's export, none at all, one that is gone; no place of this machine is named."""
    lounge.bot = BotConfig(admins=[ALICE])
    usage, no_file = say("zh", "import.usage", prefix="/"), say("zh", "import.no_file")
    await lounge.talk("hi", "hello")
    hi = (await lounge.last()).message_id
    assert usage in await lounge.command("/import")
    assert no_file in await asked(lounge, hi or 0, "/import")
    assert no_file in await asked(lounge, 999_999, "/import")
    for words in ("/import now", "/import --me", "/import --me a --me b", '/import --me "a', "/import --all x"):
        assert usage in await asked(lounge, hi or 0, words)
    assert usage in await asked(lounge, "x", "/import")
    chat = {"name": "别的群", "type": "group", "peerUid": "4711"}
    for name, text in (("a.json", json.dumps({"chatInfo": chat, "messages": []})), ("b.txt", "tea?")):
        file = sent(lounge, name, text)
        await lounge.reply(await lounge.next(), "ok")
        told = await asked(lounge, file, "/import")
        assert told.startswith("export")
        assert "/tmp" not in told
    del lounge.files["b.txt"]
    assert "b.txt" in await asked(lounge, file, "/import")
    assert "机器人管理员" in await asked(lounge, file, "/import", BOB)


async def test_the_bots_name_can_be_told(lounge: Lounge) -> None:
    """Where an export has no numbers."""
    lounge.bot = BotConfig(owners=[ALICE])
    unnamed = CLASSIC.replace("(30003)", "").replace("(20001)", "").replace("消息对象:周末爬山群", "消息对象:n1")
    file = sent(lounge, "old.txt", unnamed)
    await lounge.reply(await lounge.next(), "ok")
    assert "小忆(-)：1 条，作为我说的话" in await asked(lounge, file, "/import --me 小忆")
    await asked(lounge, file, "/import --me 小忆 -y")
    assert (await lounge.record())[:2] == TALK
