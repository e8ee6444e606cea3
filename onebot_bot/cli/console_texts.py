"""What the console says, Chinese first, English beside it."""

from collections.abc import Mapping

from onebot_bot.catalogue.refusals import CONSOLE_IDS
from onebot_bot.errors import with_id
from onebot_bot.texts import Language

_CATALOGUE: Mapping[str, tuple[str, str]] = {
    # --- the connection ---------------------------------------------------------------------------------------------
    "hello": (
        "已连上 {url}。你是 {who}。直接打字聊天；:help 看控制台命令，{prefix}help 看机器人的命令。",
        "Connected to {url}. You are {who}. Type to chat; :help for the console, {prefix}help for the bot.",
    ),
    "owners": (
        "config.toml 里 [bot] 的 owners 是空的，管理命令会被拒绝。写上 owners = [{user}]，保存后立即生效。",
        "owners in [bot] of config.toml is empty, so admin commands are refused. Write owners = [{user}]; "
        "it applies once saved.",
    ),
    "down": (
        "连不上 {url}：机器人没有在运行。先在另一个终端里运行 make run（或 onebot-bot run），再打开控制台。",
        "{url} cannot be reached: the bot is not running. Run `make run` (or `onebot-bot run`) in another terminal "
        "first, then open the console.",
    ),
    "refused": (
        "{error}\n  控制台用的是 {config} 里的 token；机器人用别的，就加上 --config 文件 或 --token 令牌。",
        "{error}\n  The console took the token from {config}; if the bot uses another one, add --config FILE or "
        "--token TOKEN.",
    ),
    "refused.url": (
        "{error}\n  用了 --url，令牌就要用 --token 给出。",
        "{error}\n  With --url, the token is given with --token.",
    ),
    "lost": ("连接断了，等机器人回来……", "The connection is gone; waiting for the bot to come back."),
    "back": ("又连上了。", "Connected again."),
    "kept": (
        "机器人不在线：这条留在聊天记录里，它回来后会自己来看。",
        "The bot is not there: this stays in the history, where it looks once it is back.",
    ),
    "silent": (
        "等了 {seconds:g} 秒没有更多回复（--linger 可以等久一点）。",
        "No further answer for {seconds:g} s (wait longer with --linger).",
    ),
    # --- what is seen -----------------------------------------------------------------------------------------------
    "place.private": ("私聊", "private"),
    "place.with": ("私聊 {peer}", "private {peer}"),
    "place.group": ("群 {peer}", "group {peer}"),
    "who": ("{name}（{user}），{place}", "{name} ({user}), {place}"),
    "typing": ("{name} 正在输入……", "{name} is typing…"),
    "picture": ("[图片 {size}]", "[picture {size}]"),
    "quote": ("↱ {name}：{text}", "↱ {name}: {text}"),
    "quote.lost": ("↱ 一条找不到的消息", "↱ a message that is not there"),
    "forward": ("[聊天记录，{count} 条]", "[{count} forwarded messages]"),
    "forward.line": ("{name}：{text}", "{name}: {text}"),
    "items": ("[{count} 条]", "[{count} items]"),
    "trace": ("回想 ▏{text}", "recall ▏{text}"),
    "said.poke": ("戳了戳 {name}", "poked {name}"),
    # --- commands ---------------------------------------------------------------------------------------------------
    "unknown": (
        "没有 :{name} 这个命令。{hint}:help 看全部命令；要发送以冒号开头的话，前面加一个空格。",
        "There is no command :{name}. {hint}:help lists all; to send words that start with a colon, put a space "
        "before it.",
    ),
    "near": ("是不是 :{name}？", "Did you mean :{name}? "),
    "usage": ("用法：{usage}", "Usage: {usage}"),
    "now": ("现在你是 {who}。", "Now you are {who}."),
    "on": ("{name} 开了。", "{name} is on."),
    "off": ("{name} 关了。", "{name} is off."),
    "at.private": (
        "私聊里不能 @。先用 :group 群号 进群，例如 :group 20001。",
        "There is no @ in a private chat. Enter a group with :group N first, such as :group 20001.",
    ),
    "reply.none": (
        "机器人在这里还没有说过话，没有可以引用的消息。",
        "The bot has not said anything here yet, so there is nothing to quote.",
    ),
    "image.none": ("找不到文件 {path}。", "There is no file {path}."),
    "image.large": (
        "{path} 有 {size}，最大 {limit}。换一张小一点的图片。",
        "{path} is {size}; at most {limit}. Take a smaller picture.",
    ),
    "image.kind": (
        "{path} 不是图片（PNG、JPEG、GIF、WebP、BMP）。",
        "{path} is no picture (PNG, JPEG, GIF, WebP, BMP).",
    ),
    "usage.help": (":help", ":help"),
    "usage.as": (":as QQ号 [名字]", ":as QQ [NAME]"),
    "usage.group": (":group 群号", ":group NUMBER"),
    "usage.private": (":private", ":private"),
    "usage.at": (":at 内容", ":at TEXT"),
    "usage.reply": (":reply [消息ID] 内容", ":reply [ID] TEXT"),
    "usage.image": (":image 文件 [内容]", ":image FILE [TEXT]"),
    "usage.poke": (":poke", ":poke"),
    "usage.trace": (":trace on|off", ":trace on|off"),
    "usage.raw": (":raw on|off", ":raw on|off"),
    "usage.quit": (":quit", ":quit"),
    "about.help": ("这个列表", "this list"),
    "about.as": ("换一个人说话", "speak as somebody else"),
    "about.group": ("到群里说话", "speak in a group"),
    "about.private": ("回到私聊", "back to the private chat"),
    "about.at": ("@ 机器人（在群里）", "mention the bot (in a group)"),
    "about.reply": ("引用机器人的上一条消息，或指定的一条", "quote the bot's last message, or the one named"),
    "about.image": ("发图片；文件名有空格就加引号", "send a picture; quote a name with spaces"),
    "about.poke": ("戳一戳机器人", "poke the bot"),
    "about.trace": (
        "每条回复后自动发 {prefix}why，显示 <recall> 想起了什么",
        "send {prefix}why after each answer and show what <recall> brought",
    ),
    "about.raw": ("显示收发的原始数据（里面有消息 ID）", "show the frames, with the ids of messages"),
    "about.quit": ("退出", "leave"),
}


def tell(language: Language, key: str, **values: object) -> str:
    """The text `key` in `language` with `values` filled in; one that tells of a failure ends with its id."""
    chinese, english = _CATALOGUE[key]
    text = (chinese if language == "zh" else english).format(**values)
    return with_id(text, CONSOLE_IDS.get(key, ""))
