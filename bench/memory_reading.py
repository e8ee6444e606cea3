"""Reading memories out of their vectors: refined ones, and those that the projector alone made."""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import fmean

import numpy as np
import torch
from msgspec import Struct
from torch import Tensor
from transformers import DynamicCache

from bench.baselines import character_f1
from bench.memory_setup import PERSONA, Bench
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.model import LoadedModel
from onebot_bot.engine.request import Conversation
from onebot_bot.learning.beginnings import OWN, beginnings, own_beginnings
from onebot_bot.learning.lessons import Writer, situated
from onebot_bot.learning.reading import LONGEST, Serving
from onebot_bot.learning.refine import refine
from onebot_bot.worlds.world import Fact, World, context, contexts, join

ROWS = 32
"""Memories read side by side."""
MORE = 8
"""Tokens that are read beyond the longest text: what goes on is wrong."""


class Read(Struct, frozen=True):
    """Share that came back word for word, and mean character F1."""

    exact: float
    f1: float


class Brought(Struct, frozen=True):
    """How far refinement brought the memories."""

    values: list[list[list[float]]]
    """`[n, v, d]` of all facts; those beyond `Sizes.refined` are as projected."""
    exact: list[bool]
    """As the refinement's own check has it."""
    steps: int
    parts: dict[str, Read]
    """After questions that played no part in it, by the parts of `memory_results.Decoded`."""


def serving(bench: Bench, adapter: Path) -> LoadedModel:
    """The model with its adapter merged, ready to have vectors refined for it."""
    model = bench.base(adapter)
    model.network.requires_grad_(requires_grad=False)
    if model.device.type == "cpu":
        model.network.set_attn_implementation("eager")  # its backward pass is the faster one here
    return model


def project(model: LoadedModel, texts: Sequence[str]) -> Tensor:
    """What the projector makes of texts, `[n, v, d]`."""
    generator = Generator(model)
    return torch.from_numpy(generator.project(generator.embed(list(texts))))


def refine_all(  # noqa: PLR0913, PLR0917 - the memories, and what to refine them with
    bench: Bench, model: LoadedModel, texts: Sequence[str], values: Tensor, seed: int, facts: Sequence[Fact] = ()
) -> tuple[Tensor, list[bool], int]:
    """Values refined as the bot does it, after its own beginnings and training questions; which are exact; steps."""
    starts, rng = beginnings(model.renderer, PERSONA), Random(f"own {seed}")
    asked = [[situated(context(fact, rng), PERSONA) for _ in range(OWN)] for fact in facts]
    own = [own_beginnings(model.renderer, each) for each in asked]
    done = refine(Serving(model), starts, texts, values, bench.recipes.refine, seed=seed, own=own)
    return done.values, done.exact, done.steps


def bring(bench: Bench, model: LoadedModel, world: World, seed: int) -> Brought:
    """Refine the facts of a world and read them after test questions, and some longer ones."""
    every = project(model, [fact.text for fact in world.facts])
    facts = world.facts[: bench.sizes.refined]
    texts = [fact.text for fact in facts]
    values, exact, steps = refine_all(bench, model, texts, every[: len(facts)], seed, facts)
    parts = read_parts(bench, model, facts, texts, values, seed) | _longer(bench, model, facts, seed)
    return Brought([*values.tolist(), *every[len(facts) :].tolist()], exact, steps, parts)


def read_parts(  # noqa: PLR0913, PLR0917 - the memories, and what to read them with
    bench: Bench, model: LoadedModel, facts: Sequence[Fact], texts: Sequence[str], values: Tensor, seed: int
) -> dict[str, Read]:
    """How well values are read after unseen questions about their own facts: all, by sort, by length."""
    sizes = [len(model.renderer.encode_text(text)) for text in texts]
    told = _read_own(bench, model, facts, values, max(sizes) + MORE, seed)
    every = range(len(facts))
    chosen = {"all": list(every)}
    for sort in sorted({fact.sort for fact in facts}):
        chosen[f"{sort.removesuffix('s')}s"] = [at for at in every if facts[at].sort == sort]
    chosen["<= 8 tokens"] = [at for at in every if sizes[at] <= 8]
    chosen["9 to 16 tokens"] = [at for at in every if 8 < sizes[at] <= 16]
    chosen["17 to 24 tokens"] = [at for at in every if 16 < sizes[at] <= 24]
    found = {name: _judge(told, texts, places) for name, places in chosen.items() if places}
    for at, name in enumerate(("after the bare question", "in chats")):
        found[name] = _judge([each[at : at + 1] for each in told], texts, every)
    return found


def _judge(told: Sequence[Sequence[str]], texts: Sequence[str], places: Sequence[int]) -> Read:
    pairs = [(reading, texts[at]) for at in places for reading in told[at]]
    return Read(fmean(a == b for a, b in pairs), fmean(character_f1(a, b) for a, b in pairs))


def _read_own(  # noqa: PLR0913, PLR0917 - the memories, and what to read them with
    bench: Bench, model: LoadedModel, facts: Sequence[Fact], values: Tensor, longest: int, seed: int
) -> list[tuple[str, ...]]:
    """Each value read after a bare test question about its fact, and after one as chats have it."""
    rng, writer = Random(f"reading {seed}"), bench.writer(model)
    asked = [contexts(fact, rng, "test") for fact in facts]
    bare = [situated(each[0], PERSONA) for each in asked]
    chats = [situated(rng.choice(each[1:]), PERSONA) for each in asked]
    both = [read_each(Serving(model), _asked(writer, found), values, longest) for found in (bare, chats)]
    return list(zip(*both, strict=True))


def _asked(writer: Writer, situations: Sequence[Conversation]) -> list[list[int]]:
    return [writer.ask(situation, 0).ids for situation in situations]


def _longer(bench: Bench, model: LoadedModel, facts: Sequence[Fact], seed: int) -> dict[str, Read]:
    """Memories of about 32 and 64 tokens, made of several facts."""
    found = {}
    for size in (32, 64) if bench.sizes.joined else ():
        joined = [_joined(model, facts[3 * at :], size) for at in range(bench.sizes.joined)]
        heads = [facts[3 * at] for at in range(bench.sizes.joined)]
        values, _, _ = refine_all(bench, model, joined, project(model, joined), seed)
        told = _read_own(bench, model, heads, values, 2 * size, seed)
        found[f"about {size} tokens"] = _judge(told, joined, range(len(joined)))
    return found


def _joined(model: LoadedModel, facts: Sequence[Fact], size: int) -> str:
    """As many facts as come nearest to so many tokens."""
    texts = [join(facts[:count]) for count in range(1, 13)]
    return min(texts, key=lambda text: abs(len(model.renderer.encode_text(text)) - size))


# --- each after its own beginning --------------------------------------------------------------------------------


@torch.no_grad()
def read_each(reader: Serving, starts: Sequence[Sequence[int]], values: Tensor, longest: int = LONGEST) -> list[str]:
    """What greedy decoding makes of values `[n, v, d]`, each after a beginning of its own that ends with `<recall>`."""
    found: list[str] = []
    for at in range(0, len(starts), ROWS):
        found += _read_rows(reader, starts[at : at + ROWS], values[at : at + ROWS], longest)
    return found


def _read_rows(reader: Serving, starts: Sequence[Sequence[int]], values: Tensor, longest: int) -> list[str]:
    """Padded on the left: positions count from there, and only their differences matter."""
    renderer, device = reader.model.renderer, reader.model.device
    width = max(map(len, starts))
    ids = torch.tensor([[0] * (width - len(row)) + list(row) for row in starts], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in starts], device=device)
    cache = DynamicCache(config=reader.model.network.config.get_text_config())
    reader.states(reader.embed(ids), mask, past_key_values=cache)
    stops = torch.tensor([renderer.memory_ids[1], *renderer.eos], device=device)
    fed, told = values.to(device, reader.model.dtype), []
    open_rows = torch.ones(len(ids), dtype=torch.bool, device=device)
    for _ in range(longest):
        mask = torch.cat([mask, mask.new_ones(len(ids), fed.shape[1])], dim=1)
        token = reader.logits(reader.states(fed, mask, past_key_values=cache)[:, -1]).argmax(-1)
        told.append(torch.where(open_rows, token, stops[0]))
        open_rows &= ~torch.isin(token, stops)
        if not open_rows.any():
            break
        fed = reader.embed(token.unsqueeze(1)).to(reader.model.dtype)
    rows = torch.stack(told, 1).tolist()
    kept = [[token for token in row if token != renderer.memory_ids[1]] for row in rows]
    return [renderer.special.decode(row, skip_special_tokens=True).strip() for row in kept]


def as_values(values: list[list[list[float]]]) -> Tensor:
    """Stored values as a tensor `[n, v, d]`."""
    return torch.from_numpy(np.array(values, dtype=np.float32))
