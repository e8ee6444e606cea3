"""What bot admins and the owner read of the running bot: its queues, its model, its end."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "about.queue": ("哪些会话在等回答，哪些消息在等发送", "which chats wait for answers, and what waits to be sent"),
    "queue.head": ("模型正在写 {running} 条，排队 {queued} 条。", "The model writes {running}, {queued} wait for it."),
    "queue.line": (
        "· {chat}：{doing}，{messages} 条消息，{seconds} 秒",
        "· {chat}: {doing}, {messages} messages, {seconds} s",
    ),
    "queue.waiting": ("等着", "waiting"),
    "queue.writing": ("正在写", "being written"),
    "queue.sending": ("正在发", "being sent"),
    "queue.more": ("还有 {count} 个会话", "{count} chats more"),
    "queue.unsent": ("账号 {account}：{count} 条消息等着发送", "Account {account}: {count} messages wait to be sent"),
    "queue.none": ("没有会话在等。", "No chat waits."),
    "about.send": ("以我的名义在任意会话里说一句", "say something in any chat, in my name"),
    "send.usage": ("用法：{prefix}send group|private 号码 内容", "Usage: {prefix}send group|private NUMBER TEXT"),
    "send.long": ("太长了，最多 {most} 字。", "Too long: {most} characters at most."),
    "send.done": ("已发到{chat}。", "Sent to {chat}."),
    "send.group": ("群 {peer}", "group {peer}"),
    "send.private": ("{peer} 的私聊", "{peer} in private"),
    "about.shutdown": ("退出机器人", "end the bot"),
    "shutdown.usage": ("用法：{prefix}shutdown -y", "Usage: {prefix}shutdown -y"),
    "shutdown.sure": (
        "机器人会退出，要在电脑上重新启动（由 Docker、systemd 看着的会自己重启）。{owed} 条消息在等回答，"
        "{within:g} 秒内启动就接着答。",
        "The bot ends, and is started again at the computer (Docker or systemd may do so by itself). {owed} messages "
        "wait for an answer, and get it if it is started within {within:g} s.",
    ),
    "shutdown.done": ("好，我走了。", "Goodbye."),
    "about.model": (
        "主模型：是哪个、有哪些、下次启动换哪个",
        "the main model: which it is, which there are, which comes next",
    ),
    "model.usage": ("用法：{prefix}model info | list | use 名字", "Usage: {prefix}model info | list | use NAME"),
    "model.info": (
        "主模型：{path}（现在是 {serves}）\n参数：{parameters}，权重 {weights}\n设备：{device}，占用 {memory}\n"
        "{sees}\n训练版本：{adapter}\n备用：{fallback}\n别的模型：{prefix}model list",
        "Main model: {path} (serving: {serves})\nParameters: {parameters}, weights {weights}\n"
        "Device: {device}, {memory} in use\n{sees}\nTrained version: {adapter}\nFallback: {fallback}\n"
        "Others: {prefix}model list",
    ),
    "model.nothing": ("无", "none"),
    "model.sees": ("会看图", "It sees pictures"),
    "model.blind": ("不会看图", "It does not see pictures"),
    "model.none": (
        "{folder}/ 里没有模型。下载一个：onebot-bot fetch 名字",
        "There is no model in {folder}/. Get one: onebot-bot fetch NAME",
    ),
    "model.line": ("{mark} {name}：{about}", "{mark} {name}: {about}"),
    "model.how": ("换一个：{prefix}model use 名字，重启生效", "To change: {prefix}model use NAME, then restart"),
    "model.used": (
        '好，config.toml 里写上了 model.path = "{path}"，重启后生效。',
        'config.toml has model.path = "{path}" now; it takes effect after a restart.',
    ),
    "model.same": ("主模型本来就是 {path}。", "The main model is {path} already."),
}
