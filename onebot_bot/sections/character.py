"""[character]: emotions and moods of personas."""

from typing import Annotated

from msgspec import Meta

from onebot_bot.sections.base import Section


class CharacterConfig(Section, frozen=True, kw_only=True):
    """[character]: what personas from files feel."""

    emotions: Annotated[
        bool,
        Meta(
            description="Let the model begin each answer with an emotion of its persona file, as in [开心]; the tag is "
            "never shown. A persona that is plain text in bot.persona has none."
        ),
    ] = True
    mood: Annotated[
        bool,
        Meta(description="Let emotions move a mood, one a chat and one a person in groups, which the model is told."),
    ] = True
    mood_hours: Annotated[
        float, Meta(ge=0.1, le=240, description="Hours in which half of a mood fades back to neutral.")
    ] = 3.0
