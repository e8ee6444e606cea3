"""From a question to the answer: the served model over a real memory store, beside a prompt that holds the text."""

import asyncio
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from statistics import fmean

import torch
from msgspec import Struct
from msgspec.structs import replace
from torch import Tensor, nn

from bench.memory_finding import even
from bench.memory_reading import project, refine_all, serving
from bench.memory_results import NOTHING, OURS, TEXT, TEXT_RAG
from bench.memory_setup import ASKER, PERSONA, Bench
from onebot_bot.chat.reply import spoken
from onebot_bot.engine.answer import Sequence as Running
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.model import LoadedModel
from onebot_bot.engine.request import (
    Conversation,
    Generation,
    GenerationRequest,
    RecallHit,
    RecallPolicy,
    SamplingParams,
    Vector,
)
from onebot_bot.errors import BotError
from onebot_bot.learning.lessons import situated
from onebot_bot.memory.database import Database
from onebot_bot.memory.rows import NewMemory
from onebot_bot.memory.store import MemoryStore
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.worlds.world import Conflict, Context, Fact, Unanswerable, Update, World, contexts, told

LONGEST = 56
"""Tokens of an answer, what is recalled included."""
SHORTER = 32
"""Tokens of an answer without a recall."""
RECALLS = 2
TOGETHER = 12
"""Answers decoded side by side."""
HISTORY, TEXT_BASE = "full history", "text given, bare model"
"""All that was told in the chat, in the prompt; and the text read by the model as it was before any training."""
LONG = (HISTORY, f"{TEXT_RAG}, top 3")
"""What a quick run leaves out."""
UNKNOWN = re.compile(
    r"(do not|don't|can't|cannot|could not|couldn't|not) (remember|know|recall|sure|have)|no (idea|information|memory)"
    r"|nobody told|unknown|never (told|mentioned)|haven't|unsure|not (been )?(mentioned|told|given|provided)",
    re.IGNORECASE,
)
"""What says that one does not know, in the words of either model."""


class Asked(Struct, frozen=True, kw_only=True):
    """A question in a chat, and what is right there."""

    kind: str
    chat: ChatId
    situation: Context
    last: str
    text: str = ""
    """The memory that holds the answer."""
    value: str = ""
    """What the answer must hold; empty: that nobody told."""
    wrong: str = ""
    """What it may not hold."""


class Answer(Struct, frozen=True):
    """What came of it: whether it is right, tokens of memory it took, and whether the model recalled something."""

    right: bool
    tokens: int
    said: str
    recalled: bool = False


class Share(Struct, frozen=True):
    """Share of right answers and mean memory tokens."""

    right: float
    tokens: float


class Place(Struct, frozen=True):
    """The served model and its memories."""

    generator: Generator
    store: MemoryStore
    rows: dict[ChatId, list[tuple[str, Vector]]]
    """What may come up in each chat: texts and raw keys."""
    spread: Vector
    centre: Vector
    history: dict[ChatId, list[str]]


class Prompt(Struct, frozen=True):
    """What the model gets for a question: the situation, what it may recall, and the memory tokens in the text."""

    situation: Conversation
    recall: RecallPolicy | None
    tokens: int


Prompting = Callable[[Place, Asked], Prompt]


def answer_all(bench: Bench, adapter: Path, world: World, values: Tensor, seed: int) -> dict[str, dict[str, Share]]:
    """Right answers and tokens by row and by kind of question; `values` `[n, v, d]` are those of the world's facts."""
    return asyncio.run(_answer_all(bench, adapter, world, values, seed))


async def _answer_all(
    bench: Bench, adapter: Path, world: World, values: Tensor, seed: int
) -> dict[str, dict[str, Share]]:
    model = serving(bench, adapter)
    generator = Generator(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        async with Database(path / "m.sqlite3") as database, MemoryStore(database, path / "m.faiss") as store:
            place = await _furnish(bench, generator, store, world, values, seed)
            questions = questions_of(bench.sizes.asked, world, Random(f"answers {seed}"))
            asked = {name: prompt for name, prompt in _ROWS.items() if name not in LONG or bench.sizes.history}
            rows = {
                name: answers(generator, questions, [of(place, q) for q in questions]) for name, of in asked.items()
            }
            given = [_text(place, question) for question in questions]
    rows[TEXT_BASE] = answers(Generator(bench.load()), questions, given)
    return {name: _shares(questions, found) for name, found in rows.items()}


def _shares(questions: Sequence[Asked], answers: Sequence[Answer]) -> dict[str, Share]:
    kinds = dict.fromkeys(question.kind for question in questions)
    found = {}
    for kind in kinds:
        own = [answer for question, answer in zip(questions, answers, strict=True) if question.kind == kind]
        found[kind] = Share(fmean(answer.right for answer in own), fmean(answer.tokens for answer in own))
    return found


# --- what is asked ---------------------------------------------------------------------------------------------------


def questions_of(sizes: tuple[int, int, int, int], world: World, rng: Random) -> list[Asked]:
    """Test questions about what was told, what changed, what nobody told, and what two groups know differently."""
    told_, updates, gaps, groups = sizes
    special = {id(update.new) for update in world.updates} | {id(conflict.here) for conflict in world.groups}
    plain = [fact for fact in world.facts if id(fact) not in special]
    found = [_told(fact, rng) for fact in rng.sample(plain, told_)]
    found += [_updated(update, rng) for update in world.updates[:updates]]
    found += [_untold(gap, rng) for gap in rng.sample(world.unanswerables, gaps)]
    pairs = [each for conflict in world.groups for each in _both_sides(conflict, rng)]
    return found + pairs[:groups]


def _told(fact: Fact, rng: Random, kind: str = "told", wrong: str = "") -> Asked:
    """As somebody else in the fact's chat asks for it: a line of the group, or alone with the bot."""
    situation = contexts(fact, rng, "test")[2 if fact.chat.kind == "group" else 0]
    return Asked(
        kind=kind,
        chat=fact.chat,
        situation=situation,
        last=situation.turns[-1][1],
        text=fact.text,
        value=fact.value,
        wrong=wrong,
    )


def _updated(update: Update, rng: Random) -> Asked:
    return _told(update.new, rng, "updates", update.old.value)


def _both_sides(conflict: Conflict, rng: Random) -> tuple[Asked, Asked]:
    here, there = conflict.here, conflict.there
    return _told(here, rng, "groups", there.value), _told(there, rng, "groups", here.value)


def _untold(gap: Unanswerable, rng: Random) -> Asked:
    text = rng.choice(gap.tests)
    return Asked(kind="unanswerables", chat=gap.chat, situation=Context("bare", (("user", text),), ASKER), last=text)


# --- the store -------------------------------------------------------------------------------------------------------


async def _furnish(  # noqa: PLR0913, PLR0917 - a whole bot's memory
    bench: Bench, generator: Generator, store: MemoryStore, world: World, values: Tensor, seed: int
) -> Place:
    """Everything told, older versions first and then superseded, what was told elsewhere in its own chat."""
    model = generator.model
    key = model.heads.key
    await store.set_view(model.fingerprint, key.centre.numpy(), key.matrix().numpy())
    elsewhere = [conflict.there for conflict in world.groups]
    asked = elsewhere[: bench.sizes.asked[-1]]
    # What is not asked for, or was replaced and is never found, need not be read exactly.
    rest = [*elsewhere[len(asked) :], *(update.old for update in world.updates)]
    more, texts = [*asked, *rest], [fact.text for fact in asked]
    made = refine_all(bench, model, texts, project(model, texts), seed, asked)[0]
    made = torch.cat([made, project(model, [fact.text for fact in rest])])
    everything = dict(zip(map(id, [*world.facts, *more]), torch.cat([values, made]).numpy(), strict=True))
    raws = generator.embed([fact.text for fact in [*world.facts, *more]])
    keys = dict(zip(map(id, [*world.facts, *more]), raws, strict=True))
    older = {id(update.new): update.old for update in world.updates}
    rows: dict[ChatId, list[tuple[str, Vector]]] = {}
    for fact in sorted([*world.facts, *elsewhere], key=lambda each: each.day):
        before = older.get(id(fact))
        replaced = () if before is None else ((await store.add(_row(before, model, keys, everything))).id,)
        await store.add(_row(fact, model, keys, everything), replaced)
        rows.setdefault(fact.chat, []).append((fact.text, keys[id(fact)]))
    raw = torch.from_numpy(raws)
    return Place(generator, store, rows, even(raw).numpy(), raw.mean(0).numpy(), _history(world, elsewhere))


def _row(fact: Fact, model: LoadedModel, keys: dict[int, Vector], values: dict[int, Vector]) -> NewMemory:
    return NewMemory(
        text=fact.text,
        chat=fact.chat,
        key=keys[id(fact)],
        fingerprint=model.fingerprint,
        value=values[id(fact)],
        maker=model.heads.name,
        speaker=fact.user_id,
        subjects=(fact.user_id,),
    )


def _history(world: World, elsewhere: Sequence[Fact]) -> dict[ChatId, list[str]]:
    """What was said in each chat, oldest first, by whom even where two people talk alone with the bot."""
    found: dict[ChatId, list[str]] = {}
    for fact in sorted([*world.facts, *elsewhere, *(u.old for u in world.updates)], key=lambda each: each.day):
        line = told(fact)
        found.setdefault(fact.chat, []).append(line if line.startswith("[") else f"[{fact.person}] {line}")
    return found


# --- the answers -----------------------------------------------------------------------------------------------------


def _recalling(place: Place, asked: Asked) -> Prompt:
    """The model recalls when it wants to, over the memories of the chat."""
    heads = place.generator.model.heads

    def search(query: Vector) -> RecallHit | None:
        hits = place.store.search(query, asked.chat, 1)
        if not hits or hits[0].value is None:
            return None
        return RecallHit(hits[0].memory_id, hits[0].score, hits[0].text, hits[0].value)

    return Prompt(_situation(asked, []), RecallPolicy(search, heads.floor or 0.0, RECALLS), 0)


def _nothing(place: Place, asked: Asked) -> Prompt:
    return _given(place, asked, [])


def _text(place: Place, asked: Asked) -> Prompt:
    return _given(place, asked, [asked.text] if asked.text else [])


def _everything(place: Place, asked: Asked) -> Prompt:
    return _given(place, asked, place.history.get(asked.chat, []))


def _searching(count: int) -> Prompting:
    def prompt(place: Place, asked: Asked) -> Prompt:
        return _given(place, asked, _nearest(place, asked, count))

    return prompt


def _nearest(place: Place, asked: Asked, count: int) -> list[str]:
    """The memories of the chat nearest to the last turn, by the same embedding."""
    rows = place.rows.get(asked.chat, [])
    if not rows:
        return []
    query = _unit(torch.from_numpy((place.generator.embed([asked.last])[0] - place.centre) / place.spread))
    keys = [_unit(torch.from_numpy((key - place.centre) / place.spread)) for _, key in rows]
    order = sorted(range(len(rows)), key=lambda at: -float(query @ keys[at]))
    return [rows[at][0] for at in order[:count]]


def _unit(vector: Tensor) -> Tensor:
    return nn.functional.normalize(vector, dim=-1)


def _given(place: Place, asked: Asked, texts: Sequence[str]) -> Prompt:
    """The texts stand in the prompt, and nothing is recalled."""
    tokens = len(place.generator.model.renderer.encode_text(_remembered(texts)))
    return Prompt(_situation(asked, texts), None, tokens)


def _remembered(texts: Sequence[str]) -> str:
    return f"You know: {' '.join(texts)}\n" if texts else ""


def _situation(asked: Asked, texts: Sequence[str]) -> Conversation:
    """The texts right before the question: in the system turn, models as small as this one miss them more often."""
    *before, (role, question) = asked.situation.turns
    turns = (*before, (role, _remembered(texts) + question))
    return situated(replace(asked.situation, turns=turns), PERSONA)


def answers(generator: Generator, asked: Sequence[Asked], prompts: Sequence[Prompt]) -> list[Answer]:
    """Greedy, some side by side; each ends as soon as the value of what was told has been said."""
    found: list[Answer] = []
    for at in range(0, len(asked), TOGETHER):
        chosen = slice(at, at + TOGETHER)
        runs = [
            _Run(each, prompt, generator.start(_generation(prompt)))
            for each, prompt in zip(asked[chosen], prompts[chosen], strict=True)
        ]
        while going := [run.sequence for run in runs if run.sequence.outcome is None]:
            generator.step(going)
            for run in runs:
                run.follow()
        found += [run.answer(generator.model.renderer.memory_ids) for run in runs]
    return found


def _generation(prompt: Prompt) -> Generation:
    sampling = SamplingParams(temperature=0, max_new_tokens=LONGEST if prompt.recall else SHORTER)
    return Generation(
        GenerationRequest(conversation=prompt.situation, sampling=sampling, recall=prompt.recall, timeout=600)
    )


class _Run(Struct):
    """One answer under way."""

    asked: Asked
    prompt: Prompt
    sequence: Running
    text: str = ""

    def follow(self) -> None:
        """Take what was written, and end what has said what it should."""
        self.text += self.sequence.take_delta()
        if self.asked.kind == "told" and holds(spoken(self.text), self.asked.value, r"\W"):
            self.sequence.generation.interrupt()

    def answer(self, memory_ids: Sequence[int]) -> Answer:
        """What came of it; raises what went wrong."""
        if isinstance(self.sequence.outcome, BotError):
            raise self.sequence.outcome
        said = spoken(self.text)
        ids = self.sequence.ids[len(self.sequence.rendered.ids) :]
        spent = self.prompt.tokens + memory_positions(ids, memory_ids)
        recalled = any(recall.memory_id is not None for recall in self.sequence.recalls)
        return Answer(is_right(self.asked, said), spent, said, recalled)


def is_right(asked: Asked, said: str) -> bool:
    """Whether what was said answers the question, or says that one does not know where nobody told."""
    if not asked.value:
        return UNKNOWN.search(said) is not None
    return holds(said, asked.value) and not (asked.wrong and holds(said, asked.wrong))


def holds(said: str, value: str, behind: str = r"(?!\w)") -> bool:
    """Whether the value is said, as whole words."""
    return re.search(rf"(?<!\w){re.escape(value)}{behind}", said, re.IGNORECASE) is not None


def memory_positions(ids: Sequence[int], memory_ids: Sequence[int]) -> int:
    """Positions from each `<recall>` to its end."""
    recall, end, _ = memory_ids
    spent, inside = 0, False
    for token in ids:
        inside = inside or token == recall
        spent += inside
        inside = inside and token != end
    return spent


_ROWS: dict[str, Prompting] = {
    NOTHING: _nothing,
    HISTORY: _everything,
    f"{TEXT_RAG}, top 1": _searching(1),
    f"{TEXT_RAG}, top 3": _searching(3),
    TEXT: _text,
    OURS: _recalling,
}
