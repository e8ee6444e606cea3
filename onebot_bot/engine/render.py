"""From a conversation to token ids, and from token ids back to text.

One renderer serves the chat and both training stages, so they cannot drift apart. Words of people are encoded by a
twin of the tokenizer that knows no special tokens at all: `<|im_end|>` or `<recall>` typed by a person stays text.
"""

import functools
import io
import itertools
import re
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
import tokenizers
from msgspec import Struct
from PIL import Image
from tokenizers.decoders import DecodeStream

from onebot_bot.engine.request import (
    MEMORY_TOKENS,
    RECALL,
    RECALL_END,
    Control,
    Conversation,
    Part,
    Picture,
    Text,
    Turn,
)
from onebot_bot.errors import ModelError, RequestError

# Private-use characters: the chat template is rendered with these in place of every part, so what a person wrote is
# never parsed as template output.
_MARK = re.compile("\ue000(\\d+)\ue001")
THINK = "<think>"
THINK_END = "</think>"
THOUGHT_CLOSED = f"\n{THINK_END}\n\n"
"""As chat templates write the end of a thought."""


class Rendered(Struct, frozen=True):
    """A prompt as the model takes it.

    `ids` and `mask` are `[T]`; the mask is True on tokens the assistant wrote, its end-of-turn included. `images`
    holds what the image processor made of each picture, in order (`pixel_values`, `image_grid_thw`).
    """

    ids: list[int]
    mask: list[bool]
    images: list[dict[str, Any]]
    thinks: bool
    """Whether the prompt ends inside an open `<think>`, so that the answer begins with thinking."""


class ImageProcessor(Protocol):
    """transformers' image processor, as far as it is used here."""

    merge_size: int

    def __call__(self, images: list[Image.Image], return_tensors: str) -> Any:
        """`pixel_values` `[patches, d]` and `image_grid_thw` `[n, 3]`."""


class Renderer:
    """Renders conversations for one tokenizer and, when the model sees, one image processor."""

    def __init__(self, tokenizer: Any, images: ImageProcessor | None = None, image_token: int | None = None) -> None:
        self._tokenizer = tokenizer
        self.special: tokenizers.Tokenizer = tokenizer.backend_tokenizer
        self._plain = _without_added_tokens(self.special)
        self._images = images
        self.image_token = image_token
        """Id of the placeholder that the template puts where a picture goes."""
        self.eos = _end_tokens(tokenizer)
        self.memory_ids: tuple[int, ...] = tuple(self.special.token_to_id(token) for token in MEMORY_TOKENS)
        # The same picture is rendered again for every turn it stays in view.
        self.see = functools.lru_cache(maxsize=16)(self._see)

    @property
    def sees(self) -> bool:
        """Whether pictures reach the model."""
        return self._images is not None

    def encode_text(self, text: str) -> list[int]:
        """Ids of a person's words: never a special token."""
        return list(self._plain.encode(text, add_special_tokens=False).ids)

    def encode_control(self, text: str) -> list[int]:
        """Ids of our own text, special tokens honoured."""
        return list(self.special.encode(text, add_special_tokens=False).ids)

    def render_conversation(self, conversation: Conversation, *, answering: bool = True) -> Rendered:
        """Ids and mask of a conversation; `answering` appends the template's start of the assistant's turn.

        To a model without eyes a picture is its words.

        Raises:
            RequestError: the template refuses these turns, or a picture cannot be decoded.
        """
        conversation = self._as_seen(conversation)
        words: list[tuple[Text | Control, bool]] = []
        messages = [self._message(turn, words) for turn in conversation.turns]
        pieces = _MARK.split(self._apply_template(messages, conversation, answering=answering))
        out = _Ids(self, self._pictures(conversation))
        for index, piece in enumerate(pieces):
            if index % 2 == 0:
                out.add_template(piece)
            else:
                part, written = words[int(piece)]
                out.add_words(part, written=written)
        for opening in conversation.opening:
            out.add_words(opening, written=True)
        tail = pieces[-1].rstrip() if not conversation.opening else ""
        return Rendered(out.ids, out.mask, out.images, tail.endswith(THINK))

    def fit_conversation(self, conversation: Conversation, budget: int) -> tuple[Rendered, int]:
        """Render with as many of the latest parts as `budget` tokens hold.

        System turns stay, and so do the last `conversation.keep` parts.

        Returns:
            The rendering and how many parts were dropped.

        Raises:
            RequestError: what must stay does not fit.
        """
        conversation = self._as_seen(conversation)
        rendered = self.render_conversation(_joined(conversation, conversation.turns))
        if len(rendered.ids) <= budget:
            return rendered, 0
        head = [turn for turn in conversation.turns if turn.role == "system"]
        rest = [turn for turn in conversation.turns if turn.role != "system"]
        total = _count_parts(rest)
        low, high = 1, total - conversation.keep  # the least number dropped that fits lies in [low, high]
        best: tuple[Rendered, int] | None = None
        while low <= high:
            dropped = (low + high) // 2
            kept = _from_user(_without_first(rest, dropped))
            rendered = self.render_conversation(_joined(conversation, [*head, *kept]))
            if len(rendered.ids) <= budget:
                best, high = (rendered, total - _count_parts(kept)), dropped - 1
            else:
                low = dropped + 1
        if best is None:
            raise RequestError(
                f"the prompt is {len(rendered.ids)} tokens and {budget} fit: shorten the message or the persona, "
                "or raise model.max_context"
            )
        return best

    def _see(self, picture: Picture) -> tuple[dict[str, Any], int]:
        """The processed picture and the number of tokens it takes.

        Raises:
            RequestError: the bytes are no picture.
        """
        assert self._images is not None  # noqa: S101 - without eyes pictures are words before anything looks at them
        try:
            with Image.open(io.BytesIO(picture.data)) as image:
                processed = self._images(images=[image.convert("RGB")], return_tensors="pt")
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise RequestError(f"a picture could not be read: {error}") from error
        count = int(processed["image_grid_thw"][0].prod()) // self._images.merge_size**2
        return dict(processed), count

    def _as_seen(self, conversation: Conversation) -> Conversation:
        """The same with as many parts, all of which this model takes."""
        if self.sees:
            return conversation
        turns = tuple(Turn(turn.role, tuple(map(_in_words, turn.parts))) for turn in conversation.turns)
        return msgspec.structs.replace(conversation, turns=turns)

    def _pictures(self, conversation: Conversation) -> list[tuple[dict[str, Any], int]]:
        parts = (part for turn in conversation.turns for part in turn.parts)
        return [self.see(part) for part in parts if isinstance(part, Picture)]

    def _message(self, turn: Turn, words: list[tuple[Text | Control, bool]]) -> dict[str, Any]:
        """The turn as the template takes it, its words replaced by marks; the words go into `words`."""
        content: list[dict[str, str]] = []
        for part in turn.parts:
            if isinstance(part, Picture):
                content.append({"type": "image"})
                continue
            content.append({"type": "text", "text": f"\ue000{len(words)}\ue001"})
            words.append((part, turn.role == "assistant"))
        if any(item["type"] == "image" for item in content):
            return {"role": turn.role, "content": content}
        # Plain strings are what every template understands.
        return {"role": turn.role, "content": "".join(item["text"] for item in content)}

    def _apply_template(self, messages: list[dict[str, Any]], conversation: Conversation, *, answering: bool) -> str:
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    messages,
                    tokenize=False,
                    add_generation_prompt=answering,
                    enable_thinking=conversation.thinking,
                )
            )
        except Exception as error:
            raise RequestError(f"the model's chat template refuses this conversation: {error}") from error


class _Ids:
    """Ids and mask of one rendering, as they grow."""

    def __init__(self, renderer: Renderer, pictures: list[tuple[dict[str, Any], int]]) -> None:
        self.ids: list[int] = []
        self.mask: list[bool] = []
        self.images = [processed for processed, _ in pictures]
        self._counts = iter([count for _, count in pictures])
        self._renderer = renderer
        self._written = False

    def add_template(self, text: str) -> None:
        """The template's own text; right after what the assistant wrote, its end-of-turn counts as written too."""
        ids = self._renderer.encode_control(text)
        if self._written and ids and ids[0] in self._renderer.eos:
            self._add(ids[:1], written=True)
            ids = ids[1:]
        for token in ids:
            repeats = next(self._counts) if token == self._renderer.image_token else 1
            self._add([token] * repeats, written=False)
        self._written = False

    def add_words(self, part: Part, *, written: bool) -> None:
        """Words of a person (never special) or of our own."""
        if isinstance(part, Control):
            self._add(self._renderer.encode_control(part.text), written=written)
        elif isinstance(part, Text):
            self._add(self._renderer.encode_text(part.text), written=written)
        self._written = written

    def _add(self, ids: Sequence[int], *, written: bool) -> None:
        self.ids += ids
        self.mask += [written] * len(ids)


class TextStream:
    """Token ids in, whole characters out.

    Special tokens are dropped, except those of a recall: `split_reply` needs to see where it begins and ends.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._tokenizer = renderer.special
        self._shown = dict(zip(renderer.memory_ids[:2], (RECALL, RECALL_END), strict=True))
        self._stream = DecodeStream(skip_special_tokens=True)

    def feed(self, token: int) -> str:
        """The text that became whole with this token, often empty inside a multi-byte character."""
        if token in self._shown:
            self._stream = DecodeStream(skip_special_tokens=True)
            return self._shown[token]
        return self._stream.step(self._tokenizer, token) or ""


def _in_words(part: Part) -> Part:
    return Text(part.words) if isinstance(part, Picture) else part


def _from_user(turns: Sequence[Turn]) -> Sequence[Turn]:
    """Templates want a person's turn first; answers whose question was dropped go too."""
    start = next((index for index, turn in enumerate(turns) if turn.role == "user"), len(turns) - 1)
    return turns[start:]


def _count_parts(turns: Sequence[Turn]) -> int:
    return sum(len(turn.parts) for turn in turns)


def _without_first(turns: Sequence[Turn], count: int) -> Sequence[Turn]:
    """The turns without their first `count` parts; a turn cut in two does not begin with the line break between."""
    for index, turn in enumerate(turns):
        if count < len(turn.parts):
            first, *others = turn.parts[count:]
            if count and isinstance(first, Text):
                first = Text(first.text.removeprefix("\n"))
            return [Turn(turn.role, (first, *others)), *turns[index + 1 :]]
        count -= len(turn.parts)
    return []


def _joined(conversation: Conversation, turns: Sequence[Turn]) -> Conversation:
    """The conversation of these turns, neighbouring words made one part: tokens cross from one line to the next."""
    return msgspec.structs.replace(conversation, turns=tuple(Turn(turn.role, _join(turn.parts)) for turn in turns))


def _join(parts: Sequence[Part]) -> tuple[Part, ...]:
    joined: list[Part] = []
    for kind, group in itertools.groupby(parts, type):
        run = list(group)
        joined += [Text("".join(part.text for part in run if isinstance(part, Text)))] if kind is Text else run
    return tuple(joined)


def _without_added_tokens(tokenizer: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """Of the same vocabulary, which both share."""
    plain = tokenizers.Tokenizer(tokenizer.model)
    for part in ("normalizer", "pre_tokenizer"):
        if (found := getattr(tokenizer, part)) is not None:
            setattr(plain, part, found)
    return plain


def _end_tokens(tokenizer: Any) -> frozenset[int]:
    """Ids that end a turn: the tokenizer's own and ChatML's, where the vocabulary has it."""
    ends = {tokenizer.eos_token_id, tokenizer.backend_tokenizer.token_to_id("<|im_end|>")}
    found = frozenset(end for end in ends if isinstance(end, int))
    if not found:
        raise ModelError("the tokenizer names no end-of-turn token (eos_token in tokenizer_config.json)")
    return found
