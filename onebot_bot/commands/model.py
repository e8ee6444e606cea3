"""/model: what the main model is, which folders there are, and which is to be loaded next time."""

import asyncio
from pathlib import Path

from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import Answer, Command, Tier
from onebot_bot.commands.verbs import carry_out, spelled, usage
from onebot_bot.engine.fit import gibibytes, parameters
from onebot_bot.engine.folder import check_model_folder, weight_sizes
from onebot_bot.errors import ModelError
from onebot_bot.texts import say

FOLDER = "models"
"""Where `onebot-bot fetch` puts them, beside config.toml."""
MOST_SHOWN = 20


async def model(context: Context, rest: str) -> str | Answer:
    """Tell of the main model, or choose another."""
    return await carry_out(context, rest, _VERBS, "model", default="info")


async def _info(context: Context, rest: str) -> str:
    if rest:
        raise usage(context, "model")
    config, engine = context.services.configuration.config.model, (await context.services.overview()).engine
    language = context.language
    none = say(language, "model.nothing")
    return say(
        language,
        "model.info",
        path=config.path,
        serves=engine.model,
        parameters=f"{engine.parameters:,}" if engine.parameters else none,
        weights=config.weights,
        device=engine.device or none,
        memory=gibibytes(engine.memory),
        sees=say(language, "model.sees" if engine.sees else "model.blind"),
        adapter=engine.adapter or none,
        fallback=config.fallback or none,
        prefix=context.prefix,
    )


async def _list(context: Context, rest: str) -> str:
    """The folders in models/, with what each is."""
    if rest:
        raise usage(context, "model")
    home, language = context.services.configuration.path.parent, context.language
    found = await asyncio.to_thread(_found, home / FOLDER)
    if not found:
        return say(language, "model.none", folder=FOLDER)
    now = context.services.configuration.config.model.path
    lines = [
        say(language, "model.line", mark="▶" if now == f"{FOLDER}/{name}" else "·", name=name, about=about)
        for name, about in found
    ]
    return "\n".join([*lines, say(language, "model.how", prefix=context.prefix)])


def _found(folder: Path) -> list[tuple[str, str]]:
    """Name and kind of each model folder; of one that cannot be loaded, why."""
    folders = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return [(path.name, _about(path)) for path in folders[:MOST_SHOWN]]


def _about(path: Path) -> str:
    try:
        found = check_model_folder(path)
        return f"{found.architecture}, {parameters(weight_sizes(found)):,}"
    except ModelError as error:
        return str(error)


async def _use(context: Context, rest: str) -> str:
    """Name another in config.toml, if it is one that can be loaded; raises ModelError."""
    if not rest:
        raise usage(context, "model")
    home = context.services.configuration.path.parent
    path = f"{FOLDER}/{rest}" if (home / FOLDER / rest).is_dir() else rest
    await asyncio.to_thread(check_model_folder, home / path)
    changed = context.services.configuration.set("model.path", path)
    return say(context.language, "model.used" if changed else "model.same", path=path)


_VERBS = spelled((("info", "查看"), _info), (("list", "列表"), _list), (("use", "用", "使用", "换"), _use))

COMMANDS = (Command(names=("model", "主模型"), handler=model, tier=Tier.OWNER, arguments="info | list | use NAME"),)
