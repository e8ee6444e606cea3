"""What bot admins read of chat exports that they import."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "about.import": (
        "引用发到这里的聊天记录导出文件，导入本会话的历史",
        "quote a chat export that was sent here: it becomes this chat's history",
    ),
    "import.usage": (
        "用法：引用导出文件的那条消息，发送 {prefix}import [--me 机器人在里面的名字] [--only 会话名]",
        "Usage: quote the message with the export and send {prefix}import [--me THE-BOT'S-NAME] [--only CHAT]",
    ),
    "import.would": (
        "会话：{name}\n时间：{begins} 至 {ends}\n消息：{messages} 条，{new} 条是新的；{left} 条读不了，不导入",
        "Chat: {name}\nFrom {begins} to {ends}\nMessages: {messages}, {new} of them new; {left} cannot be read and are "
        "left out",
    ),
    "import.person": ("· {name}({qq})：{messages} 条", "· {name}({qq}): {messages}"),
    "import.bot": ("· {name}({qq})：{messages} 条，作为我说的话", "· {name}({qq}): {messages}, taken for my own words"),
    "import.more": ("· 还有 {count} 人", "· {count} people more"),
    "import.quote": ("都导入到本会话（发的时候再引用一次那个文件）。", "All goes to this chat (quote the file again)."),
    "import.done": (
        "导入了 {count} 条。下一次整理（每晚，或 {prefix}learn now）会从里面提取记忆。",
        "Imported {count} messages. Memories are made of them at night, or with {prefix}learn now.",
    ),
    "import.nothing": ("里面没有新的消息。", "There is nothing new in it."),
    "import.no_file": (
        "引用的消息里没有文件，或者我没有收到过它。请把导出文件发到这里，再引用它。",
        "There is no file in the quoted message, or I never got it. Send the export here and quote that.",
    ),
}
