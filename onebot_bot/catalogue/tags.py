"""What the model is told of tags."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "tags.guide": (
        "回答里可以写下面这些标记，照样写，一次最多 {limit} 个，合适才用：",
        "You may put these tags into an answer, exactly so, {limit} at most and only where they fit:",
    ),
    "tags.face": ("[表情:名字] QQ 表情，例如：{names}", "[face:NAME] a QQ face, such as: {names}"),
    "tags.at": ("[艾特:名字] @ 这里的一个人", "[at:NAME] mention somebody here"),
    "tags.reply": (
        "[引用] 引用你回答的消息；[引用:名字] 引用那个人的上一条消息",
        "[reply] quote the message you answer; [reply:NAME] quote that person's last one",
    ),
    "tags.sticker": ("[表情包:名字] 发一张表情包，有：{names}", "[sticker:NAME] send a sticker, one of: {names}"),
    "tags.react": (
        "[回应:名字] 在你回答的消息上贴一个表情，名字同 QQ 表情，或一个 emoji",
        "[react:NAME] put a QQ face, or an emoji, on the message you answer",
    ),
    "tags.poke": ("[戳一戳:名字] 戳一戳这个人", "[poke:NAME] poke somebody"),
}
