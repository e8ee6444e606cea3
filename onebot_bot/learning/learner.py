"""The model while it learns: a frozen base, LoRA in its upper half, the memory tokens' rows, and the heads."""

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from msgspec import Struct
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor, nn

from onebot_bot.engine.adapter import HEADS, WEIGHTS, Heads, dump_heads, load_heads, read_tensors, untrained_heads
from onebot_bot.engine.generate import key_inputs
from onebot_bot.engine.model import LoadedModel, text_body
from onebot_bot.engine.recall import POOLED, first_trained, inject, raw_keys
from onebot_bot.errors import ModelError
from onebot_bot.learning.lessons import NOTHING, UNASKED, Sample
from onebot_bot.learning.recipes import Stage1, Stage2

NULL_COSINE = 0.4
"""Cosine of the class "nothing comes to mind", beside those of the keys: the floor, before it is calibrated."""
SAME = 0.9999
"""Cosine of evened-out raw keys from which two memories say the same: one text in two batches of bfloat16 differs by
3e-5 on the trial model, two phone numbers with another last digit by 1e-3."""


class Bank(Struct, frozen=True):
    """Every memory that may be asked for: raw keys `[N, D]`, refined values `[N, v, d]`, and which have one `[N]`."""

    raw: Tensor
    values: Tensor
    refined: Tensor


class Totals(NamedTuple):
    """What the losses of a whole step are divided by, so that its parts may be of any size and kind."""

    asked: float
    """Samples that ask, memory or none."""
    found: float
    """Those that ask for a memory."""
    read: float
    """Tokens to be predicted."""
    kept: float
    """Positions to stay with the base model at."""
    decided: float
    """Samples that say how the answer begins."""


class Batch(Struct, frozen=True):
    """Samples side by side, padded on the right: ids, mask and labels `[B, T]`, the rest `[B]`."""

    ids: Tensor
    mask: Tensor
    labels: Tensor
    recall: Tensor
    memory: Tensor
    target: Tensor
    keep: Tensor
    decides: Tensor
    recalls: Tensor
    totals: Totals


def parts_of(samples: Sequence[Sample], size: int, device: torch.device) -> list[Batch]:
    """The samples of one step in parts of `size`, like lengths together: half of a mixed batch would be padding."""
    order = sorted(samples, key=lambda sample: len(sample.ids))
    totals = _totals(samples)
    return [collate(order[start : start + size], device, totals) for start in range(0, len(order), size)]


def _totals(samples: Sequence[Sample]) -> Totals:
    asked = sum(sample.target != UNASKED for sample in samples)
    found = sum(sample.target >= 0 for sample in samples)
    read = sum(sum(sample.labels) for sample in samples if not sample.keep)
    kept = sum(sample.keep for sample in samples)
    decided = sum(sample.decides >= 0 for sample in samples)
    return Totals(*(float(max(1, count)) for count in (asked, found, read, kept, decided)))


def collate(samples: Sequence[Sample], device: torch.device, totals: Totals | None = None) -> Batch:
    """Pad samples to the longest; `totals` are those of the step that they are a part of."""
    width = max(len(sample.ids) for sample in samples)

    def padded(rows: Sequence[Sequence[int]]) -> Tensor:
        return torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], device=device)

    def each(values: Sequence[int]) -> Tensor:
        return torch.tensor(values, device=device)

    return Batch(
        padded([sample.ids for sample in samples]),
        padded([[1] * len(sample.ids) for sample in samples]),
        padded([[int(label) for label in sample.labels] for sample in samples]).bool(),
        each([sample.recall for sample in samples]),
        each([sample.memory for sample in samples]),
        each([sample.target for sample in samples]),
        each([sample.keep for sample in samples]),
        each([sample.decides for sample in samples]),
        each([int(sample.recalls) for sample in samples]).bool(),
        totals or _totals(samples),
    )


class Learner(nn.Module):
    """A loaded model without adapter, made trainable.

    Its weights stay as they are, but it is this learner's from now on: LoRA lies inside its layers.
    """

    def __init__(self, model: LoadedModel, recipe: Stage1 | Stage2, modules: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        model.network.requires_grad_(requires_grad=False)
        self.network = get_peft_model(model.network, _lora(model, recipe, modules))
        self._body = text_body(model.network)
        if model.device.type == "cpu":
            # The plain kernel's backward pass is several times faster than the fused one's on a CPU.
            model.network.set_attn_implementation("eager")
        self.heads: Heads = untrained_heads(model.network, model.heads.key.centre.shape[0])
        self.parts = nn.ModuleDict(self.heads.modules())
        self.memory_ids = list(model.renderer.memory_ids)
        weight, out = model.embeddings.weight, model.network.get_output_embeddings().weight
        self.rows = nn.Parameter(weight[self.memory_ids].detach().float().clone())
        self.own_rows = self.rows if out is weight else nn.Parameter(out[self.memory_ids].detach().float().clone())
        self._autocast = model.dtype != torch.float32
        self.eval()

    # --- forward -------------------------------------------------------------------------------------------------

    def embed(self, ids: Tensor) -> Tensor:
        """Token embeddings `[B, T, d]`, the memory tokens' from the rows that learn."""
        found: Tensor = self.model.embeddings(ids)
        for row, token in zip(self.rows, self.memory_ids, strict=True):
            found = torch.where((ids == token).unsqueeze(-1), row.to(found), found)
        return found

    def states(self, embeddings: Tensor, mask: Tensor, **more: Any) -> Tensor:
        """Last hidden states `[B, T, d]`."""
        with torch.autocast(embeddings.device.type, self.model.dtype, enabled=self._autocast):
            out = self._body(inputs_embeds=embeddings, attention_mask=mask, use_cache="past_key_values" in more, **more)
        hidden: Tensor = out.last_hidden_state
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """`[n, d]` to next-token logits `[n, V]` float32, the memory tokens' from the rows that learn."""
        head = self.model.network.get_output_embeddings()
        found: Tensor = head(hidden.to(head.weight.dtype)).float()
        own = hidden.float() @ self.own_rows.T
        return found.index_copy(1, torch.tensor(self.memory_ids, device=found.device), own)

    def run(self, batch: Batch, bank: Bank, refined: float = 0.0) -> Tensor:
        """Last hidden states `[B, T, d]` with each sample's memory behind its `<recall>`.

        `refined` is the share of memories whose refined value, if there is one, replaces the projector's.
        """
        embeddings = self.embed(batch.ids)
        rows = (batch.memory != NOTHING).nonzero().flatten()
        if len(rows):
            values = self.values(bank, batch.memory[rows], refined)
            count = values.shape[1]
            at = batch.recall[rows].unsqueeze(1) + 1 + torch.arange(count, device=rows.device)
            embeddings = inject(embeddings, rows.repeat_interleave(count), at.flatten(), values.flatten(0, 1))
        return self.states(embeddings, batch.mask)

    def values(self, bank: Bank, which: Tensor, refined: float = 0.0) -> Tensor:
        """What is injected for memories `which` `[n]`: `[n, v, d]`."""
        projected: Tensor = self.heads.projector(bank.raw[which])
        use = bank.refined[which] & (torch.rand(len(which), device=which.device) < refined)
        return torch.where(use.view(-1, 1, 1), bank.values[which], projected)

    @torch.no_grad()
    def embed_texts(self, texts: list[str]) -> Tensor:
        """Raw keys `[n, D]` of texts: of the layers that no adapter changes."""
        found = []
        for start in range(0, len(texts), 32):
            ids, mask = key_inputs(self.model.renderer, texts[start : start + 32], self.model.device)
            out = self._body(
                inputs_embeds=self.model.embeddings(ids),
                attention_mask=mask,
                use_cache=False,
                output_hidden_states=True,
            )
            found.append(raw_keys(out.hidden_states, mask))
        return torch.cat(found)

    @torch.no_grad()
    def calibrate(self, raw: Tensor) -> None:
        """Centre the heads on raw keys `[n, D]` of many texts, and weigh the depths that make them up alike.

        Once, before any training. A single text has no spread: then nothing is centred.
        """
        width = raw.shape[1]
        blocks = len(POOLED) if width == len(POOLED) * self.rows.shape[1] else 1
        centre = raw.mean(0) if len(raw) > 1 else torch.zeros_like(raw[0])
        norms = [block.norm(dim=-1).mean().clamp_min(1e-6) for block in (raw - centre).chunk(blocks, dim=1)]
        spread = torch.cat([norm.repeat(width // blocks) for norm in norms]) * math.sqrt(blocks)
        for head in (self.heads.key, self.heads.projector):
            head.centre.copy_(centre)
            head.spread.copy_(spread)
        # Seeded: a night that is killed before its first checkpoint begins again with the same heads.
        nn.init.orthogonal_(self.heads.key.linear.weight, generator=torch.Generator(raw.device).manual_seed(0))
        self.heads.projector.skip.weight.mul_(math.sqrt(blocks))

    # --- losses --------------------------------------------------------------------------------------------------

    def asking_loss(self, hidden: Tensor, batch: Batch, bank: Bank, recipe: Stage1) -> tuple[Tensor, Tensor]:
        """Stage 1's loss over the samples that ask, and the share that found their memory first."""
        rows = (batch.target != UNASKED).nonzero().flatten()
        if not len(rows):
            return hidden.sum() * 0, hidden.new_zeros(())
        query = self.heads.query(hidden[rows, batch.recall[rows]])
        target, keys = batch.target[rows], self.heads.key(bank.raw)
        if recipe.loss == "mse":
            loss, hits = mse_loss(query, keys, target)
        else:
            loss, hits = infonce_loss(query, keys, target, recipe, self._same(bank, target))
        return loss / batch.totals.asked, hits / batch.totals.found

    @torch.no_grad()
    def _same(self, bank: Bank, target: Tensor) -> Tensor:
        """Which memories say what each target `[n]` says, without being it: `[n, N]`."""
        even = nn.functional.normalize((bank.raw - self.heads.key.centre) / self.heads.key.spread, dim=-1)
        same = even[target] @ even.T > SAME
        same[target < 0] = False
        itself = (target >= 0).nonzero().flatten()
        same[itself, target[itself]] = False
        return same

    def deciding_loss(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Binary cross-entropy of beginning the answer with `<recall>`, where a sample says what is right."""
        rows = (batch.decides >= 0).nonzero().flatten()
        if not len(rows):
            return hidden.sum() * 0
        logits = self.logits(hidden[rows, batch.decides[rows]])
        recall = logits[:, self.memory_ids[0]]
        others = logits.index_fill(1, torch.tensor(self.memory_ids[:1], device=logits.device), -math.inf)
        odds = recall - others.logsumexp(1)
        wanted = batch.recalls[rows].float()
        loss = nn.functional.binary_cross_entropy_with_logits(odds, wanted, reduction="sum")
        return loss / batch.totals.decided

    def reading_loss(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy on the labelled tokens that are not kept at the base's own prediction."""
        labels = batch.labels & (batch.keep == 0).unsqueeze(1)
        rows, at = labels[:, 1:].nonzero(as_tuple=True)
        if not len(rows):
            return hidden.sum() * 0
        wanted = batch.ids[rows, at + 1]
        return nn.functional.cross_entropy(self.logits(hidden[rows, at]), wanted, reduction="sum") / batch.totals.read

    def keeping_loss(self, hidden: Tensor, batch: Batch) -> Tensor:
        """KL divergence from the base model's next tokens (nats), over the kept positions."""
        ends = batch.mask.sum(1)
        place = torch.arange(batch.ids.shape[1], device=ends.device)
        kept = (place >= (ends - batch.keep).unsqueeze(1)) & (place < ends.unsqueeze(1)) & (batch.keep > 0).unsqueeze(1)
        rows = kept.any(1).nonzero().flatten()
        if not len(rows):
            return hidden.sum() * 0
        with torch.no_grad(), self.base():
            base = self.states(self.embed(batch.ids[rows]), batch.mask[rows])
            wanted = self.logits(base[kept[rows]])
            wanted[:, self.memory_ids] = -math.inf
        mine = nn.functional.log_softmax(self.logits(hidden[kept]), dim=-1)
        return nn.functional.kl_div(mine, wanted.softmax(-1), reduction="sum") / batch.totals.kept

    @contextmanager
    def base(self) -> Iterator[None]:
        """The model as it was before any training, but for the memory tokens' rows."""
        learning = [(p, p.requires_grad) for n, p in self.network.named_parameters() if "lora_" in n]
        try:
            with self.network.disable_adapter():
                yield
        finally:
            # peft lets every LoRA weight learn when it comes back, the ones this stage leaves alone too.
            for parameter, learns in learning:
                parameter.requires_grad = learns

    # --- on the disk ---------------------------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write peft's files and the heads."""
        folder.mkdir(parents=True, exist_ok=True)
        config = copy.copy(self.network.peft_config["default"])
        config.base_model_name_or_path = None  # a path of this machine; meta.json names the base by its fingerprint
        config.save_pretrained(str(folder))
        lora = get_peft_model_state_dict(self.network, save_embedding_layers=False)
        half = {name: value.detach().to("cpu", torch.bfloat16).contiguous() for name, value in lora.items()}
        save_file(half, folder / WEIGHTS)
        save_file(dump_heads(self.heads, self.rows, self.own_rows), folder / HEADS)

    @torch.no_grad()
    def load(self, folder: Path) -> None:
        """Go on from what `save` wrote.

        Raises:
            ModelError: a file is missing or damaged, or of another model or rank.
        """
        lora, tensors = read_tensors(folder / WEIGHTS), read_tensors(folder / HEADS)
        try:
            found: Any = set_peft_model_state_dict(self.network, lora)
            load_heads(self.heads, tensors)
            self.rows.copy_(tensors["rows.input"].float())
            if self.own_rows is not self.rows:
                self.own_rows.copy_(tensors["rows.output"].float())
        except (RuntimeError, KeyError) as error:
            raise ModelError(
                f"{folder}: the adapter does not fit this model or recipe: {error}", code="OB-1205"
            ) from error
        strange = [*found.unexpected_keys, *(name for name in found.missing_keys if "lora_" in name)]
        if strange:
            raise ModelError(
                f"{folder}: the adapter has LoRA on other layers than the recipe: {strange[0]}", code="OB-1205"
            )


def _lora(model: LoadedModel, recipe: Stage1 | Stage2, modules: Sequence[str]) -> LoraConfig:
    layers = len(text_body(model.network).layers)
    return LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        target_modules=list(modules),
        layers_to_transform=list(range(first_trained(layers), layers)),
        layers_pattern="layers",
        exclude_modules=r".*visual.*" if hasattr(model.network.model, "visual") else None,
    )


def infonce_loss(
    query: Tensor, keys: Tensor, target: Tensor, recipe: Stage1, same: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """InfoNCE of unit queries `[n, d]` against unit keys `[N, d]` and the null class, which lies at a fixed cosine.

    `same` `[n, N]`: memories that say what the target says; they are neither right nor wrong.

    Returns:
        The sum of the losses, and how many found their memory first.
    """
    cosines = query @ keys.T
    if same is not None:
        cosines = cosines.masked_fill(same, -math.inf)
    null = torch.full_like(cosines[:, :1], NULL_COSINE)
    classes = torch.where(target == NOTHING, keys.shape[0], target)
    loss = nn.functional.cross_entropy(torch.cat([cosines, null], 1) / recipe.temperature, classes, reduction="sum")
    found = target != NOTHING
    right = cosines[found, target[found]]
    hits = (cosines[found].argmax(1) == target[found]).float().sum() if found.any() else loss.new_zeros(())
    return loss + recipe.pull * (1 - right).sum(), hits


def mse_loss(query: Tensor, keys: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The classic loss: squared difference of query and key, of those that have one; returns as `infonce_loss`."""
    found = target != NOTHING
    query, target = query[found], target[found]
    hits = ((query @ keys.T).argmax(1) == target).float().sum() if len(query) else query.new_zeros(())
    return nn.functional.mse_loss(query, keys[target], reduction="sum"), hits
