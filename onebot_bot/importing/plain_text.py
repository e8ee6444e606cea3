"""Chat exports in plain text: what QQ's message manager writes, and QQChatExporter's txt. Read line by line."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo

from onebot_bot.importing.json_export import YEARS, readable
from onebot_bot.importing.source import Chat, Item, Left, Said
from onebot_bot.texts import Language

CLASSIC = re.compile(r"^(\d{4}[-/]\d{1,2}[-/]\d{1,2} +\d{1,2}:\d{2}:\d{2})(?:[ \t]+(.*))?$")
"""`2023-01-02 12:34:56 name(12345)`, `... name<mail>`; in private chats often the bare name."""

EXPORTER = re.compile(r"^(?:时间|Time)[:：] ?(\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2})$")

_NUMBERED = re.compile(r"^(?:【[^】]{1,12}】)?(.*?)\((\d{5,11})\)$")
_MAIL = re.compile(r"^(?:【[^】]{1,12}】)?(.*?)<([^<>\s@]++@[^<>\s]++)>$")
_OBJECT = re.compile(r"^消息对象[:：](.*)$")
_RULE = re.compile(r"^=+$")
_QQ_MAIL = re.compile(r"^(\d{5,11})@qq\.com$", re.IGNORECASE)


def read_classic(lines: Iterable[str], name: str, language: Language, zone: tzinfo) -> Iterator[Item]:
    """What QQ's own txt export holds; a whole account's has several chats, each after its heading."""
    head, body, after_gap = ("", "", ""), list[str](), True
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip("\r\n").lstrip("\ufeff")
        title, begun = _OBJECT.match(line), CLASSIC.match(line)
        if title or (begun and (after_gap or _who(begun[2] or "")[1])):
            yield from _message(head, body, language, zone)
            head, body = ("", "", ""), []
        if title:
            yield Chat(name=title[1].strip())
        elif begun and not head[0] and not body:
            head = (f"{name}, line {number}", begun[1].replace("/", "-"), begun[2] or "")
        elif head[0]:
            body.append(line)
        after_gap = not line.strip() or bool(_RULE.match(line)) or bool(title)
    yield from _message(head, body, language, zone)


def read_exporter(lines: Iterable[str], name: str, language: Language, zone: tzinfo) -> Iterator[Item]:
    """What QQChatExporter's txt holds: a line with the name, one with the time, then the content."""
    head, body, last = ("", "", ""), list[str](), ""
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip("\r\n").lstrip("\ufeff")
        begun = EXPORTER.match(line)
        if begun and last.endswith((":", "：")):
            yield from _message(head, _exporter_body(body[:-1]), language, zone)
            head, body = (f"{name}, line {number}", begun[1], last[:-1]), []
        elif not head[0] and line.startswith("聊天名称:"):
            yield Chat(name=line.partition(":")[2].strip())
        elif head[0]:
            body.append(line)
        last = line
    yield from _message(head, _exporter_body(_without_foot(body)), language, zone)


_FOOT = ("资源: ", "  - ", "提及: ", "回复: ")


def _exporter_body(lines: list[str]) -> list[str]:
    """The content without its label, and without what the exporter adds below it."""
    while lines and (not lines[-1].strip() or lines[-1].startswith(_FOOT) or re.fullmatch(r"\[\d+\]", lines[-1])):
        lines.pop()
    while lines and not lines[0].startswith("内容: "):
        lines.pop(0)
    return [line.removeprefix("内容: ") if place == 0 else line for place, line in enumerate(lines)]


def _without_foot(lines: list[str]) -> list[str]:
    """Without the closing lines of the file, when it is whole."""
    if "导出完成" in (line.strip() for line in lines[-5:]):
        while lines and not _RULE.match(lines.pop()):
            continue
        while lines and not _RULE.match(lines.pop()):
            continue
    return lines


_HEADINGS = ("消息分组", "消息记录（此消息记录")


def _message(head: tuple[str, str, str], body: list[str], language: Language, zone: tzinfo) -> Iterator[Item]:
    where, when, who = head
    if not where:
        return
    while body and (not body[-1].strip() or _RULE.match(body[-1]) or body[-1].startswith(_HEADINGS)):
        body.pop()  # what announces the next chat
    text = readable("\n".join(body).strip(), {}, language)
    seconds, (name, number) = _seconds(when, zone), _who(who)
    if seconds is None:
        yield Left(where, "time")
    elif not name and not number:
        yield Left(where, "sender")
    elif not text:
        yield Left(where, "empty")
    elif number == "10000" or name in ("系统消息", "系统消息(10000)"):
        yield Left(where, "system")
    else:
        yield _said(where, seconds, text, name, number)


def _said(where: str, seconds: int, text: str, name: str, number: str) -> Said:
    mail = _QQ_MAIL.match(number)
    number = mail[1] if mail else number
    return Said(
        where=where,
        time=seconds,
        text=text,
        name=name or number,
        qq=int(number) if number.isdigit() else 0,
    )


def _who(text: str) -> tuple[str, str]:
    """Name and number (or mail address) of a header; the number is empty when it has none."""
    text = text.strip()
    found = _NUMBERED.match(text) or _MAIL.match(text)
    return (found[1].strip(), found[2]) if found else (text, "")


def _seconds(when: str, zone: tzinfo) -> int | None:
    try:
        moment = datetime.strptime(when, "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone)
    except ValueError:
        return None
    seconds = int(moment.timestamp())
    return seconds if YEARS[0] <= seconds < YEARS[1] else None
