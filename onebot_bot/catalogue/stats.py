"""/stats."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "about.stats": (
        "某天或某个会话：听到、回答、花费多少，为什么没回答",
        "a day or a chat: what was heard, answered and spent, and why it was silent",
    ),
    "stats.usage": (
        "用法：{prefix}stats [today|yesterday|2026-11-21|here|group 20000|private 10001]",
        "Usage: {prefix}stats [today|yesterday|2026-11-21|here|group 20000|private 10001]",
    ),
    "stats.elsewhere": (
        "在群里只能看本群的；别的会话请私聊问我。",
        "In a group only that group's; ask me about others in private.",
    ),
    "stats.none": ("{what} 没有记录。", "There is nothing on record for {what}."),
    "stats.day": ("{day}，{chats} 个会话：", "{day}, {chats} chats:"),
    "stats.chat": ("{chat}，从 {since} 起有记录的 {days} 天：", "{chat}, {days} days on record since {since}:"),
    "stats.group": ("群 {number}", "group {number}"),
    "stats.private": ("私聊 {number}", "private {number}"),
    "stats.heard": (
        "听到 {seen:,.0f} 条消息、{commands:,.0f} 条指令，回答 {answered:,.0f} 次，共 {bubbles:,.0f} 条",
        "{seen:,.0f} messages and {commands:,.0f} commands heard, answered {answered:,.0f} times in "
        "{bubbles:,.0f} messages",
    ),
    "stats.spent": (
        "读了 {prompt:,.0f} 词元，写了 {tokens:,.0f} 词元，用时 {seconds:,.1f} 秒，想起 {recalls:,.0f} 次",
        "{prompt:,.0f} tokens read, {tokens:,.0f} written in {seconds:,.1f} s, {recalls:,.0f} memories recalled",
    ),
    "stats.silent": ("没有回答：{reasons}", "Not answered: {reasons}"),
    "stats.line": (
        "· {what}：听到 {seen:,.0f}，回答 {answered:,.0f}，词元 {tokens:,.0f}，{seconds:,.1f} 秒",
        "· {what}: {seen:,.0f} heard, {answered:,.0f} answered, {tokens:,.0f} tokens, {seconds:,.1f} s",
    ),
    "stats.reason": ("{why} {count:,.0f}", "{why} {count:,.0f}"),
    "stats.comma": ("，", ", "),
    "stats.silent.bot": ("机器人说的", "said by bots"),
    "stats.silent.old": ("断线错过太久", "missed too long ago"),
    "stats.silent.off": ("这里关着", "switched off"),
    "stats.silent.observing": ("只听不说", "only listening"),
    "stats.silent.loop": ("一分钟里来回太多", "too many exchanges in a minute"),
    "stats.silent.quiet": ("安静时段", "quiet hours"),
    "stats.silent.elsewhere": ("别的账号在管", "another account's"),
    "stats.silent.unheard": ("叫了名字没应", "called by name, let pass"),
    "stats.silent.missed": ("断线错过，没叫我", "missed, not for me"),
    "stats.silent.busy": ("没叫我，我在忙", "not for me while busy"),
    "stats.silent.closed": ("没叫我，不插话", "not for me, not joining in"),
    "stats.silent.dice": ("没叫我，没插话", "not for me, dice said no"),
    "stats.silent.words": ("词表里的词", "listed words"),
    "stats.ended.no_reply": ("想了想没说", "chose to say nothing"),
    "stats.ended.shadow": ("影子模式", "shadow mode"),
    "stats.ended.cut_off": ("没写完", "cut off"),
    "stats.ended.repeat": ("和上次一样", "the same again"),
    "stats.ended.loop": ("兜圈子", "ran in circles"),
    "stats.ended.words": ("回答里有词表里的词", "listed words in the answer"),
    "stats.ended.leak": ("背人设", "recited the system prompt"),
    "stats.ended.asked": ("要看的内容里有词表里的词", "listed words in what was to be read"),
    "stats.ended.interrupted": ("写到一半被打断", "interrupted and begun anew"),
    "stats.ended.stopped": ("被叫停", "stopped"),
    "stats.ended.recalled": ("消息撤回", "taken back"),
    "stats.ended.crowded": ("一下子太多", "too many at once"),
    "stats.ended.denied": ("名单不许", "denied"),
    "stats.ended.limit": ("额度用完", "limits"),
    "stats.ended.stale": ("太晚", "too late"),
    "stats.ended.unsent": ("没发出去", "could not be sent"),
    "stats.ended.failed": ("出错", "failed"),
}
