"""The actions this package asks a OneBot client to do, one Struct each.

Fields are the action's parameters under NapCat's names. Every one is sent, except those that are None:
NapCat's defaults differ from the standard's (`no_cache`, `duration`), so none is left to it.
"""

from typing import ClassVar

import msgspec

from onebot_bot.protocol.segments import (
    Node,
    Segment,
)


class Action(msgspec.Struct, frozen=True):
    """Base of every action."""

    name: ClassVar[str]
    """What `action` is in the frame."""
    unsent: ClassVar[frozenset[str]] = frozenset()
    """Fields that are no parameters but for us."""


class SendGroupMsg(Action, frozen=True):
    """Send a message to a group; answers `message_id`."""

    name: ClassVar[str] = "send_group_msg"
    group_id: int
    message: tuple[Segment, ...]


class SendPrivateMsg(Action, frozen=True):
    """Send a message to a person; answers `message_id`."""

    name: ClassVar[str] = "send_private_msg"
    user_id: int
    message: tuple[Segment, ...]
    group_id: int | None = None
    """The common group, to reach somebody who is no friend."""


class SendGroupForwardMsg(Action, frozen=True):
    """Send a bundle of messages to a group; made-up nodes need NapCat's packet backend."""

    name: ClassVar[str] = "send_group_forward_msg"
    group_id: int
    messages: tuple[Node, ...]
    source: str | None = None
    """The bundle's title."""
    news: tuple[dict[str, str], ...] | None = None
    """The lines of the preview, `{"text": ...}` each."""
    summary: str | None = None
    prompt: str | None = None


class SendPrivateForwardMsg(Action, frozen=True):
    """Send a bundle of messages to a person."""

    name: ClassVar[str] = "send_private_forward_msg"
    user_id: int
    messages: tuple[Node, ...]
    source: str | None = None
    news: tuple[dict[str, str], ...] | None = None
    summary: str | None = None
    prompt: str | None = None


class DeleteMsg(Action, frozen=True):
    """Take a message back; fails for ids older than 5000 messages or NapCat's last start."""

    name: ClassVar[str] = "delete_msg"
    message_id: int


class GetMsg(Action, frozen=True):
    """Fetch one message in the shape of an event, with fresh addresses; forgets ids as `DeleteMsg` does."""

    name: ClassVar[str] = "get_msg"
    message_id: int


class GetForwardMsg(Action, frozen=True):
    """Fetch what a forward holds: `{"messages": [event-shaped]}`, inner forwards included."""

    name: ClassVar[str] = "get_forward_msg"
    id: str


class GetGroupMsgHistory(Action, frozen=True):
    """Fetch a group's latest messages in the shape of events, oldest first."""

    name: ClassVar[str] = "get_group_msg_history"
    group_id: int
    count: int = 20
    message_seq: int | None = None
    """A message id, in spite of the name: where to start."""


class GetFriendMsgHistory(Action, frozen=True):
    """Fetch the latest messages with a person in the shape of events, oldest first."""

    name: ClassVar[str] = "get_friend_msg_history"
    user_id: int
    count: int = 20
    message_seq: int | None = None
    """A message id, in spite of the name: where to start."""


class GetImage(Action, frozen=True):
    """Ask for a picture's path and a fresh address, by the segment's `file`; kept for 24 hours."""

    name: ClassVar[str] = "get_image"
    file: str


class GetRecord(Action, frozen=True):
    """Ask for a voice message, by the segment's `file`; the answer carries `base64`."""

    name: ClassVar[str] = "get_record"
    file: str
    out_format: str = "wav"
    """mp3, amr, wma, m4a, spx, ogg, wav or flac."""


class GetFile(Action, frozen=True):
    """Ask for a file's path and address, by the segment's `file_id`."""

    name: ClassVar[str] = "get_file"
    file_id: str


class GetGroupFileUrl(Action, frozen=True):
    """Ask for the address of a file in a group; needs NapCat's packet backend."""

    name: ClassVar[str] = "get_group_file_url"
    group_id: int
    file_id: str


class GetPrivateFileUrl(Action, frozen=True):
    """Ask for the address of a file sent in private; needs NapCat's packet backend."""

    name: ClassVar[str] = "get_private_file_url"
    file_id: str


class GetGroupMemberInfo(Action, frozen=True):
    """Ask about one member of a group."""

    name: ClassVar[str] = "get_group_member_info"
    group_id: int
    user_id: int
    no_cache: bool = False


class GetGroupMemberList(Action, frozen=True):
    """Ask for all members of a group; over 1 MiB for 2000 of them."""

    name: ClassVar[str] = "get_group_member_list"
    group_id: int
    no_cache: bool = False


class GetGroupList(Action, frozen=True):
    """Ask for the groups the account is in."""

    name: ClassVar[str] = "get_group_list"
    no_cache: bool = False


class GetFriendList(Action, frozen=True):
    """Ask for the account's friends."""

    name: ClassVar[str] = "get_friend_list"
    no_cache: bool = False


class GetLoginInfo(Action, frozen=True):
    """Ask for the account's number and nickname."""

    name: ClassVar[str] = "get_login_info"


class GetStatus(Action, frozen=True):
    """Ask whether the account is online."""

    name: ClassVar[str] = "get_status"


class GetVersionInfo(Action, frozen=True):
    """Ask what the client is; `app_name` is `NapCat.Onebot` for NapCat."""

    name: ClassVar[str] = "get_version_info"


class GetStrangerInfo(Action, frozen=True):
    """Ask about anybody."""

    name: ClassVar[str] = "get_stranger_info"
    user_id: int
    no_cache: bool = False


class SetInputStatus(Action, frozen=True):
    """Show "is typing" to a person."""

    name: ClassVar[str] = "set_input_status"
    user_id: int
    event_type: int = 1
    """1 is typing."""


class SetMsgEmojiLike(Action, frozen=True):
    """Put an emoji on a message, or take it away."""

    name: ClassVar[str] = "set_msg_emoji_like"
    message_id: int
    emoji_id: str
    """A face's id; over three digits it is a unicode code point."""
    set: bool = True


class SetFriendAddRequest(Action, frozen=True):
    """Answer a friend request."""

    name: ClassVar[str] = "set_friend_add_request"
    flag: str
    approve: bool
    remark: str = ""


class SetGroupAddRequest(Action, frozen=True):
    """Answer a request to join a group, or an invitation to one."""

    name: ClassVar[str] = "set_group_add_request"
    flag: str
    approve: bool
    reason: str = ""


class GetGroupSystemMsg(Action, frozen=True):
    """Ask for invitations and requests to join: `invited_requests`, `join_requests`, those dealt with `checked`."""

    name: ClassVar[str] = "get_group_system_msg"
    count: int = 50


class GetDoubtFriendsAddRequest(Action, frozen=True):
    """Ask for the friend requests that QQ holds back as doubtful."""

    name: ClassVar[str] = "get_doubt_friends_add_request"
    count: int = 50


class SetDoubtFriendsAddRequest(Action, frozen=True):
    """Accept one of those; NapCat accepts whatever `approve` says."""

    name: ClassVar[str] = "set_doubt_friends_add_request"
    flag: str
    approve: bool = True


class SetGroupBan(Action, frozen=True):
    """Mute a member."""

    name: ClassVar[str] = "set_group_ban"
    group_id: int
    user_id: int
    duration: int
    """Seconds; 0 lifts it. Without a default, as NapCat's lifts where the standard's mutes."""


class SetGroupCard(Action, frozen=True):
    """Set a member's name in a group; takes 1 to 3 s."""

    name: ClassVar[str] = "set_group_card"
    group_id: int
    user_id: int
    card: str


class GroupPoke(Action, frozen=True):
    """Poke a member of a group; needs NapCat's packet backend."""

    name: ClassVar[str] = "group_poke"
    group_id: int
    user_id: int


class FriendPoke(Action, frozen=True):
    """Poke a friend; needs NapCat's packet backend."""

    name: ClassVar[str] = "friend_poke"
    user_id: int


class UploadGroupFile(Action, frozen=True):
    """Upload a file to a group; answers `file_id`."""

    name: ClassVar[str] = "upload_group_file"
    unsent: ClassVar[frozenset[str]] = frozenset({"size"})
    group_id: int
    file: str
    """An address, `base64://` or a path on NapCat's host."""
    file_name: str = msgspec.field(name="name")
    folder: str | None = None
    size: int = 0
    """Bytes if known, for `action_timeout`."""


class UploadPrivateFile(Action, frozen=True):
    """Upload a file to a person; answers `file_id`."""

    name: ClassVar[str] = "upload_private_file"
    unsent: ClassVar[frozenset[str]] = frozenset({"size"})
    user_id: int
    file: str
    file_name: str = msgspec.field(name="name")
    size: int = 0
    """Bytes if known, for `action_timeout`."""


class UploadFileStream(Action, frozen=True, kw_only=True):
    """Hand a file to NapCat in pieces, then once with `is_complete`: answers a `file_path` for `file`."""

    name: ClassVar[str] = "upload_file_stream"
    stream_id: str
    chunk_index: int | None = None
    chunk_data: str | None = None
    """Base64."""
    total_chunks: int | None = None
    file_size: int | None = None
    """Bytes of the whole file."""
    expected_sha256: str | None = None
    filename: str | None = None
    is_complete: bool | None = None


class MarkMsgAsRead(Action, frozen=True, kw_only=True):
    """Mark a chat as read."""

    name: ClassVar[str] = "mark_msg_as_read"
    user_id: int | None = None
    group_id: int | None = None
    message_id: int | None = None


class FetchPttText(Action, frozen=True):
    """Ask QQ to write down a voice message."""

    name: ClassVar[str] = "fetch_ptt_text"
    message_id: int


class OcrImage(Action, frozen=True):
    """Ask QQ to read the words in a picture."""

    name: ClassVar[str] = "ocr_image"
    image: str


class GetGroupAtAllRemain(Action, frozen=True):
    """Ask how often everybody may still be addressed today."""

    name: ClassVar[str] = "get_group_at_all_remain"
    group_id: int


ALLOWED_ACTIONS: frozenset[str] = frozenset(kind.name for kind in Action.__subclasses__())
"""Every action that may ever be sent: none that ends the client, tells its secrets or removes friends."""
