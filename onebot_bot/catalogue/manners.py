"""Taking part, sending, and why."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "answer.no_room": (
        "我这边内存不够，这条没法回复。稍后再试试，或者说短一点。",
        "I am out of memory and cannot answer this one. Try later, or say it in fewer words.",
    ),
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
        "好，我照常想，但想说的只写进日志（log.content 打开才有原文），{prefix}on 让我再开口。",
        "All right: what I would say goes into the log only (its words where log.content is on), until {prefix}on.",
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
    "part.poke": ("{user} 戳了戳我", "{user} poked me"),
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
}
