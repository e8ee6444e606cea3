"""When the model recalls and when it should not, and what is left after several nights."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec
from msgspec import Struct
from torch import Tensor

from bench.memory_nights import teach
from bench.memory_reading import Read, read_parts, refine_all, serving
from bench.memory_setup import PERSONA, POOL, Bench, bench_world
from onebot_bot.learning.judge import ask_all, chat_loss
from onebot_bot.learning.learner import Learner
from onebot_bot.learning.lessons import Talk, conversation, situated
from onebot_bot.worlds.world import Fact, ordinary

DAILY = 8
"""Facts that each day after the first adds."""
FILES = ("film_dev.json", "music_dev.json")
CHATS = 16
"""Conversations of each of the files."""


class Losses(Struct, frozen=True):
    """Nats a token on the base model's own replies, and on Chinese text where it is there."""

    replies: float
    text: float | None = None


class Night(Struct, frozen=True):
    """What is left after so many."""

    losses: Losses
    exact: float


class Calls(Struct, frozen=True):
    """How many of the questions and of the ordinary turns were answered with `<recall>` first."""

    asked: int
    recalled: int
    ordinary: int
    false: int


def measure_losses(bench: Bench, adapter: Path | None, talks: Sequence[Talk], text: Sequence[Talk]) -> Losses:
    """The losses of the model with an adapter, or of the bare one."""
    learner = bench.learner(adapter)
    writer = bench.writer(learner.model)
    return Losses(chat_loss(learner, talks, writer), chat_loss(learner, text, writer) if text else None)


def load_text(folder: Path | None) -> list[Talk]:
    """KdConv's conversations as talks, none where the data is not present; `folder` as for MADial-zh."""
    found: list[Talk] = []
    for path in (folder / "kdconv-zh" / name for name in FILES) if folder else ():
        if path.is_file():
            chats = msgspec.json.decode(path.read_bytes(), type=list[_Chat])[:CHATS]
            found += [_talk([message.message for message in chat.messages[:6]]) for chat in chats]
    return found


class _Message(Struct):
    message: str


class _Chat(Struct):
    messages: list[_Message]


def _talk(said: Sequence[str]) -> Talk:
    turns = [("assistant" if at % 2 else "user", text) for at, text in enumerate(said[:-1])]
    return Talk(context=conversation(turns), reply=said[-1])


def measure_calls(bench: Bench, learner: Learner, asks: float, asked: int, seed: int) -> Calls:
    """Ordinary turns never trained with, beside the share `asks` of `asked` questions that began with a recall."""
    turns = ordinary(Random(f"ordinary {seed}"), bench.sizes.ordinary, "en", "test", POOL)
    situations = [situated(turn, PERSONA) for turn in turns]
    found = ask_all(learner, situations, bench.writer(learner.model)).asks
    return Calls(asked, round(asks * asked), len(found), sum(found))


def live_on(  # noqa: PLR0913, PLR0917 - a bot's later days
    bench: Bench, folder: Path, nights: int, talks: Sequence[Talk], values: Tensor, seed: int
) -> tuple[Path, float]:
    """The night after `nights` days, over the first day's facts and all told since; its adapter, and what is exact.

    Every night starts from the primed adapter and learns everything anew, so the nights between leave nothing behind
    and are not trained. Values that are no longer read exactly are refined again, as the bot does it.
    """
    first = bench_world(seed, 0, bench.sizes.facts)
    later = bench_world(seed, 4, DAILY * (max(bench.sizes.nights) - 1))
    facts: list[Fact] = [*first.facts, *later.facts[: DAILY * (nights - 1)]]
    adapter = teach(bench, facts, first, talks, folder, seed)
    return adapter, exact_after(bench, adapter, first.facts, values, seed).exact


def exact_after(bench: Bench, adapter: Path, facts: Sequence[Fact], values: Tensor, seed: int) -> Read:
    """How the values of an earlier night are read under this one's adapter, once they were checked and refined."""
    model = serving(bench, adapter)
    texts = [fact.text for fact in facts]
    again, _, _ = refine_all(bench, model, texts, values, seed, facts)
    return read_parts(bench, model, facts, texts, again, seed)["all"]
