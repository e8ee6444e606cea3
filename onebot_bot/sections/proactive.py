"""[proactive]: whether the bot speaks first, when and how often."""

from typing import Annotated

from msgspec import Meta

from onebot_bot.hours import parse_span
from onebot_bot.sections.base import Section


class ProactiveConfig(Section, frozen=True, kw_only=True):
    """[proactive]: speaking first, in chats that asked for it with `/proactive on`."""

    enabled: Annotated[
        bool, Meta(description="Let the bot speak first in chats that asked for it with `/proactive on`.")
    ] = False
    hours: Annotated[
        str, Meta(description='Hours such as "09:00-22:00" in which it may, outside `chat.quiet_hours` at that.')
    ] = "09:00-22:00"
    idle_minutes: Annotated[
        float,
        Meta(ge=5, le=43_200, description="Minutes for which nobody said anything before it may, and up to half more."),
    ] = 180.0
    backoff: Annotated[
        float, Meta(ge=1, le=10, description="How many times longer it waits each time nobody reacted.")
    ] = 2.0
    max_ignored: Annotated[
        int,
        Meta(ge=1, le=10, description="After so many times without a reaction it waits until somebody writes."),
    ] = 3
    per_day: Annotated[int, Meta(ge=0, le=24, description="Most times a day in one chat.")] = 2
    total_per_day: Annotated[int, Meta(ge=0, le=1000, description="Most times a day in all chats together.")] = 20

    def __post_init__(self) -> None:
        """Raise ValueError, which names the key, when the hours are not written as such."""
        try:
            parse_span(self.hours)
        except ValueError as error:
            raise ValueError(f"hours: {error}") from error
