"""[access]: with whom the bot has anything to do."""

from typing import Annotated, Literal

from msgspec import Meta, field

from onebot_bot.sections.base import Section

Number = Annotated[int, Meta(ge=1)]
ListMode = Literal["deny-list", "allow-list"]


class AccessConfig(Section, frozen=True, kw_only=True):
    """[access]: who is heard, and where; whoever is not is neither stored nor answered."""

    users: Annotated[
        ListMode,
        Meta(
            description="In private: `deny-list` hears everybody but `deny_users`, `allow-list` only `allow_users` "
            "(owners and bot admins always)."
        ),
    ] = "deny-list"
    allow_users: Annotated[list[Number], Meta(description="QQ numbers heard in private with `allow-list`.")] = field(
        default_factory=list
    )
    deny_users: Annotated[list[Number], Meta(description="QQ numbers heard nowhere, in groups neither.")] = field(
        default_factory=list
    )
    groups: Annotated[
        ListMode,
        Meta(
            description="In groups: `deny-list` hears all but `deny_groups`, `allow-list` only `allow_groups`; in the "
            "others owners and bot admins can still use commands."
        ),
    ] = "deny-list"
    allow_groups: Annotated[list[Number], Meta(description="Groups heard with `allow-list`.")] = field(
        default_factory=list
    )
    deny_groups: Annotated[list[Number], Meta(description="Groups that are never heard.")] = field(default_factory=list)
