"""Why the bot spoke or was silent, in words for /why."""

from onebot_bot.chat.participation import Decision, Gate, Trigger
from onebot_bot.chat.presence import Considered
from onebot_bot.texts import Language, say


def explain(considered: Considered, language: Language) -> str:
    """One or two lines: what it did and why, and how the dice fell where they did."""
    decision = considered.decision
    if decision.why is Trigger.FIRST:
        key = _FIRST.get(considered.outcome, "part.first_withheld")
        return say(language, key, withheld=_withheld(considered, language))
    reason = say(language, f"part.{decision.why.value}", user=considered.user)
    verdict = say(language, _verdict(considered), reason=reason, withheld=_withheld(considered, language))
    return "\n".join([verdict, *_chances(decision, language)])


_FIRST = {"answered": "part.first", "no_reply": "part.first_silent", "shadow": "part.first_shadow"}


def _verdict(considered: Considered) -> str:
    if considered.decision.trigger is None:
        return "part.silent"
    plain = {"answered": "part.answered", "no_reply": "part.no_reply", "shadow": "part.shadow"}
    return plain.get(considered.outcome, "part.withheld")


def _withheld(considered: Considered, language: Language) -> str:
    return say(language, f"withheld.{considered.outcome}") if _verdict(considered) == "part.withheld" else ""


def _chances(decision: Decision, language: Language) -> list[str]:
    lines = []
    if decision.gate is not None:
        lines.append(_factors(decision.gate, language))
    if decision.chance is not None:
        key = "part.below" if isinstance(decision.why, Trigger) else "part.above"
        lines.append(say(language, key, dice=decision.dice, chance=decision.chance))
    return lines


def _factors(gate: Gate, language: Language) -> str:
    return say(
        language,
        "part.gate_factors",
        talk=gate.talk,
        attention=gate.attention,
        dominance=gate.dominance,
        fatigue=gate.fatigue,
        value=gate.value,
    )
