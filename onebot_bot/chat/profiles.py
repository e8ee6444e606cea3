"""Which profile answers in a chat, what it changes of the configuration, and who wrote in the end."""

import msgspec
from msgspec import Struct

from onebot_bot.chat.settings import Settings
from onebot_bot.engine.request import EngineStatus
from onebot_bot.sections.profiles import MAIN
from onebot_bot.texts import Language, say


class Written(Struct, frozen=True):
    """Who wrote an answer."""

    profile: str = MAIN
    instead_of: str = ""
    """The profile that should have written it, whose model was not to be had."""


def in_profile(settings: Settings, name: str) -> Settings:
    """The configuration with what the profile decides of [generation]; `name` as `choose` gives it."""
    profile = settings.profiles.get(name)
    if profile is None:
        return settings
    generation = msgspec.structs.replace(settings.generation, **profile.overrides)
    return msgspec.structs.replace(settings, generation=generation, profile=name)


def status_for(status: EngineStatus, profile: str) -> EngineStatus:
    """The status as a chat of that profile is to know it: of how many parameters the model is that answers."""
    state = status.profiles.get(profile)
    if state is None or state.state in ("main", "failed"):
        return status
    return msgspec.structs.replace(status, parameters=state.parameters)


def sees(status: EngineStatus, profile: str, *, expected: bool) -> bool:
    """Whether pictures reach the model that answers for a profile.

    While the main model loads it counts as `expected`: whoever writes meanwhile is answered by it all the same.
    """
    state = status.profiles.get(profile)
    if state is None or state.state in ("main", "failed"):
        return status.sees or (expected and status.state == "loading")
    return bool(state.sees)


def explain_writer(written: Written, language: Language) -> str:
    """For /why; empty where there is nothing to tell."""
    if written.instead_of:
        return say(language, "why.instead", profile=written.instead_of)
    return "" if written.profile == MAIN else say(language, "why.profile", profile=written.profile)
