"""What doctor checks of where the bot runs, and for whom: its owners, a container, memory for the model."""

from collections.abc import Sequence
from pathlib import Path

from onebot_bot.cli.finding import Finding
from onebot_bot.cli.plan import describe_plan, find_device
from onebot_bot.config import Config
from onebot_bot.engine.folder import check_model_folder
from onebot_bot.errors import ModelError
from onebot_bot.sections.bot import BotConfig
from onebot_bot.sections.server import ServerConfig
from onebot_bot.transport.handshake import is_loopback

CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
"""Docker's and podman's."""


def check_owners(config: BotConfig) -> Finding:
    """Somebody is told what goes wrong, and may give the owner's commands."""
    if config.owners:
        return Finding("ok", f"owners: {', '.join(map(str, config.owners))}")
    fix = "在 config.toml 的 [bot] 里写 owners = [你的 QQ 号]：出错时机器人会私聊告诉你，主人的命令也才能用。"
    return Finding("warn", "bot.owners is empty: nobody is told what goes wrong", fix, "OB-1008")


def check_container(config: ServerConfig, marks: Sequence[Path] = CONTAINER_MARKS) -> Finding:
    """In a container the bot listens to more than that container."""
    if not is_loopback(config.host) or not any(mark.exists() for mark in marks):
        return Finding("ok", f"{config.host} can be reached from where clients are to be")
    what = f"server.host is {config.host} in a container: no client outside of it reaches the bot"
    fix = (
        '把 config.toml 中 [server] 的 host 改为 "0.0.0.0"，token 保持 "auto"，并映射端口；'
        "NapCat 在同一个容器里、或容器用 network_mode: host 时不用改。"
    )
    return Finding("warn", what, fix, "OB-1108")


def check_memory(config: Config, folder: Path, *, serving: bool) -> Finding:
    """The model fits into the memory that is free now; a bot that runs has taken its own already."""
    if serving or config.model.path == "echo":
        return Finding("ok", "memory: in use by the bot that runs" if serving else "memory: no model is to be loaded")
    try:
        model = check_model_folder(folder / config.model.path)
        lines, fits = describe_plan(model, config, find_device(config.model.device), folder)
    except ModelError:  # check_model has told, or it cannot be told beforehand
        return Finding("ok", "memory: what the model takes cannot be told beforehand")
    if fits:
        return Finding("ok", f"the model fits: {lines[1]}")
    fix = (
        "运行 onebot-bot plan 看怎样放得下：调小 [model] 的 max_context，把 weights 改为 int8、int4，或换小一点的模型。"
    )
    return Finding("warn", f"the model does not fit into memory: {lines[1]}", fix, "OB-1223")
