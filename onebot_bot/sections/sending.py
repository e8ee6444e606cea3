"""[sending] and [render]: how answers leave."""

from typing import Annotated, Literal

from msgspec import Meta

from onebot_bot.sections.base import Section


class SendingConfig(Section, frozen=True, kw_only=True):
    """[sending]: how fast one account sends answers, all its chats together."""

    interval: Annotated[float, Meta(ge=0, le=60, description="Least seconds from one message to the next.")] = 0.5
    jitter: Annotated[float, Meta(ge=0, le=60, description="Up to so many seconds more, at random.")] = 0.5
    per_minute: Annotated[int, Meta(ge=0, le=600, description="Most messages in a minute. 0: no limit.")] = 40
    stale_after: Annotated[
        float,
        Meta(ge=0, description="An answer that would wait longer behind others is not sent, seconds; the log says so."),
    ] = 120.0


class RenderConfig(Section, frozen=True, kw_only=True):
    """[render]: long answers with tables, code or formulas as pictures, longer ones as bundles."""

    enabled: Annotated[bool, Meta(description="Send pictures; `/render` decides it for one chat.")] = True
    theme: Annotated[
        Literal["light", "dark", "pink", "blue", "green"], Meta(description="The colours of the pictures.")
    ] = "light"
    min_characters: Annotated[
        int,
        Meta(
            ge=1, description="From this length on, code, formulas and headings are sent as a picture; tables always."
        ),
    ] = 150
    max_characters: Annotated[
        int,
        Meta(ge=200, le=4000, description="Longer answers are sent as a bundle of forwarded messages."),
    ] = 2500
    timeout: Annotated[
        float, Meta(gt=0, le=120, description="Seconds for a picture; after that the answer is sent as text.")
    ] = 20.0
