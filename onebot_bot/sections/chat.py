"""[chat]: when the bot speaks, and to whom."""

from typing import Annotated, Literal

from msgspec import Meta, field

from onebot_bot.hours import parse_share, parse_span
from onebot_bot.sections.base import Section

Mode = Literal["on", "observe", "shadow", "off"]
"""`observe`: listen and learn, never speak; `shadow`: what would be said is only logged; `off`: do not even listen."""


class ChatConfig(Section, frozen=True, kw_only=True):
    """[chat]: when the bot answers and how its answers are sent."""

    merge_window: Annotated[
        float, Meta(ge=0, le=30, description="Seconds of quiet after which a person's messages count as one turn.")
    ] = 1.2
    merge_cap: Annotated[float, Meta(ge=0, le=120, description="Longest wait for one turn, seconds.")] = 6.0
    max_interrupts: Annotated[int, Meta(ge=0, le=20, description="Times a newer message may interrupt one answer.")] = 2
    max_bubbles: Annotated[int, Meta(ge=1, le=10, description="Most messages one answer is split into.")] = 3
    typing_speed: Annotated[float, Meta(ge=0, description="Characters a second between bubbles. 0: no delay.")] = 12.0
    max_delay: Annotated[float, Meta(ge=0, le=60, description="Longest delay before a bubble, seconds.")] = 4.0
    quote_in_group: Annotated[bool, Meta(description="Quote the message answered, in groups.")] = True
    history_messages: Annotated[
        int, Meta(ge=0, le=2000, description="Most past messages shown to the model; tokens limit it further.")
    ] = 60
    idle_minutes: Annotated[
        float, Meta(gt=0, description="Minutes of quiet after which a chat's task ends; its history stays.")
    ] = 30.0
    answer_within: Annotated[
        float, Meta(ge=0, description="After an outage, messages at most this many seconds old are answered.")
    ] = 300.0
    profile: Annotated[
        str,
        Meta(description="Profile that answers where a chat did not choose one by `/profile`; `chat`: the main model."),
    ] = "chat"
    bots: Annotated[list[int], Meta(description="QQ numbers of other bots: heard, never answered.")] = field(
        default_factory=list
    )
    mode: Annotated[
        Mode,
        Meta(
            description="What the bot does in groups, where their admins did not decide: `on`; `observe`: it listens "
            "and learns and never speaks; `shadow`: the log alone gets its answers; `off`: it does not even listen."
        ),
    ] = "on"
    name_chance: Annotated[
        float, Meta(ge=0, le=1, description="How often it answers in a group where it is called by name, without an @.")
    ] = 0.9
    answer_pokes: Annotated[
        bool, Meta(description="Whether a poke at the bot is answered, as an @ is; it is seen in any case.")
    ] = True
    talk_value: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="How often it considers a message of a group that does not call it; the model then chooses "
            "whether to say something. 0: never.",
        ),
    ] = 0.0
    talk_times: Annotated[
        list[str],
        Meta(description='Other talk values by time of day, such as "18:00-23:00 0.3"; the first that fits holds.'),
    ] = field(default_factory=list)
    quiet_hours: Annotated[
        str,
        Meta(description='Hours such as "23:00-07:00" in which only an @ or a quote of it is answered. Empty: none.'),
    ] = ""
    attention_seconds: Annotated[
        float, Meta(ge=0, le=3600, description="Seconds after it spoke in which its talk value counts 2.5 times.")
    ] = 120.0
    answers_per_hour: Annotated[
        int,
        Meta(ge=1, le=1000, description="The nearer its answers of the last hour are to this, the less it joins in."),
    ] = 30
    exchanges_per_minute: Annotated[
        int,
        Meta(
            ge=0,
            le=1000,
            description="Most answers to one account in a chat a minute: a bot nobody listed would go on. 0: no limit.",
        ),
    ] = 10

    def __post_init__(self) -> None:
        """Raise ValueError, which names the key, when a time of day is not written as one."""
        for key, parse, texts in (
            ("talk_times", parse_share, self.talk_times),
            ("quiet_hours", parse_span, [self.quiet_hours] if self.quiet_hours else []),
        ):
            try:
                for text in texts:
                    parse(text)
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from error
