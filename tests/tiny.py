"""A tiny random model, with the start of the trial model's vocabulary, and something to teach it: all in seconds."""

import functools
import json
import shutil
from pathlib import Path
from random import Random

import torch
import transformers

from onebot_bot.engine.model import LoadedModel, load_model
from onebot_bot.extraction.prompts import load_prompts
from onebot_bot.learning.course import Class, Night
from onebot_bot.learning.learner import Bank, Learner
from onebot_bot.learning.lessons import Lesson, Talk, Writer, conversation
from onebot_bot.learning.prime import write_meta
from onebot_bot.learning.recipes import Recipes, Refinement, Stage1, Stage2
from onebot_bot.learning.school import empty_bank
from onebot_bot.sections.model import ModelConfig

TRAINING = Path(__file__).parents[1] / "training"
PROMPTS = TRAINING / "prompts.toml"
HIDDEN = 64
VOCABULARY = 8192
"""Of the trial model's tokens the first: with all of them, most of what a tiny model computes would be logits."""
ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
TEXTS = ("Ann has a cat.", "Bob has a dog.", "Kim lives in Rome.", "Lee likes tea.", "Joe is a cook.", "Eva plays go.")

ASK = Stage1(
    rank=4, alpha=8, epochs=1, least_steps=6, batch=6, micro=4, lr=5e-3,
    modules=("q_proj", "v_proj"), pairs="contexts", loss="infonce",
)  # fmt: skip
READ = Stage2(rank=4, alpha=8, epochs=1, least_steps=6, batch=6, micro=4, lr=5e-3, modules=ALL)
RECIPES = Recipes(ask=ASK, read=READ, refine=Refinement(steps=60, lr=0.05, batch=4))


def make_tiny(folder: Path, trial: Path, *, tied: bool = True, layers: int = 4) -> Path:
    """Write a random Llama with the start of the trial model's tokenizer to `folder`."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=HIDDEN, intermediate_size=128,
        num_hidden_layers=layers, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=2048, tie_word_embeddings=tied, initializer_range=0.1,
        bos_token_id=1, eos_token_id=2, pad_token_id=2,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    for name in ("tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(trial / name, folder / name)
    (folder / "tokenizer.json").write_text(_shortened(trial / "tokenizer.json"), encoding="utf-8")
    return folder


@functools.cache
def _shortened(tokenizer: Path) -> str:
    """A byte-level BPE, whose ids are in the order of its merges, with its first tokens."""
    document = json.loads(tokenizer.read_bytes())
    model = document["model"]
    without_merges = len(model["vocab"]) - len(model["merges"])
    model["vocab"] = {token: number for token, number in model["vocab"].items() if number < VOCABULARY}
    model["merges"] = model["merges"][: VOCABULARY - without_merges]
    return json.dumps(document)


def load_tiny(folder: Path, adapter: Path | None = None) -> LoadedModel:
    """The model by the real loading path, exact."""
    return load_model(folder, ModelConfig(dtype="float32", device="cpu", threads=1), adapter)


def learner_of(model: LoadedModel, *, moved: bool = True) -> Learner:
    """A learner; `moved`: with LoRA, rows and heads as if it had learned something already."""
    learner = Learner(model, READ, READ.modules)
    if moved:
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, value in learner.named_parameters():
                if "lora_" in name or name.startswith(("rows", "own_rows", "parts.")):
                    value.add_(0.05 * torch.randn(value.shape, generator=generator))
    return learner


def make_adapter(folder: Path, model: Path) -> Path:
    """Write an adapter for the tiny model of `model`, as if learned, to `folder`: named made, its floor at 0.41."""
    learner = learner_of(load_tiny(model))
    learner.calibrate(learner.embed_texts(list(TEXTS)))
    learner.save(folder)
    write_meta(folder, learner.model.fingerprint, 0.41, RECIPES, name="made")
    return folder


def writer_of(model: LoadedModel) -> Writer:
    """Samples with the shipped phrases."""
    return Writer(model.renderer, load_prompts(PROMPTS), longest=256)


def lessons() -> list[Lesson]:
    """One a text, each with two situations that call for it."""
    return [
        Lesson(
            id=number,
            text=text,
            lang="en",
            contexts=tuple(conversation([("user", f"{text.split()[0]}, {ask}?")]) for ask in ("what is it", "do tell")),
        )
        for number, text in enumerate(TEXTS)
    ]


def talks() -> list[Talk]:
    """Ordinary chat, replied to."""
    words = (("Good morning!", "Hello there."), ("What a day.", "Indeed it is."), ("Sing.", "La la la."))
    return [Talk(context=conversation([("user", said)]), reply=reply) for said, reply in words]


def bank_of(learner: Learner) -> Bank:
    """The bank of `TEXTS`."""
    return empty_bank(learner.embed_texts(list(TEXTS)))


def night_of(learner: Learner) -> Night:
    """All lessons at once, and questions that nothing answers."""
    strange = [conversation([("user", f"Who is {name}?")]) for name in ("Zed", "Yan")]
    return Night(Class(lessons(), bank_of(learner), strange), talks())


def rng() -> Random:
    """The same draws every time."""
    return Random(5)  # noqa: S311 - data, not secrets
