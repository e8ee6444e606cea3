"""[bot] and [commands]: who the bot is, and what a command starts with."""

from typing import Annotated, Literal

from msgspec import Meta, field

from onebot_bot.sections.base import Section


class BotConfig(Section, frozen=True, kw_only=True):
    """[bot]: who the bot is and whom it obeys."""

    names: Annotated[
        list[str], Meta(description="Names the bot answers to in a group without being mentioned with @.")
    ] = field(default_factory=lambda: ["小忆"])
    owners: Annotated[
        list[Annotated[int, Meta(ge=1)]],
        Meta(description="QQ numbers that may use every command and are told about failures."),
    ] = field(default_factory=list)
    admins: Annotated[
        list[Annotated[int, Meta(ge=1)]],
        Meta(description="QQ numbers that may use the commands of bot admins everywhere; `/admin` changes this."),
    ] = field(default_factory=list)
    language: Annotated[
        Literal["zh", "en"], Meta(description="Language of what the bot itself says (commands, errors).")
    ] = "zh"
    persona: Annotated[
        str,
        Meta(
            description="Who the bot is: the name of a file in personas/, or the system prompt itself. Empty: no "
            "system prompt."
        ),
    ] = "You are Xiaoyi, a warm and witty friend chatting on QQ. Answer briefly and naturally."


class CommandsConfig(Section, frozen=True, kw_only=True):
    """[commands]: what is typed in a chat to steer the bot."""

    prefixes: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(description="What a command starts with.")] = (
        field(default_factory=lambda: ["/", "／"])
    )
    disabled: Annotated[
        list[str], Meta(description="Commands that are there for nobody; `/command` disables them in one chat.")
    ] = field(default_factory=list)
