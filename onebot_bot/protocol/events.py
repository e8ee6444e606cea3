"""Everything a OneBot v11 client reports, one Struct each.

Field names are NapCat's. Times are unix seconds. Ids are whole numbers, of any sign in other clients;
an optional one that the client leaves out is 0. A message id is unique neither in time nor between accounts:
key on (self_id, chat, message_id).
"""

from typing import Annotated, Any, TypeAlias

import msgspec

from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import Segment

Int64: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""A whole number that SQLite can keep; a frame with a larger one is an `UnknownEvent`."""
Flag: TypeAlias = Annotated[str, msgspec.Meta(max_length=256)]
"""What a request is answered by; NapCat's have ten digits."""


class EventBase(msgspec.Struct, frozen=True, kw_only=True):
    """What every event has."""

    time: Int64
    self_id: Int64


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """Who wrote a message; level, title, sex and age do not come in events."""

    user_id: Int64 = 0
    nickname: str = ""
    card: str = ""
    """The name in this group; often empty."""
    role: str = ""
    """`owner`, `admin` or `member`; empty in private, and when the client's lookup fails."""

    @property
    def name(self) -> str:
        """What others in the chat see: the card, else the nickname."""
        return self.card or self.nickname


class MessageBase(EventBase, frozen=True, kw_only=True):
    """What both kinds of message have."""

    post_type: str = "message"
    """`message`, or `message_sent` for one that the account itself wrote."""
    sub_type: str = ""
    user_id: Int64
    message_id: Int64
    message_seq: Int64 = 0
    """NapCat repeats `message_id` here."""
    real_seq: str = ""
    """QQ's own sequence number in this chat, the same for every account in it; empty in other clients."""
    sender: Sender = Sender()
    raw_message: str = ""
    """The message as a CQ string; `message` is to be preferred."""
    message_format: str = ""
    """Of `message` in the frame: `array`, or `string` for CQ codes; empty in other clients."""
    message: tuple[Segment, ...] = msgspec.field(name="segments", default=())
    """Named `segments` when encoded: a frame's `message` is of another shape and is decoded apart."""

    @property
    def sent_by_self(self) -> bool:
        """Whether the account itself wrote it, here or on a phone: never answer such a message."""
        return self.post_type == "message_sent" or self.user_id == self.self_id


class GroupMessage(MessageBase, frozen=True, kw_only=True):
    """A message in a group."""

    group_id: Int64
    group_name: str = ""

    @property
    def chat_id(self) -> ChatId:
        """The conversation it belongs to."""
        return ChatId(self.self_id, "group", self.group_id)


class PrivateMessage(MessageBase, frozen=True, kw_only=True):
    """A message between two people; `sub_type` is `friend`, or `group` for a stranger met in a group."""

    target_id: Int64 = 0
    """Who it was written to."""
    temp_source: Int64 = 0
    group_id: Int64 = 0
    """The group of a temporary session: pass it on when answering."""

    @property
    def chat_id(self) -> ChatId:
        """The conversation it belongs to: that with the other person, whoever of the two wrote."""
        peer = self.target_id if self.sent_by_self and self.target_id else self.user_id
        return ChatId(self.self_id, "private", peer)


class UploadedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file in a group's folder."""

    id: str = ""
    name: str = ""
    size: Int64 = 0
    """Bytes."""
    busid: Int64 = 0


class GroupUpload(EventBase, frozen=True, kw_only=True):
    """A file was uploaded to a group; a message with a `file` segment comes as well."""

    group_id: Int64
    user_id: Int64
    file: UploadedFile = UploadedFile()


class GroupAdmin(EventBase, frozen=True, kw_only=True):
    """Somebody was made (`set`) or is no longer (`unset`) a group's administrator."""

    sub_type: str
    group_id: Int64
    user_id: Int64


class GroupDecrease(EventBase, frozen=True, kw_only=True):
    """Somebody is no longer in a group: `leave`, `kick`, `kick_me` or `disband`."""

    sub_type: str
    group_id: Int64
    user_id: Int64
    operator_id: Int64 = 0
    """0 for `leave`."""


class GroupIncrease(EventBase, frozen=True, kw_only=True):
    """Somebody joined a group: `approve` or `invite`. `invite` comes twice from NapCat."""

    sub_type: str
    group_id: Int64
    user_id: Int64
    operator_id: Int64 = 0


class GroupBan(EventBase, frozen=True, kw_only=True):
    """Somebody was muted (`ban`) or may speak again (`lift_ban`)."""

    sub_type: str
    group_id: Int64
    user_id: Int64
    """0 for the whole group."""
    operator_id: Int64 = 0
    duration: Int64 = 0
    """Seconds; -1 for the whole group."""


class FriendAdd(EventBase, frozen=True, kw_only=True):
    """Somebody became a friend."""

    user_id: Int64


class GroupRecall(EventBase, frozen=True, kw_only=True):
    """A group message was taken back; comes twice for one's own."""

    group_id: Int64
    user_id: Int64
    operator_id: Int64 = 0
    message_id: Int64


class FriendRecall(EventBase, frozen=True, kw_only=True):
    """A private message was taken back."""

    user_id: Int64
    message_id: Int64


class GroupCard(EventBase, frozen=True, kw_only=True):
    """A member's name in the group changed; noticed when the member next speaks."""

    group_id: Int64
    user_id: Int64
    card_new: str = ""
    card_old: str = ""


class Essence(EventBase, frozen=True, kw_only=True):
    """A message was marked as worth keeping; NapCat only ever reports `add`."""

    sub_type: str = "add"
    group_id: Int64
    message_id: Int64
    sender_id: Int64 = 0
    operator_id: Int64 = 0


class EmojiCount(msgspec.Struct, frozen=True, kw_only=True):
    """How often one emoji was put on a message."""

    emoji_id: str
    count: Int64 = 0


class EmojiLike(EventBase, frozen=True, kw_only=True):
    """Somebody put an emoji on a group message, or took it away."""

    group_id: Int64
    user_id: Int64 = 0
    message_id: Int64
    likes: tuple[EmojiCount, ...] = ()
    is_add: bool = True


class BotOffline(EventBase, frozen=True, kw_only=True):
    """QQ logged the account out; `tag` and `message` are its words."""

    user_id: Int64 = 0
    tag: str = ""
    message: str = ""


class OnlineFileReceive(EventBase, frozen=True, kw_only=True):
    """Something happened to a file that somebody offers directly."""

    sub_type: str = ""
    peer_id: Int64


class OnlineFileSend(EventBase, frozen=True, kw_only=True):
    """Something happened to a file that this account offers directly."""

    sub_type: str = ""
    peer_id: Int64


class PokeNotice(EventBase, frozen=True, kw_only=True):
    """Somebody poked somebody."""

    user_id: Int64
    """In a group the poker; in private always the friend."""
    target_id: Int64
    """Who was poked."""
    group_id: Int64 = 0
    """0 in private."""
    sender_id: Int64 = 0
    """The poker, only in private."""
    raw_info: Any = None
    """QQ's own words for the gesture."""

    @property
    def poker_id(self) -> int:
        """Who poked."""
        return self.sender_id or self.user_id

    @property
    def chat_id(self) -> ChatId:
        """The conversation it happened in."""
        if self.group_id:
            return ChatId(self.self_id, "group", self.group_id)
        return ChatId(self.self_id, "private", self.user_id)


class InputStatus(EventBase, frozen=True, kw_only=True):
    """Somebody is typing; about three for each message."""

    user_id: Int64
    group_id: Int64 = 0
    event_type: Int64 = 0
    status_text: str = ""


class TitleNotice(EventBase, frozen=True, kw_only=True):
    """A member was given a title."""

    group_id: Int64
    user_id: Int64
    title: str = ""


class GroupNameNotice(EventBase, frozen=True, kw_only=True):
    """A group was renamed."""

    group_id: Int64
    user_id: Int64 = 0
    name_new: str


class ProfileLike(EventBase, frozen=True, kw_only=True):
    """Somebody liked the account's profile."""

    operator_id: Int64
    operator_nick: str = ""
    times: Int64 = 1


class GrayTip(EventBase, frozen=True, kw_only=True):
    """A line of grey text of an unknown kind that has a sender: a forged one."""

    group_id: Int64 = 0
    user_id: Int64 = 0
    message_id: Int64 = 0
    busi_id: str = ""
    content: str = ""
    """JSON inside a string."""


class FriendRequest(EventBase, frozen=True, kw_only=True):
    """Somebody wants to be a friend."""

    user_id: Int64
    comment: str = ""
    flag: Flag
    """For `set_friend_add_request`; the unix second as a string, so two within one second collide."""


class GroupRequest(EventBase, frozen=True, kw_only=True):
    """Somebody wants to join a group (`add`) or invites the account to one (`invite`)."""

    sub_type: str
    group_id: Int64
    user_id: Int64
    comment: str = ""
    flag: Flag
    """For `set_group_add_request`."""


class Lifecycle(EventBase, frozen=True, kw_only=True):
    """The connection's first event, usually; only `connect` comes over a WebSocket."""

    sub_type: str = ""


class HeartbeatStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the client is."""

    online: bool | None = None
    """False after QQ logged the account out."""
    good: bool = True


class Heartbeat(EventBase, frozen=True, kw_only=True):
    """The client's event loop is alive."""

    interval: Int64 = 0
    """Milliseconds until the next one; Lagrange writes seconds."""
    status: HeartbeatStatus = HeartbeatStatus()


class UnknownEvent(msgspec.Struct, frozen=True):
    """An event of a type or a shape that is not known, as it came."""

    raw: dict[str, Any]


Message: TypeAlias = GroupMessage | PrivateMessage
Notice: TypeAlias = (
    GroupUpload
    | GroupAdmin
    | GroupDecrease
    | GroupIncrease
    | GroupBan
    | FriendAdd
    | GroupRecall
    | FriendRecall
    | GroupCard
    | Essence
    | EmojiLike
    | BotOffline
    | OnlineFileReceive
    | OnlineFileSend
    | PokeNotice
    | InputStatus
    | TitleNotice
    | GroupNameNotice
    | ProfileLike
    | GrayTip
)
Request: TypeAlias = FriendRequest | GroupRequest
MetaEvent: TypeAlias = Lifecycle | Heartbeat
Event: TypeAlias = Message | Notice | Request | MetaEvent | UnknownEvent
