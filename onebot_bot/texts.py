"""The one catalogue of what people in QQ read from the bot itself, Chinese first, English beside it."""

import re
from collections.abc import Mapping
from typing import Literal

Language = Literal["zh", "en"]
_HAN = re.compile(r"[\u3400-\u9fff]")

_CATALOGUE: Mapping[str, tuple[str, str]] = {
    # --- what the model sees of things that are not words ---------------------------------------------------------
    "see.image": ("[图片]", "[picture]"),
    "see.image_gone": ("[图片：打不开]", "[picture: could not be opened]"),
    "see.image_broken": ("[图片：已损坏]", "[picture: damaged]"),
    "see.sticker": ("[表情包{name}]", "[sticker{name}]"),
    "see.face": ("[表情{name}]", "[face{name}]"),
    "see.record": ("[语音]", "[voice message]"),
    "see.video": ("[视频]", "[video]"),
    "see.video_gone": ("[视频：打不开]", "[video: could not be opened]"),
    "see.video_broken": ("[视频：已损坏]", "[video: damaged]"),
    "see.video_unwatched": ("[视频：看不了]", "[video: cannot be watched here]"),
    "see.file": ("[文件：{name}]", "[file: {name}]"),
    "see.forward": ("[聊天记录]", "[forwarded messages]"),
    "see.card": ("[卡片：{name}]", "[card: {name}]"),
    "see.poke": ("[戳一戳]", "[poke]"),
    "see.dice": ("[骰子：{name}]", "[dice: {name}]"),
    "see.rps": ("[猜拳：{name}]", "[rock paper scissors: {name}]"),
    "see.other": ("[{name}]", "[{name}]"),
    "see.all": ("@全体成员", "@everyone"),
    "see.quote": ("（回复 {name}：“{text}”）", "(replying to {name}: “{text}”)"),
    "see.private": ("你在和{name}聊天。", "You are talking with {name}."),
    "see.group": (
        "你在一个 QQ 群里，你的名字是{names}。每行开头的方括号里是说话人的名字和 QQ 号。"
        "只回复最后一条消息，不要写方括号。",
        "You are in a QQ group chat and your name is {names}. Each line starts with the speaker's name and QQ number "
        "in brackets. Reply to the last message only, without brackets.",
    ),
    "see.optional": (
        "最后的话不是对你说的。有话可接就简短地说一句；没有就只写 {no_reply}。",
        "The last message was not said to you. Join in briefly if you have something to add; if not, write only "
        "{no_reply}.",
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
    "command.no_file": (
        "文件可能没有发到你的私聊：{error}\n还没加我为好友的话，加了再试一次。",
        "The file may not have reached you in private: {error}\nIf we are not friends yet, add me and try again.",
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
    # --- taking part ----------------------------------------------------------------------------------------------
    "about.on": ("在本群恢复说话", "speak in this group again"),
    "about.off": ("在本群不听也不说", "neither listen nor speak in this group"),
    "about.observe": ("在本群只听、只学，从不说话", "listen and learn in this group, never speak"),
    "about.shadow": ("在本群照常想，但想说的只写进日志", "write what it would say in this group into the log only"),
    "about.talk": ("在本群多爱插话，可分时段", "how readily it joins in here, by time of day too"),
    "about.quiet": ("本群的安静时段", "this group's quiet hours"),
    "about.render": ("把长回答画成图片，或不画", "long answers as pictures, or not"),
    "command.group_only": (
        "“{name}”只在群里有用：私聊里我总会回答。",
        "“{name}” is for groups: in private I always answer.",
    ),
    "mode.on": ("好，我在。", "All right, I am here."),
    "mode.off": (
        "好，在这个群里我不听也不说了，{prefix}on 让我回来。",
        "All right: I neither listen nor speak in this group, until {prefix}on.",
    ),
    "mode.observe": (
        "好，我只听、只学，被 @ 也不说话，{prefix}on 让我再开口。",
        "All right: I listen and learn and say nothing, not even to an @, until {prefix}on.",
    ),
    "mode.shadow": (
        "好，我照常想，但想说的只写进日志，{prefix}on 让我再开口。",
        "All right: what I would say goes into the log only, until {prefix}on.",
    ),
    "talk.usage": (
        "用法：{prefix}talk 0-1 | 0-1 18:00-23:00 | default",
        "Usage: {prefix}talk 0-1 | 0-1 18:00-23:00 | default",
    ),
    "talk.now": (
        "没叫我的消息，我考虑插话的可能是 {talk:g}{times}。",
        "I consider a message that does not call me with a chance of {talk:g}{times}.",
    ),
    "talk.time": ("；{hours} 是 {talk:g}", "; {hours}: {talk:g}"),
    "render.usage": ("用法：{prefix}render on | off | default", "Usage: {prefix}render on | off | default"),
    "render.on": (
        "在这里，有表格的回答，和有代码、公式、标题的长回答，我画成图片。",
        "Here I draw answers with tables, and long ones with code, formulas or headings, as pictures.",
    ),
    "render.off": ("在这里，我不把回答画成图片。", "Here I do not draw answers as pictures."),
    "quiet.usage": (
        "用法：{prefix}quiet 23:00-07:00 | off | default",
        "Usage: {prefix}quiet 23:00-07:00 | off | default",
    ),
    "quiet.now": (
        "安静时段：{hours}，这时只回答 @ 我的和引用我的。",
        "Quiet hours: {hours}; then I answer only an @ or a quote of me.",
    ),
    "quiet.none": ("没有安静时段。", "There are no quiet hours."),
    "part.answered": ("回答了上一条消息：{reason}。", "Answered the last message: {reason}."),
    "part.silent": ("没有回答上一条消息：{reason}。", "Did not answer the last message: {reason}."),
    "part.no_reply": (
        "考虑了上一条消息（{reason}），没有什么要说的。",
        "Considered the last message ({reason}), and had nothing to say.",
    ),
    "part.shadow": (
        "想好了上一条消息的回答（{reason}），只写进了日志。",
        "Wrote an answer to the last message ({reason}), for the log only.",
    ),
    "part.private": ("私聊总会回答", "in private it always does"),
    "part.mention": ("{user} @ 了我", "{user} mentioned me with @"),
    "part.reply": ("{user} 引用了我的话", "{user} quoted me"),
    "part.name": ("{user} 叫了我的名字", "{user} called me by name"),
    "part.follow-up": ("{user} 还在等我的回答", "{user} was waiting for my answer already"),
    "part.gate": ("没人叫我，我自己想插话", "nobody called me, I chose to join in"),
    "part.bot": ("{user} 是机器人", "{user} is a bot"),
    "part.old": ("断线时错过的，太久了", "missed during an outage, too long ago"),
    "part.off": ("我在这个群里是关着的", "I am switched off in this group"),
    "part.observing": ("我在这个群里只听不说", "I only listen in this group"),
    "part.loop": (
        "一分钟内和 {user} 来回太多次了（chat.exchanges_per_minute）",
        "too many exchanges with {user} within a minute (chat.exchanges_per_minute)",
    ),
    "part.quiet": ("现在是安静时段", "these are quiet hours"),
    "part.elsewhere": ("群里我的另一个账号在管", "another of my accounts in this group sees to it"),
    "part.unheard": ("{user} 叫了我的名字，这次没有应", "{user} called me by name, but this time I let it pass"),
    "part.missed": ("断线时错过的，也没有叫我", "missed during an outage, and it did not call me"),
    "part.busy": ("没人叫我，而且我正在写别的回答", "nobody called me, and I was busy with another answer"),
    "part.closed": ("没人叫我，我现在也不插话", "nobody called me, and I do not join in now"),
    "part.dice": ("没人叫我，我也没有插话", "nobody called me, and I did not join in"),
    "part.gate_factors": (
        "插话的可能：{value:.2f} = 话量 {talk:g} × 刚说过话 {attention:g} × 不抢话 {dominance:g} × 不累 {fatigue:.2f}",
        "Chance of joining in: {value:.2f} = talk value {talk:g} × attention {attention:g} × dominance {dominance:g} "
        "× fatigue {fatigue:.2f}",
    ),
    "part.below": ("骰子 {dice:.2f} < {chance:.2f}", "Dice {dice:.2f} < {chance:.2f}"),
    "part.above": ("骰子 {dice:.2f} ≥ {chance:.2f}", "Dice {dice:.2f} ≥ {chance:.2f}"),
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
    "night.head": ("🌙 昨晚的学习：{outcome}", "🌙 Last night's learning: {outcome}"),
    "night.because": ("{outcome}：{reason}", "{outcome}: {reason}"),
    "night.done": ("学完了，新版本已经换上", "done, the new version serves"),
    "night.failed": ("没有学成，继续用原来的版本", "it failed, the version before still serves"),
    "night.refused": ("新版本没有通过，继续用原来的", "the new version did not pass, the one before still serves"),
    "night.cancelled": ("被叫停了，继续用原来的版本", "it was cancelled, the version before still serves"),
    "night.empty": ("没有要学的", "there was nothing to learn"),
    "night.no_memories": ("还没有记忆", "there are no memories yet"),
    "night.no_disk": (
        "磁盘空间不够：需要约 {needed}，{folder} 只剩 {free}。请腾出空间，或调小 learning.keep_versions。",
        "not enough disk space: about {needed} needed, {free} free at {folder}. Free some, or lower "
        "learning.keep_versions.",
    ),
    "night.no_memory": (
        "显存或内存不够：需要约 {needed}，只剩 {free}。请关掉占用它的程序，或换用更小的模型。",
        "not enough device memory: about {needed} needed, {free} free. End what else uses it, or use a smaller model.",
    ),
    "night.disk_full": ("磁盘写满了（{file}），请腾出空间。", "the disk is full ({file}); free some space."),
    "night.not_restored": (
        "原来的版本换不回来（{error}），请重启机器人。起因：{first}",
        "the version before could not be put back ({error}): restart the bot. It began with: {first}",
    ),
    "night.learned": (
        "新记住 {added} 条，合并 {merged} 条，更新 {superseded} 条；现在共 {memories} 条。",
        "{added} new memories, {merged} merged, {superseded} updated; {memories} in all.",
    ),
    "night.example": ("· {text}", "· {text}"),
    "night.dropped": ("没有采用 {count} 条：{reasons}", "{count} dropped: {reasons}"),
    "night.figures": ("考试（之前 → 之后）：", "Exam (before → after):"),
    "night.time": ("用时 {time}。", "It took {time}."),
    "night.minutes": ("{minutes} 分钟", "{minutes} min"),
    "night.hours": ("{hours} 小时 {minutes} 分钟", "{hours} h {minutes} min"),
    "night.serving": ("正在使用：{adapter}", "Serving: {adapter}"),
    "night.bare": ("出厂版本", "the model as it came"),
}


def language_of(text: str) -> Language:
    """Chinese when at least a fifth of a text is."""
    return "zh" if 5 * len(_HAN.findall(text)) >= len(text) else "en"


def say(language: Language, key: str, /, **values: object) -> str:
    """The text `key` in `language` with `values` filled in."""
    chinese, english = _CATALOGUE[key]
    return (chinese if language == "zh" else english).format(**values)
