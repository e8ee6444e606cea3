"""Why something that was written is not said."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "part.withheld": (
        "要回答上一条消息（{reason}），但没有发：{withheld}。",
        "Was to answer the last message ({reason}), and sent nothing: {withheld}.",
    ),
    "part.words": (
        "{user} 的话里有 guard.words_in 里的词",
        "what {user} wrote has a word of guard.words_in in it",
    ),
    "withheld.cut_off": ("还没写出什么就到头了", "it ended before it had said anything"),
    "withheld.stopped": ("有人叫停了", "somebody said stop"),
    "withheld.recalled": ("消息撤回了", "the message was taken back"),
    "withheld.crowded": ("一下子来得太多", "too many came at once"),
    "withheld.denied": ("对方不在可以理会的名单里", "its sender is not to be heard"),
    "withheld.limit": ("额度用完了", "a limit was reached"),
    "withheld.stale": ("轮到发的时候已经太晚了", "it would have come too late"),
    "withheld.unsent": ("没能发出去", "it could not be sent"),
    "withheld.failed": ("出错了", "it failed"),
    "withheld.repeat": ("和上次说的一模一样", "it was word for word what was said last"),
    "withheld.loop": ("写着写着只剩重复", "the model only repeated itself"),
    "withheld.words": ("里面有 guard.words_out 里的词", "it had a word of guard.words_out in it"),
    "withheld.leak": ("里面在背人设原文", "it recited the system prompt"),
    "withheld.asked": (
        "要看的内容里有 guard.words_in 里的词",
        "what was to be read has a word of guard.words_in in it",
    ),
    "see.canary": ("内部记号 {canary}，不要写出来。", "Internal mark {canary}: never write it."),
    "report.words": (
        "词表读不了，继续使用之前的那份。",
        "A word list cannot be read; the last good one stays.",
    ),
}
