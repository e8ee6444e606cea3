"""The console's stand-in for QQ and NapCat: what was said, and the answers to the bot's actions.

Wordings and retcodes are NapCat's.
"""

import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from onebot_bot import __version__
from onebot_bot.protocol.actions import ALLOWED_ACTIONS
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import (
    Forward,
    Image,
    Node,
    Segment,
    UnknownSegment,
    decode_message,
    encode_message,
    to_cq,
)
from onebot_bot.transport.client import Answer, Call, OneBotClient, failed, ok

KEPT = 1000
"""Messages remembered."""
THROWN = 1200
BAD_PARAMS = 1400
NO_SUCH_ACTION = 1404

SENDING = frozenset(
    {
        "send_msg",
        "send_group_msg",
        "send_private_msg",
        "send_forward_msg",
        "send_group_forward_msg",
        "send_private_forward_msg",
    }
)
# There are no files and no voices here.
_FILE_ACTIONS = frozenset(
    {"get_record", "get_file", "get_group_file_url", "get_private_file_url", "fetch_ptt_text", "ocr_image"}
)


class Said(Struct, frozen=True):
    """One message of a chat."""

    id: int
    chat: ChatId
    user_id: int
    segments: tuple[Segment, ...]
    event: dict[str, Any]
    """As NapCat reports it."""


class Desk:
    """Who is there and what was said, as long as the console runs.

    Args:
        client: builds the events.
        bot_name: the account's nickname.
    """

    def __init__(self, client: OneBotClient, bot_name: str) -> None:
        self.names = {client.self_id: bot_name}
        """Nicknames by QQ number; the bot's own among them."""
        self.said: dict[int, Said] = {}
        """By message id, oldest first."""
        self._client = client
        self._forwards: dict[str, list[dict[str, Any]]] = {}
        self._handlers: dict[str, Callable[[dict[str, Any]], Answer]] = {
            **dict.fromkeys(SENDING, self._send),
            **dict.fromkeys(("send_private_msg", "send_private_forward_msg"), self._send_private),
            "delete_msg": self._delete,
            "get_msg": self._get,
            "get_forward_msg": self._get_forward,
            "get_group_msg_history": self._history,
            "get_friend_msg_history": self._history,
            "get_image": self._get_image,
            "get_login_info": lambda _: ok(self._person(client.self_id)),
            "get_stranger_info": lambda params: ok(self._person(int(params["user_id"]))),
            "get_group_member_info": self._member_info,
            "get_group_member_list": lambda params: ok([self._member(user, params) for user in self.names]),
            "get_friend_list": lambda _: ok([self._person(user) for user in self._others()]),
            "get_group_list": lambda _: ok(self._groups()),
            "get_status": lambda _: ok({"online": True, "good": True, "stat": {}}),
            "get_version_info": lambda _: ok(
                {"app_name": "onebot-bot console", "app_version": __version__, "protocol_version": "v11"}
            ),
        }

    # --- what was said ------------------------------------------------------------------------------------------

    def say(self, chat: ChatId, user_id: int, segments: Iterable[Segment]) -> Said:
        """Put a message into a chat and remember it, sent or received."""
        segments = tuple(segments)
        event = self._event(chat, user_id, segments)
        said = Said(event["message_id"], chat, user_id, segments, event)
        self.said[said.id] = said
        if len(self.said) > KEPT:
            del self.said[next(iter(self.said))]
        return said

    def _event(self, chat: ChatId, user_id: int, segments: tuple[Segment, ...]) -> dict[str, Any]:
        sender = {**self._person(user_id), "card": ""}
        own = {"post_type": "message_sent", "message_sent_type": "self", "target_id": chat.peer}
        fields = own if user_id == self._client.self_id else {}
        if chat.kind == "private":
            return self._client.private_message(user_id, segments, sender=sender, **fields)
        sender["role"] = "member"
        return self._client.group_message(chat.peer, user_id, segments, sender=sender, **fields)

    def poke(self, chat: ChatId, user_id: int) -> dict[str, Any]:
        """The event of the bot being poked."""
        self_id = self._client.self_id
        place = {"group_id": chat.peer} if chat.kind == "group" else {"sender_id": user_id}
        return {
            "time": int(time.time()),
            "self_id": self_id,
            "post_type": "notice",
            "notice_type": "notify",
            "sub_type": "poke",
            "user_id": user_id,
            "target_id": self_id,
            "raw_info": [],
            **place,
        }

    # --- actions ------------------------------------------------------------------------------------------------

    def answer(self, call: Call) -> Answer:
        """Do what the bot asks for, as far as a console can, and the reply to it."""
        handler = self._handlers.get(call.action)
        if handler is None:
            return _other(call.action)
        try:
            return handler(call.params)
        except (KeyError, TypeError, ValueError) as error:
            return failed(BAD_PARAMS, f"{type(error).__name__}: {error}")

    def sent_by(self, call: Call, answer: Answer) -> Said | None:
        """The message that an answered call has sent; None when it sent none."""
        if call.action not in SENDING or answer["status"] != "ok":
            return None
        return self.said[answer["data"]["message_id"]]

    def _send(self, params: dict[str, Any]) -> Answer:
        raw = params["messages"] if "messages" in params else params["message"]
        segments = decode_message(raw)
        if any(isinstance(segment, UnknownSegment) for segment in segments):
            return failed(THROWN, "未知的消息段")
        if not segments:
            return failed(THROWN, "消息体无法解析")
        nodes = [segment for segment in segments if isinstance(segment, Node)]
        if nodes and len(nodes) < len(segments):
            return failed(BAD_PARAMS, "node 不能与其他消息段混用")
        chat = self._chat(params)
        if not nodes:
            return ok({"message_id": self.say(chat, self._client.self_id, segments).id})
        forward = self._bundle(nodes)
        said = self.say(chat, self._client.self_id, (forward,))
        return ok({"message_id": said.id, "res_id": forward.id, "forward_id": forward.id})

    def _send_private(self, params: dict[str, Any]) -> Answer:
        # A group's number only says where the two met.
        return self._send({**params, "message_type": "private"})

    def _chat(self, params: dict[str, Any]) -> ChatId:
        """Where a message goes: with both ids into the group, as in NapCat."""
        private = params.get("message_type") == "private" or not params.get("group_id")
        if private:
            return ChatId(self._client.self_id, "private", int(params["user_id"]))
        return ChatId(self._client.self_id, "group", int(params["group_id"]))

    def _bundle(self, nodes: list[Node]) -> Forward:
        content = [message for node in nodes if (message := self._forwarded(node))]
        forward = Forward(str(secrets.randbits(62)), content)
        self._forwards[forward.id] = content
        return forward

    def _forwarded(self, node: Node) -> dict[str, Any] | None:
        """A forward's message in the shape of an event; None for an id that is not there."""
        if node.id:
            said = self.said.get(int(node.id))
            return None if said is None else said.event
        inner = [part for part in node.content if isinstance(part, Node)]
        segments: tuple[Segment, ...] = (self._bundle(inner),) if inner else node.content
        user = int(node.user_id or 0)
        return {
            "time": int(time.time()),
            "user_id": user,
            "sender": {"user_id": user, "nickname": node.nickname, "card": ""},
            "message": encode_message(segments),
            "raw_message": to_cq(segments),
        }

    def _delete(self, params: dict[str, Any]) -> Answer:
        said = self.said.pop(int(params["message_id"]), None)
        return ok() if said else failed(THROWN, "Recall failed")

    def _get(self, params: dict[str, Any]) -> Answer:
        said = self.said.get(int(params["message_id"]))
        return ok(said.event) if said else failed(THROWN, "消息不存在")

    def _get_forward(self, params: dict[str, Any]) -> Answer:
        content = self._forwards.get(str(params.get("id") or params["message_id"]))
        return failed(THROWN, "消息不存在") if content is None else ok({"messages": content})

    def _history(self, params: dict[str, Any]) -> Answer:
        """The latest messages of a chat, or those up to the message named, oldest first."""
        found = [said for said in self.said.values() if said.chat == self._chat(params)]
        if start := int(params.get("message_seq") or 0):
            ids = [said.id for said in found]
            if start not in ids:
                return failed(THROWN, f"消息{start}不存在")
            found = found[: ids.index(start) + 1]
        count = max(1, int(params.get("count", 20)))
        return ok({"messages": [said.event for said in found[-count:]]})

    def _get_image(self, params: dict[str, Any]) -> Answer:
        name = params.get("file") or params["file_id"]
        pictures = (part for said in self.said.values() for part in said.segments if isinstance(part, Image))
        found = next((picture for picture in pictures if picture.file == name), None)
        if found is None:
            return failed(THROWN, "file not found")
        return ok({"file": name, "url": found.url, "file_size": found.file_size, "file_name": name})

    # --- people -------------------------------------------------------------------------------------------------

    def _person(self, user_id: int) -> dict[str, Any]:
        return {"user_id": user_id, "nickname": self.names.get(user_id, str(user_id))}

    def _others(self) -> list[int]:
        return [user for user in self.names if user != self._client.self_id]

    def _member_info(self, params: dict[str, Any]) -> Answer:
        user, group = int(params["user_id"]), int(params["group_id"])
        if user not in self.names:
            return failed(THROWN, f"群({group})成员{user}不存在")
        return ok(self._member(user, params))

    def _member(self, user_id: int, params: dict[str, Any]) -> dict[str, Any]:
        group = int(params["group_id"])
        return {**self._person(user_id), "group_id": group, "card": "", "role": "member", "title": "", "level": "1"}

    def _groups(self) -> list[dict[str, Any]]:
        groups = {said.chat.peer: None for said in self.said.values() if said.chat.kind == "group"}
        size = len(self.names)
        return [{"group_id": group, "group_name": str(group), "member_count": size} for group in groups]


def _other(action: str) -> Answer:
    if action in _FILE_ACTIONS:
        return failed(THROWN, "file not found")
    return ok() if action in ALLOWED_ACTIONS else failed(NO_SUCH_ACTION, f"不支持的Api {action}")
