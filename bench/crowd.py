"""Many NapCats in one process, whose people all write at once; for bench/load.py."""

import itertools
import selectors
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import NamedTuple, Self

from bench.napcat import Said, Wire, WrongAnswerError, message, number_in

ACCOUNTS = 20
CHATS = 200
"""Groups; account n has every twentieth, from the n-th on."""
FIRST_ACCOUNT, FIRST_GROUP, FIRST_PERSON = 3889000000, 700000000, 2000000000
SILENCE = 30.0
"""Seconds without an answer after which none is expected any more."""
LOADING = 120.0
"""The same for the very first, which waits for a model to be loaded."""
BETWEEN_HANDSHAKES = 0.1


class Heard(NamedTuple):
    """An answer."""

    when: float
    """By perf_counter."""
    group: int


class Burst(NamedTuple):
    """What came of a burst."""

    asked: int
    begun: float
    """By perf_counter, as all times here."""
    answers: Sequence[Heard]
    handshakes: Sequence[float]
    """Seconds that handshakes of further accounts took meanwhile."""

    @property
    def ended(self) -> float:
        """When the last answer was heard."""
        return max(heard.when for heard in self.answers)


class Crowd:
    """Connected accounts. A context manager: leaving closes their connections."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stack = ExitStack()
        self._wires: list[Wire] = []
        self._selector = selectors.DefaultSelector()
        self._asked = 0
        self._strangers = itertools.count(FIRST_ACCOUNT + ACCOUNTS)

    def __enter__(self) -> Self:
        self._stack.enter_context(self._selector)
        for number in range(ACCOUNTS):
            wire = self._stack.enter_context(Wire(self._port, FIRST_ACCOUNT + number))
            self._selector.register(wire.socket, selectors.EVENT_READ, wire)
            self._wires.append(wire)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def warm_up(self) -> None:
        """One message and its answer: the server is there, and its model loaded."""
        self._wires[0].send(self._next(0))
        if len(self._collect(1, LOADING, checked=False)) != 1:
            raise WrongAnswerError(f"no answer to the first message in {LOADING:g} s")

    def burst(self, count: int, *, checked: bool) -> Burst:
        """So many messages, in turn to every group, each by somebody else who mentions the bot.

        Args:
            count: how many.
            checked: whether every answer repeats its message, as the echo does.
        """
        frames = [b""] * ACCOUNTS
        for number in range(count):
            frames[number % CHATS % ACCOUNTS] += self._next(number % CHATS)
        ended, handshakes = threading.Event(), [self._shake_hands()]
        # Threads: who only sends while nobody reads may wait for ever.
        sending = threading.Thread(target=self._send, args=(frames,))
        knocking = threading.Thread(target=self._knock, args=(ended, handshakes))
        begun = time.perf_counter()
        sending.start()
        knocking.start()
        answers = self._collect(count, SILENCE, checked=checked)
        ended.set()
        sending.join()
        knocking.join()
        return Burst(count, begun, answers, handshakes)

    def _next(self, chat: int) -> bytes:
        self._asked += 1
        account = FIRST_ACCOUNT + chat % ACCOUNTS
        return message(self._asked, FIRST_GROUP + chat, FIRST_PERSON + self._asked, account)

    def _send(self, frames: Sequence[bytes]) -> None:
        for wire, data in zip(self._wires, frames, strict=True):
            wire.send(data)

    def _collect(self, count: int, patience: float, *, checked: bool) -> list[Heard]:
        """Answers, confirmed, until there are so many or none comes any more."""
        answers: list[Heard] = []
        numbers: set[int] = set()
        while len(answers) < count and (ready := self._selector.select(patience)):
            for key, _ in ready:
                wire: Wire = key.data
                said = wire.receive()
                wire.send(b"".join([one.confirmation for one in said]))
                answers += [Heard(wire.heard, one.group) for one in said]
                if checked:
                    _check(said, numbers)
        return answers

    def _knock(self, ended: threading.Event, handshakes: list[float]) -> None:
        while not ended.wait(BETWEEN_HANDSHAKES):
            handshakes.append(self._shake_hands())

    def _shake_hands(self) -> float:
        stranger, begun = next(self._strangers), time.perf_counter()
        with Wire(self._port, stranger):
            return time.perf_counter() - begun


def _check(said: Sequence[Said], numbers: set[int]) -> None:
    """Every answer repeats a message that was not answered before; raises WrongAnswerError."""
    for one in said:
        number = number_in(one.text)
        if not number or number in numbers:
            raise WrongAnswerError(one.text)
        numbers.add(number)
