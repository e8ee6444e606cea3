"""What only the owner is told."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "report.error": (
        "⚠️ {what} [{code}]\n会话：{chat}\n编号 {id}（日志里可查）\n{error}\n→ {step}",
        "⚠️ {what} [{code}]\nChat: {chat}\nId {id} (find it in the log)\n{error}\n→ {step}",
    ),
    "report.answer": ("有一条消息没能回复。", "A message could not be answered."),
    "report.send": ("有一条回复没能发出去。", "An answer could not be sent."),
    "report.command": ("有一个命令执行出错。", "A command failed."),
    "report.config": (
        "config.toml 有问题，继续使用之前的配置。",
        "config.toml cannot be used; the last good one stays.",
    ),
    "report.request": ("有一个好友请求或入群邀请没能处理。", "A friend request or invitation could not be dealt with."),
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
    "start.token_in": ("（在 {file} 里）", "(it is in {file})"),
    "start.no_token": ("（空）", "(empty)"),
    "start.no_owner": (
        "\n  还没有主人：把你的 QQ 号写进 [bot] owners，才能使用管理命令",
        "\n  No owner yet: put your QQ number into [bot] owners to use the admin commands",
    ),
    "report.engine": (
        "模型线程出了问题，正在自动处理。",
        "The model's thread is in trouble; it is being dealt with.",
    ),
    "report.exchanged": (
        "内存不够用主模型，已换成备用模型继续回复。",
        "The memory did not hold the main model; the fallback answers instead.",
    ),
    "report.restarted": (
        "模型卡住了，机器人刚刚整个重启了自己；没回复的消息会接着回复。",
        "The model hung, so the bot restarted itself whole; what was not answered yet is answered now.",
    ),
    "report.model": ("模型加载失败，暂时不能回复。", "The model failed to load; nothing can be answered."),
}
