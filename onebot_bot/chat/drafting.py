"""Drafts of answers: the engine is asked, stopped where it runs in circles, and asked once more where it repeats."""

from collections.abc import Callable

import msgspec
import structlog

from onebot_bot.chat.guarding import planted
from onebot_bot.chat.guards import LoopWatch, Withheld, livelier, same_again, without_speakers
from onebot_bot.chat.reply import spoken
from onebot_bot.chat.services import Services
from onebot_bot.chat.settings import Settings, sampling_of
from onebot_bot.chat.tags import SPELLINGS
from onebot_bot.chat.turn import Draft, Turn
from onebot_bot.engine.request import (
    Conversation,
    FinishReason,
    Generation,
    GenerationRequest,
    GenerationResult,
    RecallPolicy,
    SamplingParams,
    Text,
    Usage,
)
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.sections.memory import MemoryConfig

log = structlog.get_logger(__name__)

NOTHING_WRITTEN = GenerationResult(text="", finish_reason=FinishReason.STOP)


class Drafter:
    """Writes the answers of one chat."""

    def __init__(self, chat: ChatId, services: Services) -> None:
        self._chat = chat
        self._services = services
        self.last_said = ""
        """The last answer that went out whole, since this session began."""

    async def draft(
        self, turn: Turn, conversation: Conversation, settings: Settings, begun: Callable[[], None]
    ) -> Draft:
        """An answer that may go out; `begun` is called whenever the engine was asked.

        Raises:
            BotError: this answer failed; ProfileError, where the profile's model is not to be had.
        """
        if (withheld := self._services.guard.judge_asked(turn.wrote)) is not None:
            return Draft(NOTHING_WRITTEN, "", withheld, attempts=0)
        conversation = planted(conversation, self._services.guard.canary)
        sampling = sampling_of(settings.generation)
        first = await self._write(turn, conversation, settings, sampling, begun)
        if first.withheld is not Withheld.REPEAT or turn.stopped or not self._services.guard.retries:
            return first
        log.info("the model repeated its last answer; it is asked once more")
        again = await self._write(turn, conversation, settings, livelier(sampling), begun)
        return msgspec.structs.replace(again, attempts=2, result=_added(again.result, first.result.usage))

    async def _write(
        self,
        turn: Turn,
        conversation: Conversation,
        settings: Settings,
        sampling: SamplingParams,
        begun: Callable[[], None],
    ) -> Draft:
        request = GenerationRequest(
            conversation=conversation,
            sampling=sampling,
            recall=self._recall_policy(settings.memory),
            timeout=settings.generation.timeout,
            profile=settings.profile,
        )
        turn.generation = self._services.engine.submit(request)
        begun()
        try:
            result, looped = await read(turn.generation, stop_loops=self._services.guard.stops_loops)
        finally:
            turn.generation = None
        if self._services.limits is not None:
            self._services.limits.spent(self._chat, turn.sender, result.usage.new_tokens)
        return self._judged(turn, result, conversation, looped=looped)

    def _judged(self, turn: Turn, result: GenerationResult, conversation: Conversation, *, looped: bool) -> Draft:
        emotion, words = _read(turn, spoken(result.text))
        said = without_speakers(words, self._chat.account)
        if result.finish_reason is FinishReason.INTERRUPTED:
            return Draft(result, said)
        if not said:
            return Draft(result, "", Withheld.LOOP if looped else None)
        withheld = self._services.guard.judge(said, conversation)
        if withheld is None and same_again(said, self.last_said or _read(turn, _last_said(conversation))[1]):
            withheld = Withheld.REPEAT
        return Draft(result, "" if withheld else said, withheld, "" if withheld else emotion)

    def _recall_policy(self, config: MemoryConfig) -> RecallPolicy | None:
        status = self._services.engine.status
        trained = status.trained_recall
        wanted = config.recall in ("on", "always") or (config.recall == "auto" and trained)
        if not wanted or config.max_recalls == 0:
            return None
        search = self._services.recaller.search_in(self._chat, config.temperature)
        return RecallPolicy(search, status.floor(config.floor), config.max_recalls, close=not trained)


async def read(generation: Generation, *, stop_loops: bool = True) -> tuple[GenerationResult, bool]:
    """Wait for an answer; one that runs in circles is stopped and ends with its last whole sentence.

    Returns:
        The answer, and whether it was stopped so.
    """
    watch, begun = LoopWatch(), generation.begun
    async for delta in generation:
        if generation.begun != begun:
            watch, begun = LoopWatch(), generation.begun
        if stop_loops and not generation.interrupted and watch.feed(delta):
            generation.interrupt()
            log.info("the model ran in circles; it is stopped")
            result = await generation.result()
            return msgspec.structs.replace(result, text=watch.kept(), finish_reason=FinishReason.STOP), True
    return await generation.result(), False


def _added(result: GenerationResult, before: Usage) -> GenerationResult:
    """With what the attempt before cost."""
    usage = result.usage
    both = msgspec.structs.replace(
        usage,
        prompt_tokens=usage.prompt_tokens + before.prompt_tokens,
        reused_tokens=usage.reused_tokens + before.reused_tokens,
        new_tokens=usage.new_tokens + before.new_tokens,
        total=usage.total + before.total,
    )
    return msgspec.structs.replace(result, usage=both)


def _read(turn: Turn, said: str) -> tuple[str, str]:
    """The emotion that an answer begins with, and what it says."""
    return turn.part.read(said, SPELLINGS) if turn.part is not None else ("", said)


def _last_said(conversation: Conversation) -> str:
    """The bot's last words in view, for a session that has said nothing yet."""
    last = next((turn for turn in reversed(conversation.turns) if turn.role == "assistant"), None)
    return "".join(part.text for part in last.parts if isinstance(part, Text)) if last is not None else ""
