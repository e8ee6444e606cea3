"""What the model sees of things that are not words."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "see.image": ("[图片]", "[picture]"),
    "see.image_gone": ("[图片：打不开]", "[picture: could not be opened]"),
    "see.image_large": ("[图片：太大]", "[picture: too large]"),
    "see.image_broken": ("[图片：已损坏]", "[picture: damaged]"),
    "see.sticker": ("[表情包{name}]", "[sticker{name}]"),
    "see.face": ("[表情{name}]", "[face{name}]"),
    "see.record": ("[语音]", "[voice message]"),
    "see.video": ("[视频]", "[video]"),
    "see.video_gone": ("[视频：打不开]", "[video: could not be opened]"),
    "see.video_large": ("[视频：太大]", "[video: too large]"),
    "see.video_broken": ("[视频：已损坏]", "[video: damaged]"),
    "see.video_unwatched": ("[视频：看不了]", "[video: cannot be watched here]"),
    "see.file": ("[文件：{name}]", "[file: {name}]"),
    "see.forward": ("[聊天记录]", "[forwarded messages]"),
    "see.card": ("[卡片：{name}]", "[card: {name}]"),
    "see.poke": ("[戳一戳]", "[poke]"),
    "see.poked": ("（{who} 戳了戳你）", "({who} poked you)"),
    "see.joined": ("（{who} 加入了本群）", "({who} joined the group)"),
    "see.invited": ("（{who} 受 {by} 邀请加入了本群）", "({who} joined the group, invited by {by})"),
    "see.arrived": ("（你加入了本群）", "(You joined the group)"),
    "see.left": ("（{who} 退出了本群）", "({who} left the group)"),
    "see.removed": ("（{who} 被 {by} 移出了本群）", "({who} was removed from the group by {by})"),
    "see.dice": ("[骰子：{name}]", "[dice: {name}]"),
    "see.rps": ("[猜拳：{name}]", "[rock paper scissors: {name}]"),
    "see.other": ("[{name}]", "[{name}]"),
    "see.too_large": ("[这条消息太大，后面的没有读]", "[this message is too large: the rest was not read]"),
    "see.all": ("@全体成员", "@everyone"),
    "see.quote": ("（回复 {name}：“{text}”）", "(replying to {name}: “{text}”)"),
    "see.private": ("你在和{name}聊天。", "You are talking with {name}."),
    "see.group": (
        "你在一个 QQ 群里，你的名字是{names}。每行开头的方括号里是说话人的名字和 QQ 号，"
        "缩进的行是同一个人接着说的。只回复最后一条消息，开头不要写名字和号码。",
        "You are in a QQ group chat and your name is {names}. Each line starts with the speaker's name and QQ number "
        "in brackets; indented lines go on with what that person said. Reply to the last message only, without "
        "a name and a number.",
    ),
    "see.optional": (
        "接下来的话不是对你说的。有话可接就简短地说一句；没有就只写 {no_reply}。",
        "What follows was not said to you. Join in briefly if you have something to add; if not, write only "
        "{no_reply}.",
    ),
}
