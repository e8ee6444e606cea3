"""Whether the chats rest: what comes meanwhile is received and answered when the rest is over."""

import asyncio
from types import TracebackType

from onebot_bot.protocol.chat_id import ChatId

ONE_REST = 600.0
"""Seconds between two rests that count as one: a night that goes on after its process was killed."""


class Rest:
    """The rest of all chats; the sessions ask it, the router begins and ends it."""

    def __init__(self) -> None:
        self.resting = False
        self._began: float | None = None
        """Unix seconds of the latest rest; None: there was none."""
        self._ended = 0.0
        """Unix seconds; means nothing while it lasts."""
        self._writing = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._excused: set[ChatId] = set()

    def begin(self, now: float) -> None:
        """From now on no answer is begun."""
        if self._began is None or now - self._ended > ONE_REST:
            self._began = now
        self.resting = True
        self._excused.clear()

    def end(self, now: float) -> None:
        """Answers are begun again."""
        self.resting, self._ended = False, now

    def remember(self, began: float, now: float) -> None:
        """Nobody was answered since `began`, as far as a process knew that has ended; that ends now, with the start."""
        self._began = began if self._began is None else min(began, self._began)
        self._ended = now

    def oldest(self, now: float, within: float) -> int:
        """Unix second from which messages are still answered: what came during a rest counts as of its end."""
        end = now if self.resting else self._ended
        if self._began is not None and now - end <= within:
            return int(min(now - within, self._began))
        return int(now - within)

    def excuse(self, chat: ChatId) -> bool:
        """Whether this chat is yet to be told of the rest; once told, no more."""
        fresh = self.resting and chat not in self._excused
        self._excused.add(chat)
        return fresh

    def __enter__(self) -> None:
        """An answer is being written, as long as the `with` block runs: a rest waits for it."""
        self._writing += 1
        self._quiet.clear()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writing -= 1
        if not self._writing:
            self._quiet.set()

    async def quiet(self) -> None:
        """Return once no answer is being written."""
        await self._quiet.wait()
