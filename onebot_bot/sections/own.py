"""[own]: what people may decide for their own chats."""

from typing import Annotated

from msgspec import Meta

from onebot_bot.sections.base import Section


class OwnConfig(Section, frozen=True, kw_only=True):
    """[own]: how far people may go with branches, prompts and settings of their own."""

    branches: Annotated[int, Meta(ge=1, le=100, description="Most branches (`/branch`) of one chat.")] = 20
    prompt_chars: Annotated[int, Meta(ge=0, le=20000, description="Longest `/prompt`, characters. 0: none.")] = 2000
    max_tokens: Annotated[
        int,
        Meta(
            ge=1,
            le=32768,
            description="Most that `/set max_tokens` allows, where `generation.max_new_tokens` is not more anyway.",
        ),
    ] = 1024
    shown_messages: Annotated[
        int, Meta(ge=0, le=200, description="Messages shown of a chat that `/ref` lets another see. 0: none.")
    ] = 20
