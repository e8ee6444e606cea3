"""What `onebot-bot import` says, Chinese first, English beside it."""

from collections.abc import Mapping

from onebot_bot.texts import Language

_CATALOGUE: Mapping[str, tuple[str, str]] = {
    "file": ("文件", "File"),
    "chat": ("会话", "Chat"),
    "into": ("导入到", "Into"),
    "dates": ("时间", "Dates"),
    "zone": ("（{zone}）", " ({zone})"),
    "days": ("{first} 至 {last}", "{first} to {last}"),
    "messages": ("消息", "Messages"),
    "tally": ("{count} 条：{new} 条是新的，{known} 条已有记录", "{count}: {new} new, {known} on record already"),
    "people": ("说话的人：", "Who speaks:"),
    "bot": ("← 作为机器人自己说的话", "← as the bot itself"),
    "others": ("另外 {count} 人", "{count} more people"),
    "nobot": (
        "没有一条是机器人说的。要把谁的话算作机器人的，加上 --me QQ号（没有号码的导出写名字）。",
        "Nothing in it was said by the bot. If one of them is to count as the bot, add --me QQ "
        "(the name, where there are no numbers).",
    ),
    "left": ("不导入：{count} 条", "Left out: {count}"),
    "damaged": ("JSON 损坏或文件不完整", "broken JSON, or the file was cut"),
    "shape": ("不是一条消息", "not a message"),
    "time": ("没有时间，或时间不可能", "no time, or an impossible one"),
    "sender": ("没有发送者", "nobody said it"),
    "empty": ("没有内容", "nothing in it"),
    "system": ("系统提示", "QQ's own notice"),
    "recalled": ("已撤回", "recalled in QQ"),
    "characters": (
        "另有 {count} 条含有无法解码的字符（显示为 �），仍会导入",
        "{count} hold bytes that are no text (shown as �); they are imported all the same",
    ),
    "at": ("（{places}）", " ({places})"),
    "first": ("最早：", "First:"),
    "last": ("最晚：", "Last:"),
    "ask": ("导入这 {new} 条消息吗？[y/N] ", "Import these {new} messages? [y/N] "),
    "nothing": ("全部已有记录，没有要导入的。", "All of it is on record: there is nothing to import."),
    "no": ("没有写入任何内容。", "Nothing was written."),
    "unasked": (
        "没有写入任何内容。不在终端里运行时，加上 --yes 才会导入。",
        "Nothing was written. Outside a terminal, add --yes to import.",
    ),
    "reading": ("读取 {count}", "read {count}"),
    "writing": ("写入 {count}", "written {count}"),
    "done": ("已导入 {count} 条消息，用时 {seconds} 秒。", "Imported {count} messages in {seconds} s."),
    "next": (
        "记忆稍后产生：机器人启动后，下一次整理（每晚，或 /learn now）会从这些消息里提取。\n"
        "再运行一次本命令不会重复导入。",
        "Memories come later: once the bot runs, the next extraction (at night, or /learn now) takes them from these\n"
        "messages. Running this again adds nothing twice.",
    ),
}


def tell(language: Language, key: str, /, **values: object) -> str:
    """The text `key` in `language` with `values` filled in."""
    chinese, english = _CATALOGUE[key]
    return (chinese if language == "zh" else english).format(**values)
