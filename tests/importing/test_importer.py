"""Chat exports, written by the tests the way QQ and QQChatExporter write them, become history."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from onebot_bot.errors import CommandError
from onebot_bot.importing import importer, json_export
from onebot_bot.importing.importer import Job, Preview, bring_in, look_through
from onebot_bot.importing.source import encoding_of
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History
from onebot_bot.memory.unread import Unread
from onebot_bot.protocol.chat_id import ChatId

GROUP = ChatId(10001, "group", 20002)
PRIVATE = ChatId(10001, "private", 30003)
NOON = 1_700_000_000
CHINA = ZoneInfo("Asia/Shanghai")

CLASSIC_GROUP = """消息记录（此消息记录为文本格式，不支持重新导入）

================================================================
消息分组:我的QQ群
================================================================
消息对象:周末爬山群
================================================================

2023-01-02 12:34:56 【管理员】阿澈(30003)
周六去爬山吗？
第二行
2023-01-02 10:00:00 这一行是正文

2023-01-02 9:05:07 小忆(10001)
好呀[图片]

2023-01-03 00:00:01 老王<40004@qq.com>
我也去

2023-01-03 00:00:02 某人<someone@example.com>
带上我

2023-01-03 00:00:03 系统消息(10000)
某人加入本群。

2023-13-40 00:00:04 阿澈(30003)
没有这一天

2023-01-03 00:00:05 阿澈(30003)

"""

EXPORTER_TXT = """[QQChatExporter V5 / https://github.com/shuakami/qq-chat-exporter]
[本软件是免费的开源项目~]

===============================================
           QQ聊天记录导出文件
===============================================

聊天名称: 阿澈
聊天类型: 私聊
导出时间: 2024-02-01 00:00:00
消息总数: 3
时间范围: 2024-01-01 00:01:40 - 2024-01-01 00:05:00


阿澈:
时间: 2024-01-01 00:01:40
内容: 在吗？

时间: 不是消息头
还有一行


小忆:
时间: 2024-01-01 00:02:45
内容: [图片: screenshot.png]
资源: 1 个文件
  - image: screenshot.png


阿澈:
时间: 2024-01-01 00:05:00
内容: 好的
回复: 01-01 00:02 小忆 - 在
===============================================
              导出完成
===============================================
总计导出 3 条消息
导出时间: 2024-02-01 00:00:00"""


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """That of a bot that does not run."""
    async with Database(tmp_path / "memory.sqlite3") as opened:
        yield opened


@pytest.fixture
def history(database: Database) -> History:
    """Its record."""
    return History(database)


@pytest.fixture
def unread(database: Database) -> Unread:
    """What of it was not read for memories."""
    return Unread(database)


def message(number: int, text: str = "", *, seconds: int = 0, uin: str = "30003", **more: Any) -> dict[str, Any]:
    """One entry of `messages`, as version 5 writes it."""
    return {
        "id": str(7_550_000_000_000_000_000 + number),
        "seq": str(number),
        "timestamp": (NOON + (seconds or number)) * 1000,
        "time": "2023-11-14T22:13:20.000Z",
        "sender": {"uid": f"u_{uin}", "uin": uin, "name": {"10001": "小忆"}.get(uin, "阿澈")},
        "type": "text",
        "content": {"text": text or f"第{number}条", "elements": [], "resources": [], "mentions": []},
        "recalled": False,
        "system": False,
        **more,
    }


def header(chat: ChatId = GROUP, owner: int = 10001) -> dict[str, Any]:
    """What comes before the messages."""
    info = {"name": "周末爬山群", "type": chat.kind, "selfUid": "u_self", "selfUin": str(owner)}
    peer = {"peerUid": str(chat.peer)} if chat.kind == "group" else {"peerUid": "u_30003", "peerUin": str(chat.peer)}
    return {"metadata": {"name": "QQChatExporter"}, "chatInfo": {**info, **peer}, "statistics": {"a": [1, {}]}}


def single(path: Path, messages: list[dict[str, Any]], head: dict[str, Any] | None = None) -> Path:
    """A file as version 5 writes it: a message a line."""
    parts = [f"  {json.dumps(key)}:{dumped(value)}," for key, value in (head or header()).items()]
    body = ",\n".join(f"    {dumped(item)}" for item in messages)
    path.write_text("\n".join(["{", *parts, '  "messages":[', f"{body}", '  ],"exportOptions":{}', "}\n"]), "utf-8")
    return path


def dumped(value: Any) -> str:
    """Compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def job(file: Path, chat: ChatId = GROUP, **more: Any) -> Job:
    """An import by the bot's own account."""
    return Job(**{"file": file, "chat": chat, "me": frozenset({"10001"}), "zone": CHINA, **more})


async def said(history: History, chat: ChatId = GROUP) -> list[tuple[str, int, str]]:
    """Role, number and text of what is on record."""
    return [(entry.role, entry.user_id, entry.text) for entry in await history.recent(chat, 10_000)]


async def take(history: History, wanted: Job) -> Preview:
    """Look through it, then bring it in."""
    preview = await look_through(wanted, history)
    assert preview.new == await bring_in(wanted, history)
    return preview


# --- QQChatExporter's JSON ----------------------------------------------------------------------------------------


async def test_json_becomes_history(history: History, tmp_path: Path) -> None:
    """Speakers, the bot's own lines, times, quotes and things that are no words arrive as a live message would."""
    quote = {"type": "reply", "data": {"referencedMessageId": message(1)["id"], "content": "x"}}
    answer = message(3, "[回复消息]六点", uin="10001")
    answer["content"]["elements"] = [quote]
    file = single(
        tmp_path / "a.json", [message(1, "几点？"), message(2, "[图片:a.jpg][文件:路线.pdf][语音:7秒]"), answer]
    )

    await take(history, job(file))

    first, second, third = await history.recent(GROUP, 10)
    assert Entry(
        role="user", text="几点？", time=NOON + 1, user_id=30003, name="阿澈", message_id=1289125323, id=1
    ) == msgspec.structs.replace(first, segments=None)
    assert second.text == "[图片][文件：路线.pdf][语音]"
    assert ("assistant", 10001, "六点", first.message_id) == (third.role, third.user_id, third.text, third.reply_to)


async def test_a_quote_that_leads_nowhere_is_shown(history: History, tmp_path: Path) -> None:
    """When the export does not know which message is quoted, its words stand in the text."""
    quoting = message(1, "[回复 老王: 几点？]\n六点")
    quoting["content"]["elements"] = [{"type": "reply", "data": {"senderName": "老王", "content": "几点？"}}]
    await take(history, job(single(tmp_path / "a.json", [quoting])))
    assert await said(history) == [("user", 30003, "（回复 老王：“几点？”）六点")]


async def test_twice_adds_nothing(history: History, tmp_path: Path) -> None:
    """The second time everything is known."""
    wanted = job(single(tmp_path / "a.json", [message(1), message(2)]))
    assert (await take(history, wanted)).new == 2
    again = await take(history, wanted)
    assert (again.new, again.known) == (0, 2)
    assert len(await said(history)) == 2


async def test_what_the_bot_heard_live_is_known(history: History, tmp_path: Path) -> None:
    """The ids are those that NapCat gives, so its messages are not stored again."""
    live = Entry(role="assistant", text="as sent", time=NOON + 4, user_id=10001, message_id=1289125323)
    await history.append(GROUP, live)
    preview = await take(history, job(single(tmp_path / "a.json", [message(1, "as exported"), message(2)])))
    assert preview.known == 1
    assert [text for _, _, text in await said(history)] == ["第2条", "as sent"]


async def test_what_was_taken_out_of_view_does_not_come_back(history: History, tmp_path: Path) -> None:
    """A message that was recalled in QQ after the bot heard it stays out of view."""
    await history.append(GROUP, Entry(role="user", text="a", time=NOON + 1, user_id=30003, message_id=1289125323))
    await history.append(GROUP, Entry(role="user", text="b", time=NOON + 2, user_id=30003, message_id=77))
    await history.withdraw(GROUP, 1289125323)
    await history.withdraw(GROUP, 77)
    ours = single(tmp_path / "ours.json", [message(1, "a")])
    theirs = single(tmp_path / "theirs.json", [message(2, "b")], header(owner=777))
    assert [(await take(history, job(file))).new for file in (ours, theirs)] == [0, 0]


async def test_ids_that_meet_by_chance_cost_no_message(history: History, tmp_path: Path) -> None:
    """Another message of another day has the same 31 bits: it is stored without an id, once."""
    await history.append(GROUP, Entry(role="user", text="other", time=NOON - 90_000, user_id=5, message_id=1289125323))
    wanted = job(single(tmp_path / "a.json", [message(1, "mine")]))
    assert (await take(history, wanted)).new == 1
    assert (await take(history, wanted)).new == 0
    assert [entry.message_id for entry in await history.recent(GROUP, 5)] == [1289125323, None]


async def test_another_accounts_ids_are_not_ours(history: History, tmp_path: Path) -> None:
    """An export by somebody else is known by time, speaker and text, and leaves no ids."""
    wanted = job(single(tmp_path / "a.json", [message(1), message(2)], header(owner=777)))
    await take(history, wanted)
    assert [entry.message_id for entry in await history.recent(GROUP, 5)] == [None, None]
    assert (await look_through(wanted, history)).new == 0


async def test_broken_entries_are_skipped_and_counted(history: History, tmp_path: Path) -> None:
    """Each fault costs its own entry, and says where it is and what it is."""
    bad = [
        message(2, recalled=True),
        message(3, system=True),
        message(4, timestamp=0, time="x"),
        message(5, sender={}),
        message(6, content={"text": " "}),
        message(7, content=None),
    ]
    file = single(tmp_path / "a.json", [message(1), *bad, message(8), message(9), message(10)])
    text = file.read_text("utf-8").replace('"第8条"', '"第8"条"').replace('"第9条",', '"第9条","a":[{,')
    file.write_text(text.replace('"第10条"', '"第10条 {\\" ]"'), "utf-8")

    preview = await take(history, job(file))

    assert [text for _, _, text in await said(history)] == ["第1条", '第10条 {" ]']
    assert preview.left == {"recalled": 1, "system": 1, "time": 1, "sender": 1, "empty": 1, "shape": 1, "damaged": 2}
    assert {"a.json, entry 4", "a.json, entry 8"} < {left.where for left in preview.examples}


@pytest.mark.parametrize(
    "entry",
    [
        "5",
        "null",
        "nope",
        '"text"',
        "[[[",
        "[" * 200_000,
        f'{{"n": {"9" * 5000}}}',
        dumped(message(2, timestamp=10**400, time="")),
        dumped(message(2, timestamp="NaN", time="0001-01-01 00:00:00")),
        dumped(message(2, sender=[])),
        dumped(message(2, content=[])),
        dumped(message(2, content={"text": {}, "elements": [5, {"type": "reply", "data": 5}]})),
    ],
    ids=lambda entry: entry[:20],
)
async def test_no_entry_is_fatal(history: History, tmp_path: Path, entry: str) -> None:
    """Whatever stands in the place of a message costs itself."""
    file = single(tmp_path / "a.json", [message(1), message(2), message(3)])
    file.write_text(file.read_text("utf-8").replace(dumped(message(2)), entry), "utf-8")
    preview = await take(history, job(file))
    assert [text for _, _, text in await said(history)] == ["第1条", "第3条"]
    assert preview.left.total() == 1


async def test_half_a_character_is_replaced(history: History, tmp_path: Path) -> None:
    """JSON can spell what cannot be stored: it is shown as damage, and counted as such."""
    (tmp_path / "a.json").write_text(json.dumps({**header(), "messages": [message(1, "a\ud83db")]}), "utf-8")
    assert (await take(history, job(tmp_path / "a.json"))).left == {"characters": 1}
    assert await said(history) == [("user", 30003, "a\ufffdb")]


async def test_a_cut_file_gives_what_is_whole(history: History, tmp_path: Path) -> None:
    """An export that ends in the middle of an entry loses that entry."""
    file = single(tmp_path / "a.json", [message(1), message(2), message(3)])
    text = file.read_text("utf-8")
    file.write_text(text[: text.index("第3条")], "utf-8")
    preview = await take(history, job(file))
    assert (preview.new, preview.left["damaged"]) == (2, 2)


@pytest.mark.parametrize("piece", [7, 64, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
async def test_json_is_read_in_pieces_of_any_size(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, indent: int | None
) -> None:
    """Where a piece ends does not matter, nor how the file is laid out."""
    monkeypatch.setattr(json_export, "PIECE", piece)
    texts = ['a "quoted" \\ {[', "😀 line\nbreak", "x" * 500, "末"]
    messages = [message(number, text) for number, text in enumerate(texts, 1)]
    whole = {**header(), "messages": messages, "avatars": {"1": "data:"}}
    (tmp_path / "a.json").write_text(json.dumps(whole, indent=indent), "utf-8")
    await take(history, job(tmp_path / "a.json"))
    assert texts == [text for _, _, text in await said(history)]


async def test_chunks_are_read_by_their_manifest(history: History, tmp_path: Path) -> None:
    """The folder, the manifest and a lone chunk are all exports."""
    chunks = tmp_path / "chunks"
    chunks.mkdir()
    for number in (1, 2):
        line = dumped(message(number))
        (chunks / f"c00000{number}.jsonl").write_text(f"{line}\n{{broken\n", "utf-8")
    names = [{"relativePath": "chunks/c000001.jsonl"}, {"relativePath": "chunks/c000002.jsonl"}]
    manifest = {**header(), "chunked": {"format": "chunked-jsonl", "chunks": names}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest, indent=2), "utf-8")

    preview = await take(history, job(tmp_path))
    assert (preview.new, preview.left["damaged"], preview.name) == (2, 2, "周末爬山群")
    assert (await look_through(job(tmp_path / "manifest.json"), history)).known == 2
    assert (await look_through(job(chunks / "c000001.jsonl"), history)).known == 1
    (chunks / "c000002.jsonl").unlink()
    with pytest.raises(CommandError, match=r"c000002\.jsonl is missing"):
        await look_through(job(tmp_path), history)


async def test_a_manifest_reads_nothing_outside_its_folder(history: History, tmp_path: Path) -> None:
    """A path that leads away is looked for beside the manifest."""
    (tmp_path / "secret.jsonl").write_text(dumped(message(1)), "utf-8")
    (tmp_path / "export").mkdir()
    manifest = {**header(), "chunked": {"chunks": [{"relativePath": "../secret.jsonl"}]}}
    (tmp_path / "export" / "manifest.json").write_text(json.dumps(manifest, indent=2), "utf-8")
    with pytest.raises(CommandError, match="is missing"):
        await look_through(job(tmp_path / "export"), history)


# --- txt ----------------------------------------------------------------------------------------------------------


async def test_classic_txt_becomes_history(history: History, tmp_path: Path) -> None:
    """Titles, numbers, mail addresses and lines of several kinds are told apart."""
    (tmp_path / "a.txt").write_text(CLASSIC_GROUP, "utf-8-sig")
    preview = await take(history, job(tmp_path / "a.txt"))
    assert await said(history) == [
        ("assistant", 10001, "好呀[图片]"),
        ("user", 30003, "周六去爬山吗？\n第二行\n2023-01-02 10:00:00 这一行是正文"),
        ("user", 40004, "我也去"),
        ("user", 0, "带上我"),
    ]
    assert preview.name == "周末爬山群"
    assert [(left.where, left.reason) for left in preview.examples] == [
        ("a.txt, line 23", "system"),
        ("a.txt, line 26", "time"),
        ("a.txt, line 29", "empty"),
    ]
    first = (await history.recent(GROUP, 10))[0]
    assert (first.time, first.name) == (int(datetime(2023, 1, 2, 1, 5, 7, tzinfo=UTC).timestamp()), "小忆")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gb18030"])
async def test_every_usual_encoding_is_read(history: History, tmp_path: Path, encoding: str) -> None:
    """The encoding is told from the bytes, with Windows line ends too."""
    (tmp_path / "a.txt").write_bytes(CLASSIC_GROUP.replace("\n", "\r\n").encode(encoding))
    await take(history, job(tmp_path / "a.txt"))
    assert ("user", 40004, "我也去") in await said(history)


def test_a_sample_may_end_within_a_character() -> None:
    """What the sample cuts does not decide."""
    assert encoding_of("好好".encode()[:-1]) == "utf-8"
    assert encoding_of("好好".encode("gb18030")[:-1]) == "gb18030"
    assert encoding_of(b"plain") == "utf-8"


async def test_bytes_that_are_no_text_are_counted(history: History, tmp_path: Path) -> None:
    """The message is kept, and the preview says that something in it was lost."""
    data = ("2023-01-02 12:34:56 阿澈(30003)\n一二三四五六七八\n\n" * 2).encode()
    (tmp_path / "a.txt").write_bytes(data + "2023-01-02 12:34:57 阿澈(30003)\n坏".encode() + b"\xff\n")
    preview = await look_through(job(tmp_path / "a.txt"), history)
    assert preview.left == {"characters": 1}
    assert (preview.messages, preview.last[-1].text) == (3, "坏\ufffd")


async def test_exporter_txt_of_a_private_chat(history: History, tmp_path: Path) -> None:
    """Without numbers, the chat's name is the other person's, and the rest is the bot's."""
    (tmp_path / "a.txt").write_text(EXPORTER_TXT, "utf-8")
    await take(history, job(tmp_path / "a.txt", PRIVATE))
    assert await said(history, PRIVATE) == [
        ("user", 30003, "在吗？\n\n时间: 不是消息头\n还有一行"),
        ("assistant", 10001, "[图片]"),
        ("user", 30003, "好的"),
    ]


async def test_a_private_txt_that_does_not_tell_who_is_who(history: History, tmp_path: Path) -> None:
    """When no name is the heading's, the person importing says which is the bot's."""
    text = "消息对象:备注名\n\n2023-01-02 12:34:56 阿澈\n在吗\n\n2023-01-02 12:34:57 小忆\n在\n"
    (tmp_path / "a.txt").write_text(text, "utf-8")
    with pytest.raises(CommandError, match="Add --me NAME"):
        await look_through(job(tmp_path / "a.txt", PRIVATE), history)
    await take(history, job(tmp_path / "a.txt", PRIVATE, me=frozenset({"小忆"})))
    assert await said(history, PRIVATE) == [("user", 30003, "在吗"), ("assistant", 10001, "在")]


async def test_a_file_of_several_chats_is_taken_one_at_a_time(history: History, tmp_path: Path) -> None:
    """One chat's words never get into another: the one to take is named."""
    other = CLASSIC_GROUP.replace("周末爬山群", "机密群").replace("我也去", "秘密")
    (tmp_path / "a.txt").write_text(CLASSIC_GROUP + other, "utf-8")
    with pytest.raises(CommandError, match=r"2 chats: “周末爬山群” \(4\), “机密群” \(4\).*--only NAME"):
        await look_through(job(tmp_path / "a.txt"), history)
    with pytest.raises(CommandError, match="has no chat “没有”"):
        await look_through(job(tmp_path / "a.txt", only="没有"), history)
    await take(history, job(tmp_path / "a.txt", only="周末爬山群"))
    assert "秘密" not in str(await said(history))
    assert len(await said(history)) == 4


async def test_nicknames_do_not_pass_for_the_bot(history: History, tmp_path: Path) -> None:
    """Where there are numbers, only the number counts."""
    (tmp_path / "a.txt").write_text("2023-01-02 12:34:56 10001(666666)\nhi\n", "utf-8")
    await take(history, job(tmp_path / "a.txt"))
    assert await said(history) == [("user", 666666, "hi")]


# --- the whole ----------------------------------------------------------------------------------------------------


async def test_a_preview_writes_nothing(history: History, tmp_path: Path) -> None:
    """It counts people, what is new and what is left out, and shows the ends, by time."""
    entries = [message(number, uin="10001" if number % 5 == 0 else "30003") for number in (9, *range(1, 9), 10)]
    preview = await look_through(job(single(tmp_path / "a.json", entries)), history)
    assert (preview.messages, preview.new, preview.known) == (10, 10, 0)
    assert {p.name: (p.messages, p.bot) for p in preview.people.values()} == {"阿澈": (8, False), "小忆": (2, True)}
    assert [entry.text for entry in preview.first] == ["第1条", "第2条", "第3条"]
    assert [entry.text for entry in preview.last] == ["第8条", "第9条", "第10条"]
    assert await said(history) == []


@pytest.mark.parametrize(
    ("chat", "told"),
    [(PRIVATE, "export of group/20002"), (ChatId(10001, "group", 20003), "--chat says group/20003")],
)
async def test_an_export_of_another_chat_is_refused(history: History, tmp_path: Path, chat: ChatId, told: str) -> None:
    """What the file says of its chat has to fit --chat."""
    with pytest.raises(CommandError, match=told):
        await look_through(job(single(tmp_path / "a.json", [message(1)]), chat), history)


async def test_a_private_chat_may_be_exported_from_its_other_side(history: History, tmp_path: Path) -> None:
    """The person's own export of the chat with the bot is of the same chat; its ids are the person's."""
    head = header(PRIVATE, owner=30003)
    head["chatInfo"]["peerUin"] = "10001"
    await take(history, job(single(tmp_path / "a.json", [message(1), message(2, uin="10001")], head), PRIVATE))
    entries = await history.recent(PRIVATE, 5)
    assert [(entry.role, entry.user_id, entry.message_id) for entry in entries] == [
        ("user", 30003, None),
        ("assistant", 10001, None),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "neither a JSON nor a txt export"),
        ("Dear diary,\nnothing.\n", "neither a JSON nor a txt export"),
        ('{"a": 1}', "it has no `messages` .found: a."),
        ("{", "it is empty or no JSON object"),
        ('{"messages": []}', "holds no message that can be read"),
        ('{"messages": 5}', "it has no `messages`"),
    ],
)
async def test_what_is_no_export_is_refused(history: History, tmp_path: Path, text: str, told: str) -> None:
    """The error names the file and says how to get an export."""
    (tmp_path / "a.json").write_text(text, "utf-8")
    with pytest.raises(CommandError, match=f"a.json.*{told}.*Export the chat again"):
        await look_through(job(tmp_path / "a.json"), history)


async def test_a_missing_file_is_named(history: History, tmp_path: Path) -> None:
    """The error is one line with the file's name."""
    with pytest.raises(CommandError, match=r"none\.json cannot be read: No such file"):
        await look_through(job(tmp_path / "none.json"), history)


async def test_a_stopped_import_goes_on(history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a first run wrote before it was stopped is not written again by the second, and the rest is."""
    monkeypatch.setattr(importer, "BATCH", 4)
    wanted = job(single(tmp_path / "a.json", [message(number) for number in range(1, 11)]))

    def stop(_: int) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await bring_in(wanted, history, stop)
    assert len(await said(history)) == 4
    assert await bring_in(wanted, history) == 6
    assert [f"第{number}条" for number in range(1, 11)] == [text for _, _, text in await said(history)]


async def test_imported_messages_stand_where_they_were_said(history: History, unread: Unread, tmp_path: Path) -> None:
    """Order is by time, while their rows are the newest: a chat read for memories up to now has them still to read."""
    newest = await history.append(GROUP, Entry(role="user", text="today", time=NOON + 90_000, user_id=5, message_id=1))
    assert newest is not None
    await unread.mark_extracted(GROUP, newest)
    await take(history, job(single(tmp_path / "a.json", [message(2), message(1)])))
    entries = await history.recent(GROUP, 10)
    assert [entry.text for entry in entries] == ["第1条", "第2条", "today"]
    assert await unread.chats_with_news() == [GROUP]
    assert sorted(entries[:2], key=lambda entry: entry.id) == await unread.since(GROUP, newest, 10)
    assert all(earlier.time < later.time for earlier, later in pairwise(entries))
