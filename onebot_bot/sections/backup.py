"""[backup]: the copies of everything that the bot makes by itself."""

from typing import Annotated

from msgspec import Meta

from onebot_bot.hours import parse_time
from onebot_bot.sections.base import Section


class BackupConfig(Section, frozen=True, kw_only=True):
    """[backup]: one file a day in memory_store/backups."""

    enabled: Annotated[bool, Meta(description="Make a backup every day; `/backup` works either way.")] = True
    time: Annotated[
        str,
        Meta(description='Time of day such as "04:30", by `learning.timezone`. What was missed is made up for.'),
    ] = "04:30"
    keep: Annotated[
        int,
        Meta(
            ge=1,
            le=365,
            description="How many backups stay; the oldest go. Who is forgotten is in the older ones until they go.",
        ),
    ] = 7

    def __post_init__(self) -> None:
        """Raise ValueError, which names the key, when the time is not written as such."""
        try:
            parse_time(self.time)
        except ValueError as error:
            raise ValueError(f"time: {error}") from error
