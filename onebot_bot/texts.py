"""The one catalogue of what people in QQ read from the bot itself, Chinese first, English beside it."""

from collections.abc import Mapping
from typing import Literal

Language = Literal["zh", "en"]

_CATALOGUE: Mapping[str, tuple[str, str]] = {
    # --- what the model sees of things that are not words ---------------------------------------------------------
    "see.image": ("[图片]", "[picture]"),
    "see.sticker": ("[表情包{name}]", "[sticker{name}]"),
    "see.face": ("[表情{name}]", "[face{name}]"),
    "see.record": ("[语音]", "[voice message]"),
    "see.video": ("[视频]", "[video]"),
    "see.file": ("[文件：{name}]", "[file: {name}]"),
    "see.forward": ("[聊天记录]", "[forwarded messages]"),
    "see.card": ("[卡片：{name}]", "[card: {name}]"),
    "see.poke": ("[戳一戳]", "[poke]"),
    "see.dice": ("[骰子：{name}]", "[dice: {name}]"),
    "see.rps": ("[猜拳：{name}]", "[rock paper scissors: {name}]"),
    "see.other": ("[{name}]", "[{name}]"),
    "see.all": ("@全体成员", "@everyone"),
    "see.quote": ("（回复 {name}：“{text}”）", "(replying to {name}: “{text}”)"),
    "see.group": (
        "你在一个 QQ 群里，你的名字是{names}。每行开头的方括号里是说话人的名字和 QQ 号。"
        "只回复最后一条消息，不要写方括号。",
        "You are in a QQ group chat and your name is {names}. Each line starts with the speaker's name and QQ number "
        "in brackets. Reply to the last message only, without brackets.",
    ),
    # --- commands -------------------------------------------------------------------------------------------------
    "command.unknown": (
        "没有“{name}”这个命令。{hint}发送 {prefix}help 查看全部命令。",
        "There is no command “{name}”. {hint}Send {prefix}help for all commands.",
    ),
    "command.near": ("是不是想用 {name}？", "Did you mean {name}? "),
    "command.refused": ("“{name}”需要{tier}权限，请联系{who}。", "“{name}” needs the tier {tier}; ask {who}."),
    "command.failed": ("没有办成：{error}", "That failed: {error}"),
    "command.broken": (
        "出错了，已经告诉主人（编号 {id}）。",
        "Something went wrong; the owner has been told (id {id}).",
    ),
    "tier.everyone": ("所有人", "everyone"),
    "tier.group_admin": ("群管理员", "group admin"),
    "tier.bot_admin": ("机器人管理员", "bot admin"),
    "tier.owner": ("主人", "owner"),
    "who.group_admin": ("群主或管理员", "the group's owner or an admin"),
    "who.owner": ("主人（config.toml 里 [bot] owners 的账号）", "the owner ([bot] owners in config.toml)"),
    "help.head": ("可用的命令：", "Commands you may use:"),
    "help.line": ("{usage}  {about}{aliases}", "{usage}  {about}{aliases}"),
    "help.aliases": ("（也可以：{names}）", " (also: {names})"),
    "about.help": ("查看命令", "list the commands"),
    "about.status": ("查看运行状态", "show how the bot is doing"),
    "about.sid": ("查看本会话和你的编号", "show the ids of this chat and of you"),
    "about.stop": ("停止正在写的回复", "stop the answer being written"),
    "about.reset": ("忘掉上文，重新开始（记录保留）", "start afresh (the record is kept)"),
    "about.undo": ("撤回最近 n 轮对话", "take the last n exchanges out of view"),
    "about.reload": ("重新读取 config.toml", "read config.toml again"),
    "about.config": ("查看或修改配置", "show or change a setting"),
    "about.memory": ("添加、列出、搜索、忘记记忆", "add, list, search or forget memories"),
    "about.why": ("上一条回复想起了什么", "what the last answer recalled"),
    "status.body": (
        "模型：{model}（{state}）\n设备：{device}，模型占用 {memory}，进程内存 {process}\n连接：{links}\n"
        "队列：正在写 {running}，等待 {queued}\n"
        "速度：{speed} token/秒，首字 {first} 秒（最近 {answers} 条）\n"
        "历史：{messages} 条消息，{chats} 个会话，{unanswered} 条待回复\n"
        "记忆：{memories} 条\n已运行 {uptime}，版本 {version}",
        "Model: {model} ({state})\nDevice: {device}, model {memory}, process {process}\n"
        "Connections: {links}\nQueue: {running} writing, "
        "{queued} waiting\nSpeed: {speed} tokens/s, first token {first} s (last {answers} answers)\n"
        "History: {messages} messages, {chats} chats, {unanswered} unanswered\nMemories: {memories}\n"
        "Up {uptime}, version {version}",
    ),
    "status.none": ("无", "none"),
    "status.loading": ("加载中", "loading"),
    "status.ready": ("就绪", "ready"),
    "status.failed": ("加载失败：{error}", "failed to load: {error}"),
    "sid.body": ("会话：{chat}\n你：{user}（{tier}）", "Chat: {chat}\nYou: {user} ({tier})"),
    "stop.done": ("好，停下了。", "Stopped."),
    "stop.idle": ("现在没有在写回复。", "Nothing is being written."),
    "reset.done": ("好，我们重新开始。", "Let us start afresh."),
    "undo.done": ("已撤回最近 {count} 轮对话。", "Took back the last {count} exchanges."),
    "undo.none": ("没有可以撤回的对话。", "There is nothing to take back."),
    "undo.usage": ("用法：{prefix}undo [1-50]", "Usage: {prefix}undo [1-50]"),
    "reload.same": ("config.toml 没有变化。", "config.toml has not changed."),
    "reload.done": ("已重新读取 config.toml。", "config.toml was read again."),
    "reload.now": ("立即生效：{keys}", "Applies now: {keys}"),
    "reload.restart": ("重启后生效：{keys}", "Applies after a restart: {keys}"),
    "config.value": ("{key} = {value}\n{about}", "{key} = {value}\n{about}"),
    "config.usage": (
        "用法：{prefix}config get 键 | {prefix}config set 键 值 | {prefix}config list",
        "Usage: {prefix}config get KEY | {prefix}config set KEY VALUE | {prefix}config list",
    ),
    "config.secret": (
        "密钥不能在聊天里查看或修改，请编辑 config.toml。",
        "Secrets are neither shown nor set in a chat: edit config.toml.",
    ),
    "memory.usage": (
        "用法：{prefix}memory add 内容 | list [页] | search 内容 | forget 编号",
        "Usage: {prefix}memory add TEXT | list [PAGE] | search TEXT | forget ID",
    ),
    "memory.added": ("记住了（#{id}）：{text}", "Noted (#{id}): {text}"),
    "memory.none": ("这里还没有记忆。", "There are no memories here."),
    "memory.line": ("#{id} {text}", "#{id} {text}"),
    "memory.hit": ("#{id} [{score:.2f}] {text}", "#{id} [{score:.2f}] {text}"),
    "memory.page": ("（第 {page}/{pages} 页，共 {total} 条）", "(page {page}/{pages}, {total} in all)"),
    "memory.forgotten": ("已忘记 #{id}。", "Forgot #{id}."),
    "memory.unknown": ("这个会话里没有记忆 #{id}。", "There is no memory #{id} in this chat."),
    "why.none": ("上一条回复没有去想任何记忆。", "The last answer asked for no memory."),
    "why.nothing": ("想了一下，没有想起什么。", "Asked, but nothing came to mind."),
    "why.hit": ("想起了 #{id}（相似度 {score:.2f}）：{text}", "Recalled #{id} (similarity {score:.2f}): {text}"),
    # --- to the owner ---------------------------------------------------------------------------------------------
    "report.error": (
        "⚠️ {what}\n会话：{chat}\n编号 {id}（日志里可查）\n{error}",
        "⚠️ {what}\nChat: {chat}\nId {id} (find it in the log)\n{error}",
    ),
    "report.answer": ("有一条消息没能回复。", "A message could not be answered."),
    "report.send": ("有一条回复没能发出去。", "An answer could not be sent."),
    "report.command": ("有一个命令执行出错。", "A command failed."),
    "report.config": (
        "config.toml 有问题，继续使用之前的配置。",
        "config.toml cannot be used; the last good one stays.",
    ),
    "report.background": ("后台任务出错。", "A background task failed."),
    "start.body": (
        "\n{name} {version} 已启动，模型在后台加载。\n\n"
        "  在 NapCat 里：网络配置 → 新建 → WebSocket 客户端，填写\n"
        "    启用   打开\n    URL    {url}\n    Token  {token}\n"
        "    消息格式 Array；表单里随机生成的 Token 要换掉，其余不用改\n"
        "  没有 QQ 也能试：另开一个终端运行  {console}\n"
        "  配置文件 {config}（保存后自动生效）{owner}\n",
        "\n{name} {version} is up; the model loads in the background.\n\n"
        "  In NapCat: Network → New → WebSocket client\n"
        "    Enable  on\n    URL     {url}\n    Token   {token}\n"
        "    Message format Array; replace the random token in the form, leave the rest as it is\n"
        "  Without QQ: in another terminal run  {console}\n"
        "  Configuration {config} (applied when saved){owner}\n",
    ),
    "start.no_token": ("（空）", "(empty)"),
    "start.no_owner": (
        "\n  还没有主人：把你的 QQ 号写进 [bot] owners，才能使用管理命令",
        "\n  No owner yet: put your QQ number into [bot] owners to use the admin commands",
    ),
    "report.model": ("模型加载失败，暂时不能回复。", "The model failed to load; nothing can be answered."),
    # --- the night ------------------------------------------------------------------------------------------------
    "rest.busy": (
        "我在整理今天的记忆，醒来再回你～",
        "I am sorting today's memories; I will answer when I wake up.",
    ),
}


def say(language: Language, key: str, /, **values: object) -> str:
    """The text `key` in `language` with `values` filled in."""
    chinese, english = _CATALOGUE[key]
    return (chinese if language == "zh" else english).format(**values)
