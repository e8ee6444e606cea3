"""[limits]: how much one person and one group may have."""

from typing import Annotated

from msgspec import Meta

from onebot_bot.sections.base import Section


class LimitsConfig(Section, frozen=True, kw_only=True):
    """[limits]: answers and tokens for one person and one group; owners have no limits."""

    user_per_minute: Annotated[
        int, Meta(ge=0, le=600, description="Most answers to one person a minute, in all chats. 0: no limit.")
    ] = 0
    user_per_day: Annotated[int, Meta(ge=0, description="Most answers to one person a day. 0: no limit.")] = 0
    user_tokens_per_day: Annotated[
        int, Meta(ge=0, description="Most tokens written for one person a day, thinking included. 0: no limit.")
    ] = 0
    group_per_minute: Annotated[
        int, Meta(ge=0, le=600, description="Most answers in one group a minute. 0: no limit.")
    ] = 0
    group_per_day: Annotated[int, Meta(ge=0, description="Most answers in one group a day. 0: no limit.")] = 0
    group_tokens_per_day: Annotated[
        int, Meta(ge=0, description="Most tokens written for one group a day. 0: no limit.")
    ] = 0
