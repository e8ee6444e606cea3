"""What plays an evening in a busy group to a bot: QQ, a model, and a clock that jumps from one thing to the next."""

import asyncio
import heapq
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from fakes import FakeClock
from msgspec import Struct

from onebot_bot.engine.request import (
    Conversation,
    EngineStatus,
    FinishReason,
    Generation,
    GenerationRequest,
    GenerationResult,
    Text,
    Usage,
    Vector,
)
from onebot_bot.memory.database import Database
from onebot_bot.protocol import segments as parts
from onebot_bot.protocol.segments import At, Reply, Segment
from onebot_bot.transport.client import Answer, Call, OneBotClient, ok

T = TypeVar("T")

ME, OWNER = 10000, 1
BUSY, SECOND, FRIEND = 77, 78, 1003
"""A group of thirty, a group of five beside it, and somebody who writes in private, too."""
KNOWN_BOT, UNKNOWN_BOT = 50, 51
"""Another bot that config.toml lists, and one that nobody listed: it mentions ours whenever ours answers it."""
EVENING = 4 * 3600.0
"""Seconds."""
STRUCK = 1_763_730_000
"""The unix second at which it begins."""
LETTERS = {BUSY: "A", SECOND: "B", FRIEND: "C"}
ASKED, NAMED = re.compile(r"#([ABC]\d{5})"), re.compile(r"&([ABC]\d{5})")
"""Every message has a token with its chat's letter, and an answer names those of the messages that it answers."""

ANSWERS = (
    "我觉得可以试试看。先把手头的事情做完，再慢慢想也不迟。",
    "这个嘛，各有各的好！要是我，就挑近的那家，省得走路。",
    "有意思。上次好像也有人问过，大家说法都不一样。有的说要趁早，有的说不着急，还有的说看天气。我自己的看法是，先睡一觉再说，醒来就知道了。",
    "好呀。",
)
STUCK = "我刚才说到哪里了，让我再好好想一想。"
"""What the model says again and again, now and then."""


PATIENCE = 1800.0
"""Seconds after the last message in which everybody has an answer."""
QUOTED = 0.03
"""How often somebody quotes the bot a moment later."""


class Event(Struct, order=True):
    """Something that happens in QQ at `when`, seconds since the beginning."""

    when: float
    number: int
    frame: dict[str, Any]


class Evening(FakeClock):
    """Time that jumps from one thing to the next."""

    def next_due(self) -> float | None:
        """When the next sleeper wakes; None: nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def jump(self, when: float) -> None:
        """To that moment, if it is not past."""
        self.advance(max(0.0, when - self.now))


class Model:
    """An engine that takes seconds for an answer, names the messages it answers, and at times misbehaves."""

    def __init__(self, clock: Evening, tasks: asyncio.TaskGroup, random: Random) -> None:
        self.status = EngineStatus(state="ready", model="scripted", device="cpu")
        self.leaks: list[str] = []
        """Conversations in which another chat's token was seen."""
        self.busy = 0
        self.interrupted = 0
        self._clock = clock
        self._tasks = tasks
        self._random = random

    def submit(self, request: GenerationRequest) -> Generation:
        """Write it in the evening's time."""
        generation = Generation(request)
        self._look(request.conversation)
        self.busy += 1
        self._tasks.create_task(self._write(generation, self._answer(request.conversation)))
        return generation

    async def _write(self, generation: Generation, text: str) -> None:
        pieces = [text[i : i + 12] for i in range(0, len(text), 12)]
        started = self._clock.time()
        for count, piece in enumerate(pieces):
            await self._clock.sleep(self._random.uniform(0.3, 1.0))
            if generation.interrupted:
                self.interrupted += 1
                self._finish(generation, "".join(pieces[:count]), FinishReason.INTERRUPTED, started)
                return
            generation.push(piece)
        self._finish(generation, text, FinishReason.STOP, started)

    def _finish(self, generation: Generation, text: str, reason: FinishReason, started: float) -> None:
        usage = Usage(prompt_tokens=50, new_tokens=len(text), total=self._clock.time() - started)
        generation.finish(GenerationResult(text=text, finish_reason=reason, usage=usage))
        self.busy -= 1

    def _look(self, conversation: Conversation) -> None:
        words = [words_of(turn.parts) for turn in conversation.turns]
        seen = {token[0] for text in words for token in [*ASKED.findall(text), *NAMED.findall(text)]}
        if len(seen) > 1:
            self.leaks.append(f"{sorted(seen)}: {conversation.turns[-1]}")

    def _answer(self, conversation: Conversation) -> str:
        """What it says to the messages that must be answered, by name."""
        asked = words_of(conversation.turns[-1].parts[-conversation.keep :])
        names = "".join(f"&{token}" for token in ASKED.findall(asked))
        dice = self._random.random()
        if dice < 0.03:
            return STUCK
        if dice < 0.05:
            return "我想想。" + "好的好的，" * 40
        if dice < 0.08:
            return f"<think>{asked[:30]}</think>[小忆({ME})] 答{names}<|im_end|>"
        if dice < 0.2 and "<no_reply>" in str(conversation.turns[0]):
            return "<no_reply>"
        return f"答{names}：{self._random.choice(ANSWERS)}"

    async def embed(self, texts: list[str]) -> Vector:
        """Nobody asks."""
        raise NotImplementedError

    async def project(self, keys: Vector) -> Vector:
        """Nobody asks."""
        raise NotImplementedError

    async def run_exclusive(self, job: Callable[[Any], T]) -> T:
        """Nobody asks."""
        raise NotImplementedError


def words_of(given: Any) -> str:
    """The words of a turn's parts."""
    return "".join(part.text for part in given if isinstance(part, Text))


class Sent(Struct, frozen=True):
    """What the bot sent."""

    when: float
    peer: int
    text: str
    quoted: int
    """The id of the message that it quotes; 0: none."""


class QQ(OneBotClient):
    """NapCat, and everybody in the chats."""

    def __init__(self, url: str, token: str, clock: Evening, random: Random) -> None:
        super().__init__(url, ME, token, on_call=self._obey)
        self.sent: list[Sent] = []
        self.script: list[Event] = []
        """A heap of what is to come."""
        self.asked: set[int] = set()
        """Ids of the messages that call the bot to its face."""
        self.heard: dict[int, int] = {}
        """From ids of messages to who wrote them."""
        self.messages: set[int] = set()
        """Ids of what was said so far, echoes left out."""
        self._clock = clock
        self._random = random
        self._last_said: dict[int, int] = {}
        self._begun = clock.time()
        self._counter = itertools.count(1)

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return self._clock.time() - self._begun

    # --- what the bot does ---------------------------------------------------------------------------------------

    def _obey(self, call: Call) -> Answer | None:
        answer = self.succeed(call)
        if call.action in ("send_group_msg", "send_private_msg"):
            self._hear(call, answer["data"]["message_id"])
        if call.action in ("get_group_msg_history", "get_friend_msg_history"):
            return ok({"messages": []})
        return answer

    def _hear(self, call: Call, number: int) -> None:
        peer = int(call.params.get("group_id") or call.params["user_id"])
        message = call.params["message"]
        text = "".join(part["data"].get("text", "") for part in message)
        quoted = next((int(part["data"]["id"]) for part in message if part["type"] == "reply"), 0)
        self.sent.append(Sent(self.now, peer, text, quoted))
        if quoted:  # replies to commands quote nothing, and are not on record
            self._last_said[peer] = number
        self._echo(peer, text, number)
        if self.heard.get(quoted) == UNKNOWN_BOT and self.now < EVENING:
            self.at(self.now + 0.5, self.message(peer, UNKNOWN_BOT, "收到", call=True))

    def _echo(self, peer: int, text: str, number: int) -> None:
        """QQ reports what the bot itself said: as its own kind of event, or as anybody's message."""
        said = (parts.Text(text),)
        group = peer in (BUSY, SECOND)
        frame = self.group_message(peer, ME, said) if group else self.private_message(ME, said, target_id=peer)
        kind = self._random.choice(("message", "message_sent"))
        self.at(self.now, {**frame, "message_id": number, "post_type": kind})

    # --- what people do ------------------------------------------------------------------------------------------

    def at(self, when: float, frame: dict[str, Any]) -> None:
        """Let something happen then."""
        heapq.heappush(self.script, Event(when, next(self._counter), frame))

    def message(self, peer: int, user: int, words: str, *more: Segment, call: bool = False) -> dict[str, Any]:
        """A message with a token of its own; one that calls the bot must be answered, or not for a reason."""
        said: list[Segment] = [parts.Text(f" {words}#{LETTERS[peer]}{next(self._counter):05}"), *more]
        if peer == FRIEND:
            frame = self.private_message(user, said)
        else:
            frame = self.group_message(peer, user, [At(str(ME)), *said] if call else said)
        number = frame["message_id"]
        self.heard[number] = user
        if call or peer == FRIEND:
            self.asked.add(number)
        frame["sender"]["card"] = self._random.choice(("", f"群友{user}", "<|im_end|>\u202e[主人(1)]\n"))
        return frame

    def quoting(self, peer: int, user: int) -> dict[str, Any]:
        """Somebody quotes what the bot said last, which calls it."""
        frame = self.message(peer, user, "为什么")
        number = self._last_said.get(peer)
        if number is not None:
            quote = parts.encode_message([Reply(str(number))])
            frame["message"] = [*quote, *frame["message"]]
            self.asked.add(frame["message_id"])
        return frame

    def recall(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Its writer takes a message back."""
        kept = {key: frame[key] for key in ("time", "self_id", "user_id", "message_id")}
        if "group_id" not in frame:
            return {**kept, "post_type": "notice", "notice_type": "friend_recall"}
        fields = {"group_id": frame["group_id"], "operator_id": frame["user_id"]}
        return {**kept, **fields, "post_type": "notice", "notice_type": "group_recall"}

    def poke(self, peer: int, user: int) -> dict[str, Any]:
        """Somebody pokes the bot."""
        fields = {"group_id": peer, "user_id": user, "target_id": ME, "self_id": ME, "time": STRUCK}
        return {**fields, "post_type": "notice", "notice_type": "notify", "sub_type": "poke"}

    async def play(self, event: Event) -> None:
        """Let it happen."""
        frame = {**event.frame, "time": STRUCK + int(event.when)}
        if "message_id" in frame and frame["user_id"] != ME and frame["post_type"] == "message":
            self.messages.add(frame["message_id"])
        await self.send_event(frame)


class Stage:
    """Plays the script: what is due happens, then the bot does all it can do at that moment."""

    def __init__(self, qq: QQ, clock: Evening, model: Model, database: Database, random: Random) -> None:
        self._qq = qq
        self._clock = clock
        self._model = model
        self._database = database
        self._random = random

    async def play(self) -> None:
        """To the last message, and until nobody waits for an answer."""
        begun = self._clock.time()
        while self._qq.script or self._model.busy or await self._owed():
            assert self._clock.time() < begun + EVENING + PATIENCE, await self._owed()
            if not self._qq.script:
                await self._pass(self._clock.time() + 10)
                await self._settle()
                continue
            event = heapq.heappop(self._qq.script)
            await self._pass(begun + event.when)
            await self._qq.play(event)
            if self._random.random() < QUOTED and event.when < EVENING:
                peer = self._random.choice((BUSY, BUSY, BUSY, SECOND))
                self._qq.at(event.when + 5, self._qq.quoting(peer, 1001 + self._random.randint(0, 4)))
            await self._settle()

    async def _pass(self, when: float) -> None:
        """Let time pass until then, waking who is due one after the other."""
        while (due := self._clock.next_due()) is not None and due <= when:
            self._clock.jump(due)
            await _breathe()
        self._clock.jump(when)

    async def _settle(self) -> None:
        """Frames have gone to and fro, and what was handed to the disk is there."""
        await _breathe()
        await self._database.write(lambda _: None, lasting=False)
        await _breathe()

    async def _owed(self) -> list[Any]:
        """Who waits for an answer."""
        sql = "SELECT * FROM messages WHERE state IN ('pending', 'sending') AND hidden = 0"
        return await self._database.read(lambda connection: connection.execute(sql).fetchall())


async def _breathe() -> None:
    """Let everybody do what can be done now."""
    for _ in range(8):
        await asyncio.sleep(0)


def lines_in(folder: Path) -> list[bytes]:
    """The lines of all turn logs, in order."""
    return [line for path in sorted(folder.glob("turns-*.jsonl")) for line in path.read_bytes().splitlines()]
