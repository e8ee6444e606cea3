"""Who may do what."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "about.admin": ("任免机器人管理员", "name and dismiss bot admins"),
    "about.ban": ("不再理会某人，可限时、写原因", "hear somebody no more, for a time and for a reason"),
    "about.unban": ("重新理会某人", "hear somebody again"),
    "about.access": ("黑白名单：理会谁、听哪些群", "allow and deny lists: who and which groups are heard"),
    "about.command": ("在这里启用、停用指令", "which commands there are in this chat"),
    "list.more": ("……还有 {count} 个", "… and {count} more"),
    "command.confirm": ("{what}\n确定的话，发送：{again}", "{what}\nIf you are sure, send: {again}"),
    "command.usage": (
        "用法：{prefix}command | enable 指令 | disable 指令",
        "Usage: {prefix}command | enable NAME | disable NAME",
    ),
    "command.always": ("“{name}”不能停用。", "“{name}” cannot be disabled."),
    "command.disabled": (
        "“{name}”在这里停用了；{prefix}command 可以启用它（群里要群管理员；config.toml 里停用的要找主人）。",
        "“{name}” is disabled here; {prefix}command enables it (a group's admins may; what config.toml disables is the "
        "owner's).",
    ),
    "command.disabled_here": ("这里停用的指令：{names}", "Disabled here: {names}"),
    "command.all_enabled": ("这里没有停用的指令。", "No command is disabled here."),
    "admin.usage": (
        "用法：{prefix}admin list | add QQ号 | remove QQ号（也可以 @ 那个人）",
        "Usage: {prefix}admin list | add QQ | remove QQ (or mention them with @)",
    ),
    "admin.added": ("{user} 现在是机器人管理员。", "{user} is a bot admin now."),
    "admin.removed": ("{user} 不是机器人管理员了。", "{user} is no bot admin any more."),
    "admin.list": ("机器人管理员：{users}", "Bot admins: {users}"),
    "admin.none": (
        "没有机器人管理员。{prefix}admin add QQ号 可以添加。",
        "There are no bot admins: {prefix}admin add QQ.",
    ),
    "ban.usage": (
        "用法：{prefix}ban QQ号或@ [10m|2h|7d] [原因] | list",
        "Usage: {prefix}ban QQ-or-@ [10m|2h|7d] [REASON] | list",
    ),
    "ban.done": ("好，不再理会 {user}，{until}{reason}。", "All right, {user} is not heard any more, {until}{reason}."),
    "ban.line": ("{user}：{until}{reason}", "{user}: {until}{reason}"),
    "ban.until": ("到 {when}", "until {when}"),
    "ban.forever": ("直到解封", "until unbanned"),
    "ban.reason": ("，原因：{reason}", ", because: {reason}"),
    "ban.none": ("没有封禁任何人。", "Nobody is banned."),
    "ban.spared": (
        "不能封禁 {user}：是主人、机器人管理员、你自己或机器人（机器人管理员只有主人能封禁）。",
        "{user} cannot be banned: an owner, a bot admin, yourself or the bot (only the owner bans bot admins).",
    ),
    "unban.usage": ("用法：{prefix}unban QQ号或@", "Usage: {prefix}unban QQ-or-@"),
    "unban.done": ("好，重新理会 {user}。", "All right, {user} is heard again."),
    "unban.none": ("{user} 没有被封禁。", "{user} is not banned."),
    "access.usage": (
        "用法：{prefix}access | users|groups deny-list|allow-list | allow|deny|remove user|group 号码",
        "Usage: {prefix}access | users|groups deny-list|allow-list | allow|deny|remove user|group NUMBER",
    ),
    "access.deny-list": ("黑名单", "deny list"),
    "access.allow-list": ("白名单", "allow list"),
    "access.users": (
        "私聊按{mode}；允许：{allowed}；拒绝（群里也不理）：{denied}",
        "Private chats by {mode}; allowed: {allowed}; denied (in groups too): {denied}",
    ),
    "access.groups": (
        "群按{mode}；允许：{allowed}；拒绝：{denied}",
        "Groups by {mode}; allowed: {allowed}; denied: {denied}",
    ),
    "about.request": ("处理好友请求和入群邀请", "decide on friend requests and invitations to groups"),
    "request.usage": (
        "用法：{prefix}request list | accept 编号 | reject 编号 [理由]",
        "Usage: {prefix}request list | accept ID | reject ID [REASON]",
    ),
    "request.friend": ("#{id} {user} 想加我为好友{comment}", "#{id} {user} wants to be friends{comment}"),
    "request.doubt": (
        "#{id} {user} 想加我为好友，被 QQ 判为可疑{comment}",
        "#{id} {user} wants to be friends, which QQ finds doubtful{comment}",
    ),
    "request.group": (
        "#{id} {user} 邀请我进群 {group}{comment}",
        "#{id} {user} invites me into group {group}{comment}",
    ),
    "request.comment": ("：{comment}", ": {comment}"),
    "request.asked": (
        "📮 {line}\n{prefix}request accept {id} 同意，{prefix}request reject {id} 拒绝",
        "📮 {line}\n{prefix}request accept {id} or {prefix}request reject {id}",
    ),
    "request.full": (
        "今天处理了 {count} 个请求，再来的不提醒了，{prefix}request list 查看（requests.per_day）。",
        "{count} requests dealt with today; {prefix}request list shows what else comes (requests.per_day).",
    ),
    "request.none": ("没有待处理的请求。", "No request waits."),
    "request.unknown": (
        "没有待处理的请求 #{id}，{prefix}request list 查看。",
        "No request #{id} waits; see {prefix}request list.",
    ),
    "request.accepted": ("已同意：{line}", "Accepted: {line}"),
    "request.rejected": ("已拒绝：{line}", "Rejected: {line}"),
    "about.quota": ("查看今天用了多少、还有多少", "how much was used today, and how much there is"),
    "quota.user": (
        "你今天：回答 {answers} 个（上限 {most_answers}），{tokens} token（上限 {most_tokens}）",
        "You today: {answers} answers (of {most_answers}), {tokens} tokens (of {most_tokens})",
    ),
    "quota.group": (
        "本群今天：回答 {answers} 个（上限 {most_answers}），{tokens} token（上限 {most_tokens}）",
        "This group today: {answers} answers (of {most_answers}), {tokens} tokens (of {most_tokens})",
    ),
    "quota.unlimited": ("不限", "unlimited"),
    "limits.user_minute": (
        "慢一点呀，我回不过来了，过一会儿再聊～",
        "A little slower, please: I will be back in a minute.",
    ),
    "limits.user_day": ("今天和你聊得够多啦，明天再聊～", "We have talked enough for today; until tomorrow!"),
    "limits.user_tokens": ("今天和你聊得够多啦，明天再聊～", "We have talked enough for today; until tomorrow!"),
    "limits.group_minute": ("大家慢一点，我歇一会儿再说～", "A little slower, everybody: I will be back in a minute."),
    "limits.group_day": ("今天在这里说得够多啦，明天再聊～", "I have said enough here for today; until tomorrow!"),
    "limits.group_tokens": ("今天在这里说得够多啦，明天再聊～", "I have said enough here for today; until tomorrow!"),
}
