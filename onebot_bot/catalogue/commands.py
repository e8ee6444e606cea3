"""What commands answer."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
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
    "command.no_file": (
        "文件可能没有发到你的私聊：{error}\n还没加我为好友的话，加了再试一次。",
        "The file may not have reached you in private: {error}\nIf we are not friends yet, add me and try again.",
    ),
    "tier.everyone": ("所有人", "everyone"),
    "tier.group_admin": ("群管理员", "group admin"),
    "tier.bot_admin": ("机器人管理员", "bot admin"),
    "tier.owner": ("主人", "owner"),
    "who.group_admin": ("群主或管理员", "the group's owner or an admin"),
    "who.bot_admin": (
        "机器人管理员或主人（config.toml 里 [bot] admins、owners 的账号）",
        "a bot admin or the owner ([bot] admins and owners in config.toml)",
    ),
    "who.owner": ("主人（config.toml 里 [bot] owners 的账号）", "the owner ([bot] owners in config.toml)"),
    "help.head": ("可用的命令：", "Commands you may use:"),
    "help.line": ("{usage}  {about}{aliases}", "{usage}  {about}{aliases}"),
    "help.aliases": ("（也可以：{names}）", " (also: {names})"),
    "about.help": ("查看命令", "list the commands"),
    "about.status": ("查看运行状态", "show how the bot is doing"),
    "about.sid": ("查看本会话和你的编号", "show the ids of this chat and of you"),
    "about.stop": ("停止正在写的回复", "stop the answer being written"),
    "about.reload": ("重新读取 config.toml", "read config.toml again"),
    "about.config": ("查看或修改配置", "show or change a setting"),
    "about.memory": ("查看、修改、忘记这里的记忆", "see, change and forget what is remembered here"),
    "about.learn": (
        "夜间学习：开始、进度、取消、换回、报告",
        "the nightly learning: start, progress, cancel, roll back, report",
    ),
    "about.why": (
        "上一条消息为什么回答或不回答，回复想起了什么",
        "why it answered the last message or did not, and what the answer recalled",
    ),
    "status.body": (
        "模型：{model}（{state}）\n设备：{device}，模型占用 {memory}，进程内存 {process}\n连接：{links}\n"
        "队列：正在写 {running}，等待 {queued}\n"
        "速度：{speed} token/秒，首字 {median} 秒，95% 在 {slow} 秒内（最近 {answers} 条），平均 {batch} 条一起写\n"
        "提示：{prompt} token，其中 {reused} 沿用上次的；缓存 {cache}，最多 {budget}\n"
        "回忆：{recalls} 次，平均 {recall} 毫秒；被打断 {interrupts} 次\n"
        "历史：{messages} 条消息，{chats} 个会话，{unanswered} 条待回复\n"
        "记忆：{memories} 条\n已运行 {uptime}，版本 {version}",
        "Model: {model} ({state})\nDevice: {device}, model {memory}, process {process}\n"
        "Connections: {links}\nQueue: {running} writing, "
        "{queued} waiting\nSpeed: {speed} tokens/s, first token {median} s, 95 % within {slow} s "
        "(last {answers} answers), {batch} written together on average\n"
        "Prompts: {prompt} tokens, {reused} of them reused; cache {cache} of {budget}\n"
        "Recalls: {recalls}, {recall} ms on average; interrupts: {interrupts}\n"
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
        "用法：{prefix}memory list [页] | search 内容 | show 编号 | add 内容 | edit 编号 内容 | forget 编号 | "
        "pin 编号 | unpin 编号 | stats | export",
        "Usage: {prefix}memory list [PAGE] | search TEXT | show ID | add TEXT | edit ID TEXT | forget ID | "
        "pin ID | unpin ID | stats | export",
    ),
    "memory.added": ("记住了（#{id}）：{text}", "Noted (#{id}): {text}"),
    "memory.edited": ("改好了（#{id}）：{text}", "Changed (#{id}): {text}"),
    "memory.pinned": ("已置顶 #{id}。", "Pinned #{id}."),
    "memory.unpinned": ("#{id} 不再置顶。", "#{id} is no longer pinned."),
    "memory.none": ("这里还没有记忆。", "There are no memories here."),
    "memory.none_yours": ("这里没有关于你的记忆。", "There are no memories about you here."),
    "memory.line": ("#{id} {pinned}{text}", "#{id} {pinned}{text}"),
    "memory.pin_mark": ("📌 ", "📌 "),
    "memory.hit": ("#{id} [{score:.2f}] {text}", "#{id} [{score:.2f}] {text}"),
    "memory.page": ("（第 {page}/{pages} 页，共 {total} 条）", "(page {page}/{pages}, {total} in all)"),
    "memory.yours": (
        "只列出关于你的、你说的；其余的群管理员能看。",
        "Only those about you or said by you; admins see all.",
    ),
    "memory.told": ("记于 {when}，说的人：{who}", "Noted {when}, said by {who}"),
    "memory.noted": ("记于 {when}", "Noted {when}"),
    "memory.about": ("，关于：{people}", ", about {people}"),
    "memory.you": ("你", "you"),
    "memory.event": ("发生在 {when}", "Happened {when}"),
    "memory.recalled": ("想起过 {count} 次，最近 {when}", "Recalled {count}×, last {when}"),
    "memory.never_recalled": ("还没有被想起过", "Never recalled yet"),
    "memory.weight": ("重要程度 {importance:.1f}{pinned}", "Importance {importance:.1f}{pinned}"),
    "memory.weight_pinned": ("，已置顶", ", pinned"),
    "memory.active": ("状态：有效", "Status: active"),
    "memory.shared": ("状态：有效，所有会话共享", "Status: active, shared with every chat"),
    "memory.superseded": ("状态：已被 #{by} 取代", "Status: superseded by #{by}"),
    "memory.value": ("向量：{exact}（适配器：{maker}）", "Vector: {exact} (adapter: {maker})"),
    "memory.exact": ("核对过，读出来一字不差", "checked, reads back word for word"),
    "memory.inexact": ("核对过，读出来有出入", "checked, does not read back word for word"),
    "memory.unchecked": ("还没核对", "not checked yet"),
    "memory.stats": (
        "有效 {active} 条，置顶 {pinned} 条\n被取代 {superseded} 条，已忘记 {forgotten} 条\n"
        "向量：一字不差 {exact} 条，还没核对 {unchecked} 条\n被想起过 {recalled} 次",
        "{active} active, {pinned} pinned\n{superseded} superseded, {forgotten} forgotten\n"
        "Vectors: {exact} read back word for word, {unchecked} not checked yet\nRecalled {recalled} times",
    ),
    "memory.would_forget": ("将彻底忘记 #{id}：{text}", "This will be erased for good: #{id} {text}"),
    "memory.forgotten": ("已忘记 #{id}。", "Forgot #{id}."),
    "memory.trained": (
        "不过这些版本用它训练过：{versions}。主人发送 {prefix}learn now，就会训练一个没学过它的新版本。",
        "These versions were trained on it, though: {versions}. With {prefix}learn now the owner trains a new one "
        "without it.",
    ),
    "memory.exported": (
        "{count} 条记忆已私聊发给你（{files} 个文件，每行一条 JSON）。",
        "{count} memories sent to you in private ({files} file(s), one JSON object a line).",
    ),
    "memory.unknown": ("这个会话里没有记忆 #{id}。", "There is no memory #{id} in this chat."),
    "list.comma": ("、", ", "),
    "learn.usage": (
        "用法：{prefix}learn now | status | cancel | rollback | report",
        "Usage: {prefix}learn now | status | cancel | rollback | report",
    ),
    "learn.started": (
        "开始学习了。{prefix}learn status 看进度，{prefix}learn cancel 取消。",
        "Learning has begun. {prefix}learn status shows how far it is, {prefix}learn cancel ends it.",
    ),
    "learn.unknown": ("这个我想不起来。", "I don't remember that."),
    "learn.refused": ("没有开始：{reason}", "Not started: {reason}"),
    "learn.busy": ("已经在学习了。", "It is learning already."),
    "learn.no_model": (
        "没有可以教的模型（model.path 是 echo）。",
        "There is no model to teach (model.path is echo).",
    ),
    "learn.cancelled": ("好，不学了，模型还是原来那个。", "Cancelled; the model stays as it was."),
    "learn.idle": ("现在没有在学习。", "Nothing is being learned."),
    "learn.would_roll_back": (
        "现在用的版本会被撤下，以后不再使用。",
        "The version that serves will be withdrawn and never serve again.",
    ),
    "learn.rolled_back": ("已经换回 {version}。", "{version} serves again."),
    "learn.rolled_back_bare": ("已经换回原来的模型。", "The model as it came serves again."),
    "learn.no_earlier": (
        "现在用的就是原来的模型，没有可以换回的。",
        "The model serves as it came; there is nothing to undo.",
    ),
    "learn.no_report": ("还没有学习过，没有报告。", "Nothing was learned yet, so there is no report."),
    "learn.doing": (
        "正在学习：{step} {share:.0%}，{started} 开始，大约还要 {left}",
        "Learning: {step} {share:.0%}, since {started}, about {left} left",
    ),
    "learn.resting": ("现在没有在学习", "Not learning now"),
    "learn.next": ("下一次：{when}", "Next night: {when}"),
    "learn.last": ("上一次：{outcome}", "Last time: {outcome}"),
    "learn.adapter": ("正在用的版本：{adapter}", "Version that serves: {adapter}"),
    "learn.bare": ("无，原来的模型", "none, the model as it came"),
    "learn.nothing": ("无", "none"),
    "learn.disabled": (
        "自动学习没有打开：{prefix}config set learning.enabled true",
        "It does not run by itself: {prefix}config set learning.enabled true",
    ),
    "learn.minutes": ("{minutes} 分钟", "{minutes} min"),
    "learn.hours": ("{hours} 小时 {minutes} 分钟", "{hours} h {minutes} min"),
    "learn.step.plan": ("检查空间", "checking room"),
    "learn.step.extract": ("整理聊天记录", "reading the chats"),
    "learn.step.stage1": ("练习提问（第一阶段）", "practising to ask (stage 1)"),
    "learn.step.stage2": ("练习阅读（第二阶段）", "practising to read (stage 2)"),
    "learn.step.refine": ("打磨记忆", "refining the memories"),
    "learn.step.gate": ("考试", "the exam"),
    "learn.step.promote": ("存好新版本", "keeping the new version"),
    "learn.step.swap": ("换上新版本", "putting the new version in place"),
    "learn.step.canary": ("试用新版本", "trying the new version"),
    "why.none": ("上一条回复没有去想任何记忆。", "The last answer asked for no memory."),
    "why.nothing": ("想了一下，没有想起什么。", "Asked, but nothing came to mind."),
    "why.below": (
        "想了一下，没有想起什么：最接近的只有 {score:.2f}，至少要 {floor:.2f}。",
        "Asked, but nothing came to mind: the nearest was {score:.2f}, it takes {floor:.2f}.",
    ),
    "why.hit": (
        "想起了 #{id}（相似度 {score:.2f}）：{text}（{told}）",
        "Recalled #{id} (similarity {score:.2f}): {text} ({told})",
    ),
    "why.gone": (
        "想起了 #{id}（相似度 {score:.2f}），之后它被忘记了。",
        "Recalled #{id} (similarity {score:.2f}), which was forgotten since.",
    ),
}
