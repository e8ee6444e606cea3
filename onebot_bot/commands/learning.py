"""/learn: the nightly learning, for the owner."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from onebot_bot.commands.confirming import take_yes, unconfirmed
from onebot_bot.commands.context import Context, LearningStatus
from onebot_bot.commands.registry import Answer, Command, Tier, first_word
from onebot_bot.commands.verbs import spelled, usage
from onebot_bot.texts import Language, say


async def learn(context: Context, rest: str) -> str | Answer:
    """Start, watch, end or undo a night's learning."""
    rest, sure = take_yes(rest)
    verb, argument = first_word(rest)
    handler = _VERBS.get(verb.casefold())
    if handler is None or argument:
        raise usage(context, "learn")
    if handler is _rollback and not sure:
        raise unconfirmed(context, say(context.language, "learn.would_roll_back"), "learn rollback")
    return await handler(context)


async def _now(context: Context) -> str:
    reason = await context.services.learning.start()
    if reason is not None:
        return say(context.language, "learn.refused", reason=reason)
    return say(context.language, "learn.started", prefix=context.prefix)


async def _cancel(context: Context) -> str:
    cancelled = context.services.learning.cancel()
    return say(context.language, "learn.cancelled" if cancelled else "learn.idle")


async def _rollback(context: Context) -> str:
    version = await context.services.learning.rollback()
    if version is None:
        return say(context.language, "learn.no_earlier")
    if not version:
        return say(context.language, "learn.rolled_back_bare")
    return say(context.language, "learn.rolled_back", version=version)


async def _report(context: Context) -> str | Answer:
    text, picture = await context.services.learning.report()
    return Answer(text, picture) if text else say(context.language, "learn.no_report")


async def _status(context: Context) -> str:
    status, language = context.services.learning.status(), context.language
    nothing = say(language, "learn.nothing")
    lines = [
        _doing(status, language),
        say(language, "learn.next", when=_time(status.next_run) or nothing),
        say(language, "learn.last", outcome=status.last_outcome or nothing),
        say(language, "learn.adapter", adapter=status.adapter or say(language, "learn.bare")),
    ]
    if not status.enabled:
        lines.append(say(language, "learn.disabled", prefix=context.prefix))
    return "\n".join(lines)


def _doing(status: LearningStatus, language: Language) -> str:
    if status.step is None:
        return say(language, "learn.resting")
    return say(
        language,
        "learn.doing",
        step=say(language, f"learn.step.{status.step}"),
        share=status.share,
        started=_time(status.started) or "?",
        left="?" if status.eta is None else _minutes(status.eta, language),
    )


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""


def _minutes(seconds: float, language: Language) -> str:
    hours, minutes = divmod(max(1, round(seconds / 60)), 60)
    return say(language, "learn.hours" if hours else "learn.minutes", hours=hours, minutes=minutes)


_VERBS: Mapping[str, Callable[[Context], Awaitable[str | Answer]]] = spelled(
    (("now", "现在"), _now),
    (("status", "状态"), _status),
    (("cancel", "取消"), _cancel),
    (("rollback", "回滚"), _rollback),
    (("report", "报告"), _report),
)

COMMANDS = (
    Command(
        names=("learn", "学习"),
        handler=learn,
        tier=Tier.OWNER,
        arguments="now|status|cancel|rollback|report",
        at_once=True,
    ),
)
