"""NapCat's side of a WebSocket, as cheap as it gets, so that what is measured is the server.

One blocking socket, frames taken apart by hand. Every message is a group message that mentions the bot; every
answer is checked word for word, and confirmed the way NapCat confirms it.
"""

import base64
import os
import re
import socket
import struct
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec

ACCOUNT = 3889001234
GROUPS = 16
PEOPLE = 4
"""Who speak in each group. Nobody writes again before being answered: that would be one turn, not two."""
WINDOW = GROUPS * PEOPLE
"""Messages in flight at most."""
REST = 0.001
"""Seconds between an answer and the next message when they go one at a time: the server is done by then."""
SENDING = ("send_msg", "send_group_msg")
"""Anything else that a server asks for on connecting is nothing that this client knows."""
PATIENCE = 10.0
"""Seconds until a missing answer is an error."""

_FRAME = struct.Struct("!BBHI")
_TEXT, _PING, _PONG = 0x81, 0x89, 0x8A
_MASKED = 0x80
_NUMBER = re.compile(r"#(\d+)$")


class _Data(msgspec.Struct):
    text: str = ""


class _Segment(msgspec.Struct):
    data: _Data


class _Params(msgspec.Struct):
    group_id: int = 0
    message: list[_Segment] = []


class _Action(msgspec.Struct):
    action: str
    params: _Params
    echo: Any


_ACTIONS = msgspec.json.Decoder(_Action)


class Answer(NamedTuple):
    """One message was answered: by whom it was, and the frame that confirms the answer."""

    speaker: int
    confirmation: bytes


class WrongAnswerError(Exception):
    """A server answered something else than it was told, or twice, or not at all."""


class Said(NamedTuple):
    """What the bot sent, and the frame that confirms it."""

    group: int
    text: str
    confirmation: bytes


class Wire:
    """One connection of one account. A context manager: leaving closes it."""

    def __init__(self, port: int, account: int = ACCOUNT) -> None:
        """Raises OSError while nobody listens."""
        self.socket = _dial(port, account)
        self.socket.sendall(_frame(_lifecycle(account)))
        self._buffer = bytearray()
        self._confirmed = 0
        self.heard = 0.0
        """When the last bytes came, by perf_counter."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Frames, as `message` and `Said.confirmation` are; returns once the system has taken them."""
        self.socket.sendall(data)

    def receive(self) -> list[Said]:
        """What comes next, which may be a part of a frame and so nothing; waits `PATIENCE`, then TimeoutError."""
        data = self.socket.recv(2**18)
        self.heard = time.perf_counter()
        if not data:
            raise WrongAnswerError("the server closed the connection")
        self._buffer += data
        return [said for payload in self._payloads() if (said := self._read(payload)) is not None]

    def _payloads(self) -> Iterator[bytes]:
        """Take every whole text frame off the buffer; a ping is answered on the way."""
        start = 0
        while (found := _find_frame(self._buffer, start)) is not None:
            kind, begin, start = self._buffer[start], *found
            payload = bytes(self._buffer[begin:start])
            if kind == _TEXT:
                yield payload
            elif kind == _PING:
                self.socket.sendall(_frame(payload, _PONG))
            else:
                raise WrongAnswerError(f"a frame of kind {kind:#x}: {payload!r}")
        del self._buffer[:start]

    def _read(self, payload: bytes) -> Said | None:
        """None: it asks for something else, which is refused as NapCat refuses what it does not know."""
        action = _ACTIONS.decode(payload)
        if action.action not in SENDING:
            self.socket.sendall(_frame(_refuse(action)))
            return None
        self._confirmed += 1
        text = "".join([segment.data.text for segment in action.params.message])
        return Said(action.params.group_id, text, _frame(_confirm(action.echo, self._confirmed)))


class NapCat:
    """A client that keeps people waiting for answers. A context manager: leaving closes the connection."""

    def __init__(self, port: int) -> None:
        self._wire = Wire(port)
        self._waiting: dict[int, int] = {}
        """Speakers by the number of the message that they want answered."""
        self._last = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wire.socket.close()

    def measure_delays(self, count: int) -> list[float]:
        """Seconds from a message to its answer, `count` times, one at a time and well apart."""
        delays = []
        for index in range(count):
            # Spinning: a core that sleeps takes its time to wake up, which is no server's fault.
            free = time.perf_counter() + REST
            while time.perf_counter() < free:
                pass
            frame = self._ask(index % WINDOW)
            begun = time.perf_counter()
            self._wire.send(frame)
            answers = list(self._receive())
            delays.append(self._wire.heard - begun)
            self._wire.send(b"".join([answer.confirmation for answer in answers]))
        return delays

    def measure_rate(self, seconds: float) -> float:
        """Messages answered a second, `WINDOW` in flight."""
        begun, answered = time.perf_counter(), 0
        self._wire.send(b"".join([self._ask(speaker) for speaker in range(WINDOW)]))
        while self._waiting:
            frames = []
            for answer in self._receive():
                frames.append(answer.confirmation)
                if self._wire.heard - begun < seconds:
                    answered += 1
                    frames.append(self._ask(answer.speaker))
            self._wire.send(b"".join(frames))
        return answered / seconds

    def _ask(self, speaker: int) -> bytes:
        self._last += 1
        self._waiting[self._last] = speaker
        return message(self._last, _group(speaker), 2000000000 + speaker)

    def _receive(self) -> Iterator[Answer]:
        """The answers that come next; waits until there is one, and raises where it is not right."""
        answers: list[Answer] = []
        while not answers:
            try:
                answers = [self._check(said) for said in self._wire.receive()]
            except TimeoutError as error:
                raise WrongAnswerError(f"{len(self._waiting)} messages got no answer in {PATIENCE:g} s") from error
        yield from answers

    def _check(self, said: Said) -> Answer:
        number = number_in(said.text)
        speaker = self._waiting.pop(number, None)
        if speaker is None or said.group != _group(speaker):
            raise WrongAnswerError(said.text)
        return Answer(speaker, said.confirmation)


# --- what is said ------------------------------------------------------------------------------------------------


def _words(number: int) -> str:
    return f"今晚下班以后一起去吃火锅吗 #{number}"


def number_in(text: str) -> int:
    """Which message an echo repeats, word for word; 0: none."""
    number = int(match[1]) if (match := _NUMBER.search(text)) else 0
    return number if text.endswith(_words(number)) else 0


def _group(speaker: int) -> int:
    return 700000000 + speaker % GROUPS


def message(number: int, group: int, user: int, account: int = ACCOUNT) -> bytes:
    """The frame that NapCat sends for a group message that mentions the bot: some 700 bytes."""
    message_id = 1000000000 + number
    event = {
        "self_id": account,
        "user_id": user,
        "time": int(time.time()),
        "message_id": message_id,
        "message_seq": message_id,
        "real_id": message_id,
        "real_seq": str(number),
        "message_type": "group",
        "sender": {"user_id": user, "nickname": "一只爱吃鱼的猫", "card": "小鱼", "role": "member"},
        "raw_message": f"[CQ:at,qq={account}] {_words(number)}",
        "font": 14,
        "sub_type": "normal",
        "message": [
            {"type": "at", "data": {"qq": str(account)}},
            {"type": "text", "data": {"text": f" {_words(number)}"}},
        ],
        "message_format": "array",
        "post_type": "message",
        "group_id": group,
        "group_name": "周末火锅爬山桌游交流群（请改群名片，广告勿入）",
    }
    return _frame(msgspec.json.encode(event))


def _refuse(action: _Action) -> bytes:
    answer = {"status": "failed", "retcode": 1404, "message": "", "wording": f"不支持的Api {action.action}"}
    return msgspec.json.encode({**answer, "echo": action.echo})


def _confirm(echo: Any, number: int) -> bytes:
    data = {"message_id": 2000000000 - number}
    answer = {"status": "ok", "retcode": 0, "data": data, "message": "", "wording": "", "echo": echo}
    return msgspec.json.encode({**answer, "stream": "normal-action"})


def _lifecycle(account: int) -> bytes:
    event = {"time": int(time.time()), "self_id": account, "post_type": "meta_event"}
    return msgspec.json.encode({**event, "meta_event_type": "lifecycle", "sub_type": "connect"})


# --- WebSocket ---------------------------------------------------------------------------------------------------


def _dial(port: int, account: int) -> socket.socket:
    """A connection that has shaken hands; OSError while nobody listens."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    lines = [
        "GET /onebot/v11/ws HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        f"X-Self-ID: {account}",
        "x-client-role: Universal",
        "User-Agent: OneBot/11",
    ]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        # Byte by byte: what follows the head is the first frame.
        byte = connection.recv(1)
        if not byte:
            break
        head += byte
    if not head.startswith(b"HTTP/1.1 101"):
        raise WrongAnswerError(f"port {port} refused: {head.decode(errors='replace')}")
    return connection


def _frame(payload: bytes, kind: int = _TEXT) -> bytes:
    """A frame as clients send it, masked with zeros: what the server undoes costs it the same."""
    if len(payload) < 126:
        return bytes([kind, _MASKED | len(payload)]) + b"\0\0\0\0" + payload
    return _FRAME.pack(kind, _MASKED | 126, len(payload), 0) + payload


def _find_frame(buffer: bytearray, start: int) -> tuple[int, int] | None:
    """Where the payload of the frame at `start` begins and ends; None while it is not whole."""
    if len(buffer) < start + 4:  # no frame here is that short: a server's ping carries four bytes
        return None
    length, begin = buffer[start + 1], start + 2
    if length == 126:
        length, begin = int.from_bytes(buffer[begin : begin + 2]), begin + 2
    return (begin, begin + length) if begin + length <= len(buffer) else None
