"""Who the bot can be: a persona file is Markdown, with a head in TOML between two lines of `+++`."""

import datetime as dt
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from onebot_bot.characters.feelings import DEFAULT_EMOTIONS, Feeling
from onebot_bot.characters.templates import Template, compile_template
from onebot_bot.errors import PersonaError
from onebot_bot.texts import Language, language_of

LARGEST_FILE = 65536
"""Bytes of a persona file."""
FENCE = "+++"

Share = Annotated[float, Meta(ge=-1, le=1)]
Name = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^\S(.*\S)?$")]
EmotionName = Annotated[str, Meta(min_length=1, max_length=16, pattern=r"^[^\s\[\]［］【】<>|]+$")]

CHANCE = frozenset({"random", "choice"})
"""What is another each time."""
CHANGING = frozenset({"time", "hour", "mood", *CHANCE})
"""What is another from one answer to the next."""
PERSONAL = frozenset({"user_name", "user_id"})
"""What is another from one answer to the next in a group."""

_BREAK = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_LINE = re.compile("\n")
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


class _Head(Struct, forbid_unknown_fields=True, kw_only=True):
    """The head as it is written."""

    name: Name | None = None
    description: Annotated[str, Meta(max_length=200)] = ""
    names: Annotated[list[Name], Meta(max_length=20)] = []
    birthday: dt.date | None = None
    emotions: Annotated[dict[EmotionName, tuple[Share, Share]], Meta(max_length=40)] | None = None
    greetings: Annotated[list[Annotated[str, Meta(min_length=1, max_length=1000)]], Meta(max_length=20)] = []


class Piece(Struct, frozen=True):
    """A paragraph of a prompt, or a line of one."""

    template: Template
    paragraph: int
    """Pieces of one paragraph are lines of it."""


class Persona(Struct, frozen=True):
    """Who the bot is."""

    id: str
    """The file's name without `.md`; empty for a persona that is no file."""
    name: str
    prompt: tuple[Piece, ...]
    source: str
    """The prompt as it is written; told as it stands where there is none of `prompt`."""
    description: str = ""
    names: tuple[str, ...] = ()
    """What it answers to besides `bot.names`; with it, it goes by these alone."""
    birthday: dt.date | None = None
    emotions: Mapping[str, Feeling] = {}
    """What it may feel, the one it is without reason first; empty: it tells nothing of it."""
    greetings: tuple[Template, ...] = ()

    @property
    def language(self) -> Language:
        """What it is written in, the templates apart."""
        return _language_of_source(self.source)

    @property
    def uses(self) -> frozenset[str]:
        """The variables that its prompt mentions."""
        return frozenset[str]().union(*(piece.template.uses for piece in self.prompt))


@lru_cache(maxsize=64)
def _language_of_source(source: str) -> Language:
    return language_of(_TEMPLATE.sub("", source))


def parse_persona(text: str, where: str, identity: str) -> Persona:
    """The persona of a file's text; `where` names it in errors.

    Raises:
        PersonaError: the head or a template is wrong; the text names the file, the line or the key, and the fix.
    """
    head, body, line = _divided(text.replace("\r\n", "\n"), where)
    found = _read_head(head, where)
    prompt = _pieces(body, where, line)
    greetings = tuple(compile_template(greeting, f"{where}: greetings") for greeting in found.greetings)
    uses = frozenset[str]().union(*(piece.template.uses for piece in prompt), *(made.uses for made in greetings))
    if "age" in uses and found.birthday is None:
        raise PersonaError(f"{where}: {{{{ age }}}} needs a birthday. Write birthday = 2006-05-20 into the head.")
    return Persona(
        id=identity,
        name=found.name or identity,
        prompt=prompt,
        source=body.strip(),
        description=" ".join(found.description.split()),
        names=tuple(found.names),
        birthday=found.birthday,
        emotions=DEFAULT_EMOTIONS if found.emotions is None else _feelings(found.emotions),
        greetings=greetings,
    )


def plain_persona(text: str, where: str) -> Persona:
    """A persona that is nothing but a prompt; raises PersonaError when a template in it is wrong."""
    return Persona(id="", name="", prompt=_pieces(text, where, 1), source=text)


def _feelings(written: Mapping[str, tuple[float, float]]) -> dict[str, Feeling]:
    return {name: Feeling(pleasure, energy) for name, (pleasure, energy) in written.items()}


# --- reading -------------------------------------------------------------------------------------------------------


def _divided(text: str, where: str) -> tuple[str, str, int]:
    """Head, body, and the line at which the body begins; a file without a head is a prompt."""
    lines = text.split("\n")
    if lines[0].rstrip() != FENCE:
        return "", text, 1
    end = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() == FENCE), None)
    if end is None:
        raise PersonaError(f"{where}, line 1: the head has no end. Put a line of {FENCE} between head and prompt.")
    # The line break takes the fence's place, so that TOML counts the lines as the file does.
    return "\n" + "\n".join(lines[1:end]), "\n".join(lines[end + 1 :]), end + 2


def _read_head(text: str, where: str) -> _Head:
    try:
        return msgspec.convert(tomllib.loads(text), _Head)
    except (msgspec.ValidationError, RecursionError) as error:
        keys = ", ".join(_Head.__struct_fields__)
        raise PersonaError(f"{where}: {error}. Known keys of the head: {keys}.") from error
    except ValueError as error:  # also of numbers with thousands of digits
        raise PersonaError(
            f"{where}: the head is not valid TOML: {error}. Mend that line and save again; Chinese names before an = "
            'stand in quotes, as in "开心" = [0.7, 0.2].'
        ) from error


# --- pieces --------------------------------------------------------------------------------------------------------


def _pieces(body: str, where: str, line: int) -> tuple[Piece, ...]:
    """The prompt in pieces that can be put elsewhere one by one: paragraphs; lines, where one of them changes.

    Where a block or a variable of its own spans several, they stay one piece.
    """
    whole = compile_template(body, where, line)
    found: list[Piece] = []
    for number, (paragraph, first) in enumerate(_parts(body, _BREAK, line)):
        made = _compiled(paragraph, where, first)
        if made is None:
            return (Piece(whole, 0),)
        found += [Piece(template, number) for template in _lines(made, paragraph)]
    return tuple(found)


def _lines(made: Template, paragraph: str) -> list[Template]:
    """A paragraph in one piece, or in lines if something in it changes and each line is whole by itself."""
    if not made.uses & (CHANGING | PERSONAL):
        return [made]
    lines = [_compiled(text, made.where, number) for text, number in _parts(paragraph, _LINE, made.line)]
    whole = [line for line in lines if line is not None]
    return whole if len(whole) == len(lines) else [made]


def _compiled(text: str, where: str, line: int) -> Template | None:
    """None when the text is no whole template by itself."""
    try:
        return compile_template(text, where, line)
    except PersonaError:
        return None


def _parts(text: str, divider: re.Pattern[str], line: int) -> Iterator[tuple[str, int]]:
    """What stands between the dividers, unless it is blank, with the line it begins at."""
    at = 0
    for match in [*divider.finditer(text), None]:
        part = text[at : match.start() if match else len(text)]
        if part.strip():
            yield part, line + text.count("\n", 0, at)
        at = match.end() if match else len(text)


def told(pieces: Sequence[tuple[Piece, str]]) -> str:
    """The pieces' texts as they were arranged: lines within a paragraph, blank lines between."""
    paragraphs: dict[int, list[str]] = {}
    for piece, text in pieces:
        if text.strip():
            paragraphs.setdefault(piece.paragraph, []).append(text.strip("\n").rstrip())
    return "\n\n".join("\n".join(lines) for lines in paragraphs.values()).strip()


def later(persona: Persona, changing: frozenset[str]) -> frozenset[int]:
    """Which pieces mention something of `changing`, and so are told last; none where all of them do."""
    found = frozenset(at for at, piece in enumerate(persona.prompt) if piece.template.uses & changing)
    return found if len(found) < len(persona.prompt) else frozenset()
