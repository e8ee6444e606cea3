"""One's own part of a chat: the last exchanges, branches, prompts, settings, references, export, leaving."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "see.you": ("你", "you"),
    "see.continue": ("（接着你刚才的话往下说。）", "(Go on from where you left off.)"),
    "see.injected": ("（背景：{text}）", "(Context: {text})"),
    "see.shown": (
        "（经双方同意，下面是 {name}({user}) 私下和你的对话，仅供参考：\n{lines}\n）",
        "(With the consent of both, this is what {name}({user}) and you said in private, for reference only:\n"
        "{lines}\n)",
    ),
    "about.reset": ("忘掉上文，重新开始（记录保留）", "start afresh (the record is kept)"),
    "about.undo": (
        "撤回最近 n 轮对话，从中学到的也一并撤回",
        "take back the last n exchanges, with what was learned from them",
    ),
    "about.retry": ("重新回答上一条", "answer the last message again"),
    "about.continue": ("接着上一条回复往下说", "go on with the last answer"),
    "about.edit": ("改掉你的上一条消息，并重新回答", "put your last message in other words and have it answered anew"),
    "about.nosave": ("回答这句话，但不记录、不学习", "answer this, and neither keep nor learn it"),
    "about.inject": ("往上文里加一句背景，不回答", "put a line of context into the history; it is not answered"),
    "about.branch": (
        "分支：各有各的上文、提示词和设置，切换不丢东西",
        "branches, each with its own history, prompt and settings; switching loses nothing",
    ),
    "about.prompt": (
        "当前分支自己的提示词，代替人设",
        "the prompt of this branch, in place of the persona",
    ),
    "about.set": ("当前分支的生成参数", "how answers are generated in this branch"),
    "about.ref": (
        "双方同意后，让一个人的私聊能参考另一个人的私聊",
        "let one person's private chat refer to another's, once both agree",
    ),
    "about.export": (
        "把你的消息、记忆、设置打包私聊发给你",
        "send you your messages, memories and settings as a zip, in private",
    ),
    "about.optout": ("照常回答你，但不学你说的话", "answer you as ever, but learn nothing from what you say"),
    "about.optin": ("恢复学习你以后说的话", "learn again from what you say from now on"),
    "about.forget": ("彻底删除关于你的一切", "erase everything about you for good"),
    "reset.done": ("好，我们重新开始。", "Let us start afresh."),
    "undo.done": ("已撤回最近 {count} 轮对话。", "Took back the last {count} exchanges."),
    "undo.none": ("没有可以撤回的对话。", "There is nothing to take back."),
    "undo.usage": ("用法：{prefix}undo [1-50]", "Usage: {prefix}undo [1-50]"),
    "turn.none": ("还没有可以重来的对话。", "There is no exchange yet that could be taken up."),
    "turn.not_yours": (
        "上一轮不是你的对话；群主或管理员才能替别人重来。",
        "The last exchange was not yours; the group's owner or an admin may take it up.",
    ),
    "turn.silent": (
        "我在这个群里现在不说话，群管理员发送 {prefix}on 才会回答。",
        "I do not speak in this group now; an admin of it can change that with {prefix}on.",
    ),
    "turn.long": ("太长了：{length} 个字，最多 {most} 个。", "Too long: {length} characters, at most {most}."),
    "edit.usage": ("用法：{prefix}edit 新的内容", "Usage: {prefix}edit NEW TEXT"),
    "edit.none": ("上文里没有你的消息可以改。", "There is no message of yours in view to edit."),
    "nosave.usage": ("用法：{prefix}nosave 要说的话", "Usage: {prefix}nosave TEXT"),
    "inject.usage": ("用法：{prefix}inject 背景", "Usage: {prefix}inject CONTEXT"),
    "inject.done": ("加进上文了，之后的回答会看到它。", "Added; answers from now on will see it."),
    "branch.usage": (
        "用法：{prefix}branch list | new [名字] | switch 名字 | rename [旧名] 新名 | clone [名字] | delete 名字 -y",
        "Usage: {prefix}branch list | new [NAME] | switch NAME | rename [OLD] NEW | clone [NAME] | delete NAME -y",
    ),
    "branch.first": ("主线", "main"),
    "branch.unnamed": ("分支{number}", "branch-{number}"),
    "branch.mark": ("▶ ", "▶ "),
    "branch.line": (
        "{mark}{number}. {name}（{count} 条消息{more}）",
        "{mark}{number}. {name} ({count} messages{more})",
    ),
    "branch.has_prompt": ("，有提示词", ", own prompt"),
    "branch.has_settings": ("，有设置", ", own settings"),
    "branch.created": ("新建并切换到了分支“{name}”，从头开始。", "Now in the new branch “{name}”, which is empty."),
    "branch.cloned": (
        "复制出分支“{name}”并切换过去，接着原来的上文。",
        "Now in “{name}”, a copy of the branch before.",
    ),
    "branch.switched": ("切换到了分支“{name}”。", "Now in branch “{name}”."),
    "branch.renamed": ("“{old}”改名为“{name}”。", "“{old}” is now called “{name}”."),
    "branch.deleted": ("删除了分支“{name}”，现在在“{now}”。", "Deleted branch “{name}”; now in “{now}”."),
    "branch.sure": (
        "会删除分支“{name}”和里面的 {count} 条消息，不能恢复（已经记住的事不受影响）。",
        "This deletes branch “{name}” with its {count} messages for good (memories stay).",
    ),
    "branch.keep_first": (
        "“{name}”不能删除；想重新开始用 {prefix}reset。",
        "“{name}” cannot be deleted; to start afresh use {prefix}reset.",
    ),
    "branch.unknown": ("没有分支“{name}”。现有：{names}", "There is no branch “{name}”. There are: {names}"),
    "branch.taken": ("已经有叫“{name}”的分支了。", "There is a branch “{name}” already."),
    "branch.bad_name": (
        "分支名是不含空格的 1-{most} 个字，不能只是数字。",
        "A branch's name has 1-{most} characters without spaces and is no number.",
    ),
    "branch.many": (
        "最多 {most} 个分支，先用 {prefix}branch delete 删掉一个。",
        "There are {most} branches already, the most there may be: {prefix}branch delete one first.",
    ),
    "prompt.usage": (
        "用法：{prefix}prompt show | set 内容 | clear",
        "Usage: {prefix}prompt show | set TEXT | clear",
    ),
    "prompt.now": ("当前分支的提示词：\n{prompt}", "The prompt of this branch:\n{prompt}"),
    "prompt.none": (
        "当前分支没有自己的提示词，用的是人设。",
        "This branch has no prompt of its own; the persona holds.",
    ),
    "prompt.set": (
        "提示词设好了（{length} 个字），从下一句起生效。",
        "Set ({length} characters), from the next answer on.",
    ),
    "prompt.cleared": ("提示词清除了，回到人设。", "Cleared; the persona holds again."),
    "prompt.long": ("太长了：{length} 个字，最多 {most} 个。", "Too long: {length} characters, at most {most}."),
    "set.usage": (
        "用法：{prefix}set 名字 值 | {prefix}set 名字 default | {prefix}set default",
        "Usage: {prefix}set NAME VALUE | {prefix}set NAME default | {prefix}set default",
    ),
    "set.names": ("可以设：{keys}", "Names: {keys}"),
    "set.head": (
        "当前分支的生成参数（{prefix}set 名字 值）：",
        "How answers are generated in this branch ({prefix}set NAME VALUE):",
    ),
    "set.line": ("{key} = {value}{mark}（{range}）", "{key} = {value}{mark} ({range})"),
    "set.own": (" ★", " ★"),
    "set.done": ("好：{line}", "Done: {line}"),
    "set.cleared": ("全部恢复默认。", "All back to the defaults."),
    "set.range": ("{key} 不能是 {value}，范围：{range}", "{key} cannot be {value}; range: {range}"),
    "ref.usage": (
        "用法：{prefix}ref list | ask QQ号 | allow QQ号 | revoke QQ号",
        "Usage: {prefix}ref list | ask QQ | allow QQ | revoke QQ",
    ),
    "ref.private": ("请私聊我使用 {prefix}ref。", "Use {prefix}ref in a private chat with me."),
    "ref.none": (
        "没有任何引用。想参考别人和我的私聊：{prefix}ref ask QQ号，对方再发送 {prefix}ref allow 你的QQ号。",
        "None. To refer to somebody's private chat with me: {prefix}ref ask QQ; they then send {prefix}ref allow YOU.",
    ),
    "ref.reads_open": (
        "你的私聊能参考 {other} 的私聊。取消：{prefix}ref revoke {other}",
        "Your private chat refers to {other}'s. To end it: {prefix}ref revoke {other}",
    ),
    "ref.reads_waits": (
        "你想参考 {other} 的私聊，等对方私聊我发送 {prefix}ref allow 你的QQ号。",
        "You asked to refer to {other}'s private chat; it holds once they send me {prefix}ref allow YOUR-QQ.",
    ),
    "ref.reads_asked": (
        "{other} 愿意让你参考其私聊。接受：{prefix}ref ask {other}",
        "{other} lets you refer to their private chat. To accept: {prefix}ref ask {other}",
    ),
    "ref.read_open": (
        "{other} 的私聊能参考你的私聊。取消：{prefix}ref revoke {other}",
        "{other}'s private chat refers to yours. To end it: {prefix}ref revoke {other}",
    ),
    "ref.read_waits": (
        "你愿意让 {other} 参考你的私聊，等对方私聊我发送 {prefix}ref ask 你的QQ号。",
        "You let {other} refer to your private chat; it holds once they send me {prefix}ref ask YOUR-QQ in private.",
    ),
    "ref.read_asked": (
        "{other} 想参考你的私聊。同意：{prefix}ref allow {other}；拒绝：{prefix}ref revoke {other}",
        "{other} asks to refer to your private chat. Yes: {prefix}ref allow {other}; no: {prefix}ref revoke {other}",
    ),
    "ref.told": ("（已经私聊告诉对方了）", " (they were told in private)"),
    "ref.revoked": ("你和 {other} 之间不再引用。", "Nothing is referred to between you and {other} any more."),
    "ref.nothing": ("你和 {other} 之间没有引用。", "There was nothing between you and {other}."),
    "ref.many": (
        "最多和 {most} 个人有引用，先用 {prefix}ref revoke 取消一些。",
        "There are {most} already, the most there may be: {prefix}ref revoke some first.",
    ),
    "export.none": ("我这里没有你的消息、记忆和设置。", "I have no messages, memories or settings of yours."),
    "export.done": (
        "你的 {messages} 条消息、{memories} 条记忆和设置已私聊发给你（{files} 个 zip）。",
        "{messages} messages, {memories} memories and your settings were sent to you in private ({files} zip file(s)).",
    ),
    "optout.done": (
        "好，以后照常回答你，但不再学你说的话，夜里训练也不用。已经记住的还在：{prefix}forget me 可以全部删除，"
        "{prefix}optin 恢复学习。",
        "I will answer you as ever, but learn nothing from what you say, nor train on it at night. What I know "
        "already stays: {prefix}forget me erases it, {prefix}optin lets me learn again.",
    ),
    "optin.done": ("好，从现在起又会学你说的话。", "I learn again from what you say from now on."),
    "forget.usage": ("用法：{prefix}forget me", "Usage: {prefix}forget me"),
    "forget.sure": (
        "会彻底删除：你说过的和我们私聊的 {messages} 条消息，你说的和关于你的 {memories} 条记忆，"
        "你的分支、提示词和设置（包括 optout）。别人说过的话会留下。不能恢复！想先留一份：{prefix}export。",
        "This erases for good: {messages} messages, yours and of our private chat; {memories} memories, yours and "
        "about you; your branches, prompts and settings (opt-out too). What others said stays. To keep a copy "
        "first: {prefix}export.",
    ),
    "forget.done": (
        "都删掉了：{messages} 条消息，{memories} 条记忆，还有你的设置。",
        "Erased: {messages} messages, {memories} memories, and your settings.",
    ),
    "forget.cancelled": (
        "正在进行的学习用到了它们，已经取消。",
        "The learning that was going on made use of them; it is cancelled.",
    ),
}
