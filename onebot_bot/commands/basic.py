"""The commands about the chat itself: help, status, sid, stop, why."""

from onebot_bot.commands.context import Context, Overview
from onebot_bot.commands.memory import told
from onebot_bot.commands.profiles import profile_here
from onebot_bot.commands.registry import Command, Registry, Tier
from onebot_bot.commands.toggling import disabled
from onebot_bot.engine.request import EngineStatus, Recalled
from onebot_bot.texts import Language, say


async def show_help(context: Context, _rest: str, registry: Registry) -> str:
    """The commands that this person may use here."""
    group = context.chat.kind == "group"
    usable = [
        command
        for command in registry.commands
        if command.tier_in(group=group) <= context.tier and not disabled(command, context.chat, context.services)
    ]
    lines = [_help_line(command, context) for command in usable if group or not command.group_only]
    return "\n".join([say(context.language, "help.head"), *lines])


def _help_line(command: Command, context: Context) -> str:
    main, *others = command.names
    usage = f"{context.prefix}{main} {command.arguments}".rstrip()
    aliases = say(context.language, "help.aliases", names="、".join(others)) if others else ""
    return say(
        context.language, "help.line", usage=usage, about=say(context.language, f"about.{main}"), aliases=aliases
    )


async def show_status(context: Context, _rest: str) -> str:
    """How the bot is doing."""
    overview = await context.services.overview()
    engine, language = overview.engine, context.language
    body = say(
        language,
        "status.body",
        model=engine.model,
        state=_state(engine.state, language),
        device=_device(engine),
        memory=_size(engine.memory),
        process=_size(overview.process_memory),
        links="、".join(overview.links) or say(language, "status.none"),
        running=engine.running,
        queued=engine.queued,
        answers=min(engine.answers, 20),
        **_pace(engine),
        messages=overview.history.messages,
        chats=overview.history.chats,
        unanswered=overview.history.unanswered,
        memories=overview.memories,
        uptime=_duration(overview),
        version=overview.version,
    )
    return "\n".join([body, *_profiles(context, engine)])


def _profiles(context: Context, engine: EngineStatus) -> list[str]:
    """Which profile answers here, and which have models that are there beside the main one."""
    if not context.services.configuration.config.profiles:
        return []
    loaded = [name for name, state in engine.profiles.items() if state.state == "ready"]
    here = say(context.language, "status.profile", name=profile_here(context))
    comma = say(context.language, "list.comma")
    return [here + (say(context.language, "status.profiles", loaded=comma.join(loaded)) if loaded else "")]


def _device(engine: EngineStatus) -> str:
    """Where it runs; on a card also whether its steps are recorded, and if not, why."""
    graphs = engine.counters.graphs
    return f"{engine.device or '-'}, CUDA graphs {graphs}" if graphs else engine.device or "-"


def _pace(engine: EngineStatus) -> dict[str, object]:
    """How fast it answers, and what it does for that."""
    counters = engine.counters
    return {
        "speed": f"{engine.tokens_per_second:.1f}",
        "median": f"{engine.first_token_p50:.1f}",
        "slow": f"{engine.first_token_p95:.1f}",
        "batch": f"{counters.mean_batch:.1f}",
        "prompt": counters.prompt_tokens,
        "reused": counters.reused_tokens,
        "cache": _size(counters.kv_bytes),
        "budget": _size(counters.kv_budget),
        "recalls": counters.recalls,
        "recall": f"{1000 * counters.mean_recall:.1f}",
        "interrupts": engine.interrupts,
    }


def _state(state: str, language: Language) -> str:
    if state.startswith("failed"):
        return say(language, "status.failed", error=state.partition(": ")[2])
    return say(language, f"status.{state}")


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def _duration(overview: Overview) -> str:
    minutes, seconds = divmod(int(overview.uptime), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


async def show_ids(context: Context, _rest: str) -> str:
    """The ids of this chat and of the person asking."""
    tier = say(context.language, f"tier.{Tier(context.tier).name.lower()}")
    return say(context.language, "sid.body", chat=context.chat, user=context.message.user_id, tier=tier)


async def stop(context: Context, _rest: str) -> str:
    """Stop the answer being written."""
    stopped = context.services.chats.stop(context.chat)
    return say(context.language, "stop.done" if stopped else "stop.idle")


async def why(context: Context, _rest: str) -> str:
    """Why it spoke or was silent, and what the last answer recalled, with score, and who said it when."""
    chats = context.services.chats
    heads = [chats.decision(context.chat, context.language), chats.writer(context.chat, context.language)]
    recalls = chats.recalls(context.chat)
    lines = [await _recall_line(context, recall) for recall in recalls] or [say(context.language, "why.none")]
    return "\n".join([*filter(None, heads), *lines])


async def _recall_line(context: Context, recall: Recalled) -> str:
    if recall.memory_id is None:
        return await _nothing(context, recall.score)
    found = await context.services.memories.show(context.chat, recall.memory_id)
    # What was forgotten is not told again, though this chat still knows what it once recalled.
    if found is None or found.status == "forgotten":
        return say(context.language, "why.gone", id=recall.memory_id, score=recall.score)
    origin = told(context, found)
    return say(context.language, "why.hit", id=recall.memory_id, score=recall.score, text=recall.text, told=origin)


async def _nothing(context: Context, nearest: float | None) -> str:
    if nearest is None:
        return say(context.language, "why.nothing")
    overview = await context.services.overview()
    floor = overview.engine.floor(context.services.configuration.config.memory.floor)
    return say(context.language, "why.below", score=nearest, floor=floor)


COMMANDS = (
    Command(names=("status", "状态"), handler=show_status, at_once=True),
    Command(names=("sid", "id", "会话"), handler=show_ids, at_once=True),
    Command(names=("stop", "停", "停止"), handler=stop, at_once=True),
    Command(names=("why", "为什么"), handler=why),
)
