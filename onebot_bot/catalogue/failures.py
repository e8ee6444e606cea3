"""Failures that a person can meet: id, cause and next step, Chinese first, English beside it. Settings, links, model.

The others are in faults.py and refusals.py; docs/errors.md is made of all. An id stays with its failure for good: one
that is given up is not given to another (tests/data/failure_ids.txt knows all that ever were).
"""

from collections.abc import Mapping
from typing import NamedTuple


class Failure(NamedTuple):
    """One kind of failure.

    Attributes:
        name: in a few words, for the ledger of ids.
        cause: what has happened, Chinese and English.
        step: what to do now, Chinese and English.
    """

    name: str
    cause: tuple[str, str]
    step: tuple[str, str]


_SETTINGS: Mapping[str, Failure] = {
    "OB-1000": Failure(
        "unexpected",
        ("程序遇到了没有预料到的错误。", "The program met an error it did not expect."),
        (
            "在 logs/bot.log 里按编号或时间找到它；重启后还出现，就带着那几行去报告问题。",
            "Find it in logs/bot.log by its id or time; if a restart does not end it, report it with those lines.",
        ),
    ),
    "OB-1001": Failure(
        "settings",
        ("config.toml 或命令行里有一项设置写错了。", "A setting in config.toml or on the command line is wrong."),
        (
            "按提示改好那一项并保存；运行中的机器人会自动读取，在那之前沿用上一份好的。",
            "Mend what is named and save; a running bot reads it by itself and keeps the last good one until then.",
        ),
    ),
    "OB-1002": Failure(
        "word-list",
        (
            "[guard] 的词表读不了，或其中一行写错了。",
            "A word list of [guard] cannot be read, or a line of it is wrong.",
        ),
        ("改好提示的那一行并保存，两秒内生效。", "Mend the line that is named and save; it applies in two seconds."),
    ),
    "OB-1003": Failure(
        "extraction-prompts",
        ("提取记忆用的提示词文件写错了。", "The file of prompts for extracting memories is wrong."),
        ("按提示改好文件，再开始学习。", "Mend the file as it says, then start the learning again."),
    ),
    "OB-1004": Failure(
        "token",
        (
            "server.token 读不到：变量没有设置，或文件坏了。",
            "server.token cannot be read: no such variable, or a bad file.",
        ),
        (
            '设置那个环境变量；或把 token 改成 "auto"；或删掉 memory_store/token 重启，再把新的填进 NapCat。',
            'Set the variable; or write token = "auto"; or delete memory_store/token, start, and enter the new one.',
        ),
    ),
    "OB-1005": Failure(
        "exposed",
        ("没有 token，端口却不只对本机开放。", "There is no token, and the port can be reached from other machines."),
        (
            '把 [server] 的 token 改成 "auto"，或把 host 改回 127.0.0.1。',
            'Set token = "auto" in [server], or host back to 127.0.0.1.',
        ),
    ),
    "OB-1006": Failure(
        "persona",
        ("人设文件有问题。", "A persona file cannot be used as it is."),
        ("按提示改好那一行并保存，不用重启。", "Mend the line that is named and save; no restart is needed."),
    ),
    "OB-1007": Failure(
        "token-short",
        ("server.token 太短，能被猜出来。", "server.token is short enough to be guessed."),
        (
            '把它改为 "auto"，或更长的随机串，NapCat 里一起改。',
            'Set it to "auto", or to a longer random one, and change it in NapCat too.',
        ),
    ),
}

_LINKS: Mapping[str, Failure] = {
    "OB-1008": Failure(
        "owners",
        ("没有主人，或主人写成了机器人自己。", "The bot has no owner, or is its own."),
        ("在 [bot] 的 owners 里写上你自己的 QQ 号。", "Put your own QQ number into owners of [bot]."),
    ),
    "OB-1101": Failure(
        "port-taken",
        ("端口被占用，或不能监听这个地址。", "The port is taken, or the address cannot be listened on."),
        (
            "停掉占用端口的程序，或改 [server] 的 port，NapCat 里的 URL 也一起改。",
            "Stop what uses the port, or change port in [server] and the URL in NapCat.",
        ),
    ),
    "OB-1102": Failure(
        "never-connected",
        ("没有 QQ 连上来过，或现在没有连着。", "No QQ account has ever connected, or none is connected now."),
        (
            "在 NapCat 的网络配置里检查 WebSocket 客户端：已启用，URL、Token 和启动时显示的一样。",
            "Check the WebSocket client in NapCat: enabled, URL and token as shown when the bot starts.",
        ),
    ),
    "OB-1103": Failure(
        "heartbeat-old",
        ("连接还在，但 NapCat 很久没有心跳。", "The connection is there, but NapCat has sent no heartbeat for long."),
        ("看 NapCat 是否卡住或掉线，重启 NapCat。", "See whether NapCat hangs or is offline; restart it."),
    ),
    "OB-1104": Failure(
        "wrong-token",
        ("令牌不对，机器人拒绝了连接。", "The token is wrong, so the bot refused the connection."),
        (
            "用启动时显示的 Token；改过 token 要重启机器人。",
            "Use the token shown when the bot starts; after a change of the token restart the bot.",
        ),
    ),
    "OB-1105": Failure(
        "bot-not-running",
        ("机器人没有在运行，或地址不对。", "The bot is not running, or the address is another one."),
        ("先在另一个终端里运行 make run。", "Run `make run` in another terminal first."),
    ),
    "OB-1106": Failure(
        "qq-offline",
        ("NapCat 连着，但 QQ 掉线了。", "NapCat is connected, but QQ is offline."),
        ("在 NapCat 里重新登录这个 QQ 号。", "Log the account in again in NapCat."),
    ),
    "OB-1107": Failure(
        "refused",
        (
            "有客户端连过来，因为 URL 的路径或请求不对被拒绝了。",
            "A client was refused for its URL's path or its request.",
        ),
        (
            "在 NapCat 里建“WebSocket 客户端”，URL 和启动时显示的一样。",
            "Make a WebSocket client in NapCat, with the URL that is shown when the bot starts.",
        ),
    ),
    "OB-1108": Failure(
        "container",
        (
            "机器人在容器里只监听本机，外面连不上它。",
            "In its container the bot listens to that alone; nobody reaches it.",
        ),
        (
            '把 [server] 的 host 改为 "0.0.0.0"，映射端口；用 network_mode: host 时不用改。',
            'Set host in [server] to "0.0.0.0" and publish the port; with network_mode: host nothing need change.',
        ),
    ),
    "OB-1109": Failure(
        "connections",
        ("同一个 QQ 号同时有好几个连接。", "One QQ account has several connections at once."),
        (
            "NapCat 里只留一个连到机器人的 WebSocket 客户端。",
            "Leave one WebSocket client to the bot in NapCat.",
        ),
    ),
    "OB-1110": Failure(
        "frame",
        ("收到的数据不是 OneBot v11，已丢弃。", "What came in is not OneBot v11; it was dropped."),
        ("确认连上来的是 NapCat，消息格式是 Array。", "See that NapCat is what connects, with message format Array."),
    ),
    "OB-1111": Failure(
        "string-format",
        ("NapCat 用字符串格式上报消息，会丢内容。", "NapCat reports messages as strings, and some of them is lost."),
        (
            "在 NapCat 的 WebSocket 客户端里把消息格式改为 Array。",
            "Set the message format of NapCat's client to Array.",
        ),
    ),
    "OB-1120": Failure(
        "action",
        ("一个动作没有做成：不在允许的名单里，或太大。", "An action was not done: it is not allowed, or too large."),
        ("看日志里动作的名字；附件太大就换小一点的。", "See the action's name in the log; make a large file smaller."),
    ),
    "OB-1121": Failure(
        "not-connected",
        ("没有可用的连接，没有发出去。", "There is no connection to send on, so nothing was sent."),
        ("等 NapCat 连上，或重启 NapCat。", "Wait until NapCat is connected, or restart it."),
    ),
    "OB-1122": Failure(
        "action-failed",
        ("NapCat 回答说没有做成。", "NapCat answered that it was not done."),
        (
            "看提示里 NapCat 的原话：常见的是被禁言、不是好友、被 QQ 风控。",
            "Read NapCat's own words: usually the account is muted, no friend, or limited by QQ.",
        ),
    ),
    "OB-1123": Failure(
        "action-unknown",
        ("没有等到答复，可能已经做了，不会重发。", "No answer came; it may have been done, and is not repeated."),
        ("在 QQ 里看看有没有发出去；没有就再说一次。", "Look in QQ whether it is there; if not, ask again."),
    ),
    "OB-1124": Failure(
        "too-late",
        (
            "排在前面的消息太多，轮到时已经太晚，没有发。",
            "Too many messages were before it; it would have come too late.",
        ),
        (
            "等一会儿再试；总是这样就调大 [sending] 的 per_minute。",
            "Try again in a while; if it goes on, raise per_minute in [sending].",
        ),
    ),
    "OB-1130": Failure(
        "event",
        ("一条收到的消息或事件没能处理，其余照常。", "One message or event could not be handled; the others are."),
        ("带着日志里的那一段去报告问题。", "Report it with that part of the log."),
    ),
}

_MODEL: Mapping[str, Failure] = {
    "OB-1201": Failure(
        "model",
        ("模型加载不了，或不能继续。", "The model cannot be loaded, or cannot go on."),
        ("按提示处理；运行 onebot-bot doctor 检查模型。", "Do as it says; `onebot-bot doctor` checks the model."),
    ),
    "OB-1202": Failure(
        "model-missing",
        ("[model] 的 path 那里没有模型。", "There is no model where path of [model] says."),
        ("运行提示里的 onebot-bot fetch，或改 path。", "Run the `onebot-bot fetch` it names, or change path."),
    ),
    "OB-1203": Failure(
        "model-damaged",
        ("模型的文件缺了、坏了，或没有下载完。", "Files of the model are missing, damaged or not fully downloaded."),
        ("再运行一次提示里的 onebot-bot fetch。", "Run the `onebot-bot fetch` it names again."),
    ),
    "OB-1204": Failure(
        "device",
        ("配置的设备（显卡）不可用。", "The device that is configured is not there."),
        (
            "检查显卡驱动和 CUDA 版 torch，或把 [model] 的 device 改为 auto。",
            "Check the driver and torch's CUDA build, or set device in [model] to auto.",
        ),
    ),
    "OB-1205": Failure(
        "adapter",
        (
            "学出来的版本（适配器）坏了，或不属于这个模型。",
            "A learned version (adapter) is damaged or of another model.",
        ),
        (
            "发送 /learn rollback 换回上一个；或从备份恢复 models/adapters。",
            "Send /learn rollback for the one before, or restore models/adapters from a backup.",
        ),
    ),
    "OB-1210": Failure(
        "profile",
        ("一个模型档案用不了，由主模型代替。", "A profile cannot be used; the main model answers for it."),
        ("按提示改 [profiles] 里它的 path 或 adapter。", "Change its path or adapter in [profiles] as it says."),
    ),
    "OB-1211": Failure(
        "model-request",
        ("这一次的内容模型处理不了，例如太长。", "This one request is too much for the model, such as too long."),
        ("说短一点，或发送 /reset 重新开始。", "Say it in fewer words, or start afresh with /reset."),
    ),
    "OB-1220": Failure(
        "generation",
        ("模型写到一半出错，这几条回答没有写完。", "The model failed while writing; those answers were not finished."),
        (
            "再问一次；反复出现就看日志，换小一点的模型或上下文。",
            "Ask again; if it recurs, see the log, and take a smaller model or context.",
        ),
    ),
    "OB-1221": Failure(
        "model-hung",
        ("模型很久没有算完一步：显卡内核或驱动卡死了。", "The model did not finish a step for long: a kernel hangs."),
        (
            "机器人会自己重启；反复出现就更新显卡驱动、重启机器。真是机器太慢，就调大 [model] 的 stall。",
            "The bot restarts itself; if it recurs renew the driver and restart the machine. "
            "If the machine is just slow, raise stall in [model].",
        ),
    ),
    "OB-1222": Failure(
        "model-thread",
        ("模型所在的线程出错，已经恢复。", "The model's thread failed and was set going again."),
        (
            "不用管；反复出现就带着日志里那几行去报告问题。",
            "Nothing; if it recurs report it with the lines of the log.",
        ),
    ),
    "OB-1223": Failure(
        "model-memory",
        ("内存（显存）连一个回答都放不下了。", "The memory does not hold a single answer any more."),
        (
            "关掉别的占内存的程序；或在 [model] 里调小 max_context、改 weights 为 int8、int4，或设 fallback。",
            "End what else takes memory; or in [model] lower max_context, set weights to int8 or int4, "
            "or name a smaller model in fallback.",
        ),
    ),
    "OB-1224": Failure(
        "model-exchanged",
        (
            "内存放不下主模型的一个回答，已换成备用模型。",
            "The memory did not hold one answer of the main model; the fallback serves instead.",
        ),
        (
            "腾出内存后重启机器人就换回主模型；或一直用小一点的模型。",
            "Free memory and restart the bot for the main model, or keep to a smaller one.",
        ),
    ),
}

FAILURES: Mapping[str, Failure] = {**_SETTINGS, **_LINKS, **_MODEL}
"""By id."""
