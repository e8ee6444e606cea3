"""From memories and the situations that call for them to token sequences with their labels. No torch."""

from collections.abc import Sequence
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from onebot_bot.engine.render import THINK, THOUGHT_CLOSED, Renderer
from onebot_bot.engine.request import VECTORS, Conversation, Text, Turn
from onebot_bot.extraction.prompts import Prompts
from onebot_bot.texts import Language, language_of, say
from onebot_bot.worlds.names import names, number_of
from onebot_bot.worlds.world import ACCOUNT, Context, Said

CALLED = f"小忆、Memo、{ACCOUNT}"
"""The bot's names in made-up groups."""
NOTHING = -1
"""As a target: no memory is near enough."""
UNASKED = -2
"""As a target: this sample asks for none."""
THOUGHT = 0.5
"""Share of the readings inside thinking, for a model that thinks when it is asked to: chats may have it either way."""
PERSONAS = (
    "You are Xiaoyi, a warm and witty friend chatting on QQ. Answer briefly and naturally.",
    "You are a helpful assistant.",
    "You are a grumpy old sailor. Keep it short.",
    "你是小忆，一个温暖又风趣的QQ好友。回答简短自然。",
)


class Lesson(Struct, frozen=True, kw_only=True):
    """A memory to be learned."""

    id: int
    text: str
    contexts: tuple[Conversation, ...]
    """Situations that call for it; the last turn is a person's."""
    lang: Language


class Talk(Struct, frozen=True, kw_only=True):
    """Ordinary chat: a situation that calls for no memory, and what the base model itself replied."""

    context: Conversation
    reply: str = ""
    whole: bool = True
    """Whether the reply ends where the model ended it; False: it was cut off."""


class Sample(Struct, frozen=True, kw_only=True):
    """One token sequence to learn from; every position counts from its start."""

    ids: list[int]
    labels: list[bool]
    """Whether a token is to be predicted."""
    recall: int = -1
    """Where `<recall>` stands; -1: nowhere."""
    memory: int = NOTHING
    """The lesson whose vectors stand behind `<recall>`; NOTHING: the pads' own."""
    target: int = UNASKED
    """The lesson that `<recall>` asks for."""
    decides: int = -1
    """The position whose next token begins the answer: `<recall>`, or anything but; -1: this sample leaves it open."""
    recalls: bool = False
    """What is right there."""
    keep: int = 0
    """The last so many positions are to predict what the base model predicts there."""


class Writer:
    """Writes samples for one tokenizer."""

    def __init__(self, renderer: Renderer, prompts: Prompts, longest: int, vectors: int = VECTORS) -> None:
        self._renderer = renderer
        self._prompts = prompts
        self.longest = longest
        """Tokens of a sample; older turns are cut."""
        self._vectors = vectors
        self._recall, self._end, self._pad = renderer.memory_ids
        self._eos = _turn_end(renderer)
        self.thought = _share_of_thought(renderer)
        """Share of the readings that are to be inside thinking."""

    def ask(self, context: Conversation, target: int) -> Sample:
        """A situation and `<recall>`."""
        ids = [*self._prompt(context), self._recall]
        at = len(ids) - 1
        # Where nothing is near enough, a question about what nobody told is as good a reason to ask as any.
        decides = at - 1 if target != NOTHING else -1
        return Sample(ids=ids, labels=[False] * len(ids), recall=at, target=target, decides=decides, recalls=True)

    def ask_with(self, text: str, target: int) -> Sample:
        """The memory's own text and `<recall>`: the classic pair."""
        ids = [*self._renderer.encode_text(text), self._recall]
        return Sample(ids=ids, labels=[False] * len(ids), recall=len(ids) - 1, target=target)

    def chat(self, talk: Talk, *, kept: bool = True) -> Sample:
        """Ordinary chat: the place where the answer begins, and the reply.

        With `kept` the model is to stay with the base's own predictions there, else to learn the reply as a text.
        """
        prompt = self._prompt(talk.context)
        reply = self._renderer.encode_text(talk.reply)
        if reply and talk.whole:
            reply = [*reply, self._eos]
        labels = [False] * len(prompt) + [True] * len(reply)
        keep = len(reply) + 1 if kept else 0
        return Sample(ids=[*prompt, *reply], labels=labels, keep=keep, decides=len(prompt) - 1)

    def read(  # noqa: PLR0913 - one reading's whole form
        self, lesson: Lesson, index: int, rng: Random, *, answer: bool, phrased: bool, thinking: bool = False
    ) -> Sample:
        """A situation, the memory's vectors, its text, and, for a sandwich, the answer.

        With `thinking` all but the answer is inside it, between an activation and a closing phrase.
        """
        before = self._lead(rng.choice(lesson.contexts), lesson.lang, rng, phrased=phrased, thinking=thinking)
        text = self._renderer.encode_text(lesson.text)
        closing = self._closing(lesson.lang, rng) if thinking else []
        rest = [*self._answering(thinking=thinking), *text, self._eos] if answer else []
        return self._reading(before, index, [*text, self._end, *closing, *rest], target=index)

    def read_nothing(self, context: Conversation, lang: Language, rng: Random, *, thinking: bool = False) -> Sample:
        """Nothing comes to mind: the recall is closed, and the answer says so."""
        before = self._lead(context, lang, rng, phrased=False, thinking=thinking)
        answer = [*self._answering(thinking=thinking), *self._renderer.encode_text(say(lang, "learn.unknown"))]
        return self._reading(before, NOTHING, [self._end, *answer, self._eos], target=NOTHING)

    def _reading(self, before: list[int], memory: int, told: list[int], *, target: int) -> Sample:
        pads = [self._pad] * (self._vectors if memory != NOTHING else 1)
        ids = [*before, self._recall, *pads, *told]
        labels = [False] * len(before) + [True] + [False] * len(pads) + [True] * len(told)
        return Sample(ids=ids, labels=labels, recall=len(before), memory=memory, target=target)

    def _lead(self, context: Conversation, lang: Language, rng: Random, *, phrased: bool, thinking: bool) -> list[int]:
        """What stands before `<recall>`; a thought always leads up to it."""
        prompt = self._thinking_prompt(context) if thinking else self._prompt(context)
        phrase = f"{rng.choice(self._prompts.activation.of(lang))} " if phrased or thinking else ""
        return [*prompt, *self._renderer.encode_text(phrase)]

    def _thinking_prompt(self, context: Conversation) -> list[int]:
        """Ids up to the beginning of a thought, which some templates write and others leave to the model."""
        rendered, _ = self._renderer.fit_conversation(replace(context, thinking=True), self.longest)
        return rendered.ids if rendered.thinks else [*rendered.ids, *self._renderer.encode_control(f"{THINK}\n")]

    def _closing(self, lang: Language, rng: Random) -> list[int]:
        return self._renderer.encode_text(f" {rng.choice(self._prompts.closing.of(lang))}")

    def _answering(self, *, thinking: bool) -> list[int]:
        """What ends the thinking before an answer."""
        return self._renderer.encode_control(THOUGHT_CLOSED) if thinking else []

    def _prompt(self, context: Conversation) -> list[int]:
        return self._renderer.fit_conversation(context, self.longest)[0].ids


def _turn_end(renderer: Renderer) -> int:
    """What ends an answer: ChatML's token where the vocabulary has it, as the template writes it."""
    own = renderer.encode_control("<|im_end|>")
    return own[0] if len(own) == 1 and own[0] in renderer.eos else min(renderer.eos)


def _share_of_thought(renderer: Renderer) -> float:
    """All where the template opens every answer with a thought, `THOUGHT` where it can, none where it knows no such."""
    asked, unasked = (
        renderer.render_conversation(replace(conversation([("user", "?")]), thinking=wish)) for wish in (True, False)
    )
    if unasked.thinks:
        return 1.0
    # Who may think and is not to is given an empty thought.
    known = asked.thinks or THINK in renderer.special.decode(unasked.ids, skip_special_tokens=False)
    return THOUGHT if known else 0.0


def conversation(turns: Sequence[tuple[str, str]], persona: str = "") -> Conversation:
    """A conversation of plain turns (role, text)."""
    said = [Turn("assistant" if role == "assistant" else "user", (Text(text),)) for role, text in turns]
    head = [Turn("system", (Text(persona),))] if persona else []
    return Conversation((*head, *said))


def situated(found: Context, persona: str = "") -> Conversation:
    """A made-up situation as the chat tells it: under the persona stands who else is there."""
    lang = language_of(persona or found.turns[-1][1])
    where = say(lang, "see.private", name=found.partner) if found.partner else say(lang, "see.group", names=CALLED)
    return conversation(found.turns, f"{persona}\n{where}".strip())


def seated(turns: Sequence[tuple[str, str]], lang: Language, seed: int, *, group: bool = False) -> Context:
    """Somebody made up says it, alone with the bot or in a group; the same one for the same seed."""
    asker = names(Random(seed), 1, lang)[0]  # noqa: S311 - no secret
    said: list[Said] = [("assistant" if role == "assistant" else "user", text) for role, text in turns]
    if not group:
        return Context("bare", tuple(said), asker)
    *before, (role, text) = said
    return Context("group", (*before, (role, f"[{asker}({number_of(asker)})] {text}")))


def some_persona(rng: Random) -> str:
    """A persona as a bot may have: half of the time the shipped one, now and then none."""
    return rng.choice((PERSONAS[0], PERSONAS[0], *PERSONAS[1:], ""))
