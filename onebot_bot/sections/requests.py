"""[requests]: who becomes a friend, and into which groups the bot lets itself be invited."""

from typing import Annotated, Literal

from msgspec import Meta, field

from onebot_bot.sections.base import Section

FriendRule = Literal["ignore", "accept", "reject", "ask", "answer", "list"]
InviteRule = Literal["ignore", "accept", "reject", "ask", "list"]


class RequestsConfig(Section, frozen=True, kw_only=True):
    """[requests]: friend requests and invitations to groups; whom [access] or a ban denies is ignored."""

    friends: Annotated[
        FriendRule,
        Meta(
            description="Friend requests: `ignore`, `accept`, `reject`; `ask`: the owner is told and decides with "
            "`/request`; `answer`: accept the right answer, `list`: accept who is in `people`, and ask about others."
        ),
    ] = "ask"
    answers: Annotated[
        list[Annotated[str, Meta(min_length=1)]],
        Meta(description="Right answers of `answer`: what is written with the request has to contain one of them."),
    ] = field(default_factory=list)
    groups: Annotated[
        InviteRule,
        Meta(
            description="Invitations to groups: as above; `list`: accept if the group is in `invited_to` or who "
            "invites in `people`, and ask about others."
        ),
    ] = "ask"
    people: Annotated[
        list[Annotated[int, Meta(ge=1)]], Meta(description="QQ numbers accepted by `list`; owners and bot admins are.")
    ] = field(default_factory=list)
    invited_to: Annotated[list[Annotated[int, Meta(ge=1)]], Meta(description="Groups accepted by `list`.")] = field(
        default_factory=list
    )
    per_day: Annotated[
        int,
        Meta(
            ge=0,
            le=1000,
            description="Most requests a day that are accepted, rejected or told to the owner; `/request list` shows "
            "the rest.",
        ),
    ] = 20
