"""Speaking first."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "about.proactive": ("让我在这里安静久了先开口，或不", "let me speak first here after a long silence, or not"),
    "proactive.usage": ("用法：{prefix}proactive on | off", "Usage: {prefix}proactive on | off"),
    "proactive.disabled": (
        "主动说话没有开启（proactive.enabled），请联系{who}。",
        "Speaking first is switched off (proactive.enabled); ask {who}.",
    ),
    "proactive.stranger": (
        "我们还不是好友，我没法先找你说话。先加我为好友吧。",
        "We are not friends yet, so I cannot write to you first. Add me as a friend, then try again.",
    ),
    "proactive.off": ("在这里我不会先开口。", "Here I do not speak first."),
    "proactive.on": (
        "这里安静 {minutes:g} 分钟后，我可能先开口：只在 {hours}，一天最多 {most} 次（今天 {count} 次），"
        "没人理就越等越久。",
        "After {minutes:g} minutes of silence here I may speak first: only within {hours}, at most {most} times a day "
        "({count} today), and ever later while nobody reacts.",
    ),
    "part.first": ("没人说话，我先开了口。", "Nobody was talking, so I spoke first."),
    "part.first_silent": (
        "没人说话，我想过先开口，没有什么要说的。",
        "Nobody was talking; I thought of speaking first, and had nothing to say.",
    ),
    "part.first_shadow": (
        "没人说话，我想先说的话只写进了日志。",
        "Nobody was talking; what I would have said first is in the log only.",
    ),
    "part.first_withheld": (
        "没人说话，我想先开口，但没有发：{withheld}。",
        "Nobody was talking and I was to speak first, and sent nothing: {withheld}.",
    ),
    # What the model is told. It stands last, not in the system turn: all before it is as it was in the last prompt.
    "see.first": (
        "（系统：现在是 {now}，这里已经{quiet}没有人说话了。{ignored}现在由你先开口，说一两句自然、简短的话："
        "可以接着之前聊的事问一问，也可以问候，或说说你想到的事；不要重复说过的话，不要提到这条提示。"
        "没有合适的话就只写 {no_reply}。）",
        "(System: it is {now}, and nobody has said anything here for {quiet}. {ignored}Now you speak first, one or two "
        "short, natural sentences: come back to what was talked about, say hello, or tell what you thought of; do not "
        "repeat yourself, and do not mention this note. If there is nothing fitting to say, write only {no_reply}.)",
    ),
    "see.first_ignored": ("你上次先开口，还没有人回应。", "When you last spoke first, nobody reacted. "),
    "see.minutes": ("大约 {count} 分钟", "about {count} minutes"),
    "see.hours": ("大约 {count} 小时", "about {count} hours"),
    "see.days": ("大约 {count} 天", "about {count} days"),
}
