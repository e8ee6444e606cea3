"""As failures.py: what a command refuses, what the owner is told, and which text carries which id."""

from collections.abc import Mapping

from onebot_bot.catalogue.failures import Failure

_COMMANDS: Mapping[str, Failure] = {
    "OB-2000": Failure(
        "command",
        ("命令没有办成。", "A command could not be carried out."),
        ("按提示改一下再发。", "Change it as it says and send it again."),
    ),
    "OB-2001": Failure(
        "usage",
        ("命令写得不对。", "The command was not written as it is used."),
        ("按提示里的“用法”再发一次。", "Send it as the usage in the answer shows."),
    ),
    "OB-2002": Failure(
        "unknown-command",
        ("没有这个命令。", "There is no such command."),
        ("发送 /help 查看全部命令。", "Send /help for all commands."),
    ),
    "OB-2003": Failure(
        "not-allowed",
        ("你没有权限这样做，或谁都不能这样做。", "You may not do this, or nobody may."),
        ("找提示里说的人。", "Ask whom the answer names."),
    ),
    "OB-2004": Failure(
        "disabled",
        ("这个功能在这里关着。", "This is switched off here."),
        ("请提示里说的人打开。", "Have it switched on by whom the answer names."),
    ),
    "OB-2005": Failure(
        "elsewhere",
        ("这个命令要在别处用：群里，或私聊里。", "This command is for another place: a group, or a private chat."),
        ("到提示里说的地方发。", "Send it where the answer says."),
    ),
    "OB-2006": Failure(
        "not-found",
        ("没有叫这个名字或编号的东西。", "There is nothing of that name or number."),
        ("先用这个命令的 list 看有哪些。", "See what there is with the command's `list`."),
    ),
    "OB-2007": Failure(
        "too-long",
        ("内容太长。", "The text is too long."),
        ("写短一点，上限在提示里。", "Make it shorter; the answer names the limit."),
    ),
    "OB-2008": Failure(
        "too-many",
        ("数量已经到上限。", "There are as many as there may be."),
        ("先删掉一些。", "Delete some first."),
    ),
    "OB-2009": Failure(
        "nothing-there",
        ("没有可以操作的对话或消息。", "There is no exchange or message to do it to."),
        ("先聊几句，再用这个命令。", "Talk first, then use the command."),
    ),
    "OB-2010": Failure(
        "bad-value",
        ("这个值不能用。", "This value cannot be used."),
        ("换成提示里范围内的值。", "Choose one within what the answer names."),
    ),
    "OB-2011": Failure(
        "file-not-sent",
        ("文件没能私聊发给你。", "The file could not be sent to you in private."),
        ("先加机器人为好友，再试一次。", "Add the bot as a friend, then try again."),
    ),
    "OB-2012": Failure(
        "not-friends",
        ("还不是好友。", "You and the bot are not friends yet."),
        ("先加机器人为好友。", "Add the bot as a friend."),
    ),
    "OB-2013": Failure(
        "picture-file",
        ("控制台里要发的图片用不了。", "The picture to be sent from the console cannot be used."),
        ("换成 PNG、JPEG、GIF、WebP 或 BMP，小一点的。", "Take a PNG, JPEG, GIF, WebP or BMP, and a smaller one."),
    ),
}

_REPORTS: Mapping[str, Failure] = {
    "OB-2101": Failure(
        "answer",
        ("有一条消息没能回复。", "A message could not be answered."),
        ("在日志里按编号找到原因；那个人可以再问一次。", "Find its id in the log; the person may ask again."),
    ),
    "OB-2102": Failure(
        "send",
        ("有一条回复没能发出去。", "An answer could not be sent."),
        ("看 NapCat 是否在线、账号是否被禁言或风控。", "See whether NapCat is online and the account not muted."),
    ),
    "OB-2103": Failure(
        "command-broken",
        ("有一个命令执行出错。", "A command failed by a fault of the program."),
        ("主人在日志里按编号找到它，去报告问题。", "The owner finds the id in the log and reports it."),
    ),
    "OB-2104": Failure(
        "friend-request",
        ("有一个好友请求或入群邀请没能处理。", "A friend request or invitation could not be dealt with."),
        ("在手机 QQ 里处理它，或发送 /request list。", "Deal with it in QQ itself, or send /request list."),
    ),
    "OB-2105": Failure(
        "background",
        ("一个后台任务出错停了，其余照常。", "A task in the background failed and ended; the rest goes on."),
        ("重启机器人；反复出现就带着日志报告问题。", "Restart the bot; if it recurs, report it with the log."),
    ),
}

FAILURES: Mapping[str, Failure] = {**_COMMANDS, **_REPORTS}
"""By id."""

USAGE = "OB-2001"
"""Of every text whose key ends with `.usage`."""

IDS: Mapping[str, str] = {
    "command.unknown": "OB-2002",
    "command.refused": "OB-2003",
    "command.disabled": "OB-2004",
    "command.always": "OB-2003",
    "command.group_only": "OB-2005",
    "command.no_file": "OB-2011",
    "command.broken": "OB-2103",
    "config.secret": "OB-2003",
    "memory.unknown": "OB-2006",
    "persona.unknown": "OB-2006",
    "persona.admins": "OB-2003",
    "profile.unknown": "OB-2006",
    "profile.admins": "OB-2003",
    "branch.unknown": "OB-2006",
    "branch.many": "OB-2008",
    "branch.bad_name": "OB-2010",
    "branch.taken": "OB-2010",
    "branch.keep_first": "OB-2003",
    "prompt.long": "OB-2007",
    "set.range": "OB-2010",
    "undo.none": "OB-2009",
    "turn.none": "OB-2009",
    "turn.not_yours": "OB-2003",
    "turn.long": "OB-2007",
    "turn.silent": "OB-2004",
    "edit.none": "OB-2009",
    "ref.private": "OB-2005",
    "ref.many": "OB-2008",
    "send.long": "OB-2007",
    "import.no_file": "OB-2006",
    "ban.spared": "OB-2003",
    "request.unknown": "OB-2006",
    "stats.elsewhere": "OB-2005",
    "proactive.stranger": "OB-2012",
    "proactive.disabled": "OB-2004",
    "learn.refused": "OB-1401",
    "night.no_disk": "OB-1402",
    "night.no_memory": "OB-1403",
    "night.disk_full": "OB-1305",
    "night.not_restored": "OB-1405",
    "report.answer": "OB-2101",
    "report.send": "OB-2102",
    "report.command": "OB-2103",
    "report.config": "OB-1001",
    "report.request": "OB-2104",
    "report.background": "OB-2105",
    "report.model": "OB-1201",
    "report.engine": "OB-1222",
    "report.restarted": "OB-1221",
    "report.exchanged": "OB-1224",
    "answer.no_room": "OB-1223",
    "report.words": "OB-1002",
    "report.persona": "OB-1006",
    "report.profile": "OB-1210",
    "report.backup": "OB-1311",
    "report.empty": "OB-1317",
}
"""Which failure a text of the catalogue tells of, by key; it is said with the id at its end."""

CONSOLE_IDS: Mapping[str, str] = {
    "down": "OB-1105",
    "refused": "OB-1104",
    "refused.url": "OB-1104",
    "lost": "OB-1105",
    "kept": "OB-1105",
    "unknown": "OB-2002",
    "usage": USAGE,
    "at.private": "OB-2005",
    "reply.none": "OB-2009",
    "image.none": "OB-2013",
    "image.large": "OB-2013",
    "image.kind": "OB-2013",
}
"""The same for the texts of `onebot-bot console`."""
