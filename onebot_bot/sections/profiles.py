"""[profiles.NAME]: other models than the main one, or the same by other settings, which chats choose."""

from collections.abc import Collection
from typing import Annotated, Any, Literal

from msgspec import Meta

from onebot_bot.sections.base import RESTART, Section
from onebot_bot.sections.model import GenerationConfig

NAME = r"[a-z0-9_-]{1,32}"
"""Of a profile."""
MAIN = "chat"
"""The profile that is always there: the main model by [generation]."""
MOST = 32
"""Profiles."""


class ProfileConfig(Section, frozen=True, kw_only=True):
    """[profiles.NAME]: what a chat is answered with that chose NAME; what is left out is as in [generation]."""

    title: Annotated[str, Meta(max_length=100, description="What `/profile` shows beside the name.")] = ""
    path: Annotated[
        str,
        Meta(
            description="Model folder, relative to config.toml. Empty: the main model. Another one is loaded when it "
            "is first asked for, where memory is short in place of the profile unused longest; it recalls no memories."
        ),
    ] = ""
    adapter: Annotated[
        str,
        Meta(
            description="Folder of an adapter for that model, relative to config.toml; a main model with it is loaded "
            "a second time. Empty: of the main model the one that serves, of another none."
        ),
    ] = ""
    weights: Annotated[
        Literal["full", "int8", "int4"] | None,
        Meta(description="As `model.weights`, which holds where this is left out."),
    ] = None
    resident: Annotated[
        bool, Meta(description="Load the model at the start, before the first answer.", extra=RESTART)
    ] = False
    temperature: Annotated[
        Annotated[float, Meta(ge=0, le=2)] | None, Meta(description="As `generation.temperature`.")
    ] = None
    top_p: Annotated[Annotated[float, Meta(gt=0, le=1)] | None, Meta(description="As `generation.top_p`.")] = None
    top_k: Annotated[Annotated[int, Meta(ge=0)] | None, Meta(description="As `generation.top_k`.")] = None
    min_p: Annotated[Annotated[float, Meta(ge=0, le=1)] | None, Meta(description="As `generation.min_p`.")] = None
    repetition_penalty: Annotated[
        Annotated[float, Meta(ge=0.5, le=2)] | None, Meta(description="As `generation.repetition_penalty`.")
    ] = None
    presence_penalty: Annotated[
        Annotated[float, Meta(ge=-2, le=2)] | None, Meta(description="As `generation.presence_penalty`.")
    ] = None
    seed: Annotated[Annotated[int, Meta(ge=-1)] | None, Meta(description="As `generation.seed`.")] = None
    max_new_tokens: Annotated[
        Annotated[int, Meta(ge=1, le=32768)] | None, Meta(description="As `generation.max_new_tokens`.")
    ] = None
    timeout: Annotated[Annotated[float, Meta(gt=0)] | None, Meta(description="As `generation.timeout`.")] = None
    thinking: Annotated[bool | None, Meta(description="As `generation.thinking`.")] = None
    max_thinking: Annotated[
        Annotated[int, Meta(ge=0, le=32768)] | None, Meta(description="As `generation.max_thinking`.")
    ] = None

    @property
    def overrides(self) -> dict[str, Any]:
        """The keys of [generation] that it decides."""
        decided = {name: getattr(self, name) for name in GenerationConfig.__struct_fields__}
        return {name: value for name, value in decided.items() if value is not None}


def choose(profiles: Collection[str], *wanted: str | None) -> str:
    """The first of the names wanted that is there, the best first; the main one where none of them is."""
    if not profiles:  # as most are set up, and every message asks several times
        return MAIN
    return next((name for name in wanted if name == MAIN or name in profiles), None) or MAIN
