"""[memory] and [learning]: what is kept, and what the nights make of it."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta

from onebot_bot.sections.base import RESTART, Section


class MemoryConfig(Section, frozen=True, kw_only=True):
    """[memory]: what the model may recall while it writes."""

    recall: Annotated[
        Literal["auto", "on", "off", "always"],
        Meta(
            description="`auto`: when the model was trained to ask; `on`: whenever it emits `<recall>`; "
            "`always`: every answer starts with one; `off`: never."
        ),
    ] = "auto"
    floor: Annotated[
        float,
        Meta(
            ge=-1,
            le=1,
            description="Least cosine of a memory that is recalled. 0: as calibrated when the model was trained, "
            "0.3 for one that was not.",
        ),
    ] = 0.0
    temperature: Annotated[
        float,
        Meta(ge=0, le=0.2, description="How a memory is chosen among the nearest. 0: the nearest; 0.02-0.05: varied."),
    ] = 0.0
    max_recalls: Annotated[int, Meta(ge=0, le=16, description="Most recalls in one answer.")] = 3
    embedding: Annotated[
        str,
        Meta(
            description="Folder of a Qwen3-Embedding model that makes the keys, relative to config.toml. "
            "Empty: the chat model's own states.",
            extra=RESTART,
        ),
    ] = ""


class LearningConfig(Section, frozen=True, kw_only=True):
    """[learning]: turning chats into memories, and the nights in which the bot trains itself."""

    def __post_init__(self) -> None:
        """Raise ValueError, which names the key, when the time zone is unknown."""
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"timezone: {self.timezone!r} is not known; use a name such as Asia/Shanghai") from error

    enabled: Annotated[bool, Meta(description="Hold nights by themselves; `/learn now` works either way.")] = True
    hour: Annotated[int, Meta(ge=0, le=23, description="Hour at which a night begins.")] = 2
    minute: Annotated[int, Meta(ge=0, le=59, description="Minute at which a night begins.")] = 0
    timezone: Annotated[str, Meta(min_length=1, description="Time zone of the hour, and of dates in chats.")] = (
        "Asia/Shanghai"
    )
    first_delay_days: Annotated[int, Meta(ge=0, le=365, description="Days before the first night.")] = 1
    interval_days: Annotated[int, Meta(ge=1, le=365, description="Days from one night to the next.")] = 1
    keep_versions: Annotated[int, Meta(ge=1, le=100, description="Trained versions kept for /learn rollback.")] = 3
    report: Annotated[bool, Meta(description="Tell the owner in the morning what was learned.")] = True
    extract: Annotated[
        Literal["auto", "model", "plain", "off"],
        Meta(
            description="How chats become memories. `model`: the model reads them; `plain`: only what people plainly "
            "say about themselves, by rules; `auto`: the model if it has at least a billion parameters; `off`: never."
        ),
    ] = "auto"
    quiet_minutes: Annotated[
        float, Meta(ge=0, le=1440, description="Minutes without a message after which a chat is read for memories.")
    ] = 3.0
    refine_idle: Annotated[bool, Meta(description="Refine memories' vectors while nobody waits for an answer.")] = True
