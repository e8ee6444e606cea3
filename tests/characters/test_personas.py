"""Persona files: head, prompt, what is told last, and what is wrong with them."""

import datetime as dt

import pytest

from onebot_bot.characters.feelings import DEFAULT_EMOTIONS, Feeling
from onebot_bot.characters.persona import CHANGING, PERSONAL, Persona, later, parse_persona
from onebot_bot.errors import PersonaError

WHOLE = """+++
name = "阿澈"
description = "话少"
names = ["阿澈", "澈"]
birthday = 2001-05-20
greetings = ["嗯。"]
[emotions]
"平静" = [0.0, 0.0]
"开心" = [0.7, 0.4]
+++
你是阿澈，{{ age }} 岁。

现在 {{ time }}。
"""


def parsed(text: str) -> Persona:
    """A file's persona."""
    return parse_persona(text, "a.md", "a")


def lines(persona: Persona, changing: frozenset[str]) -> list[int]:
    """The lines of the file at which what is told last begins."""
    return [persona.prompt[at].template.line for at in sorted(later(persona, changing))]


def test_a_file_is_read_whole() -> None:
    """Head and prompt."""
    made = parsed(WHOLE)
    assert (made.id, made.name, made.description, made.names) == ("a", "阿澈", "话少", ("阿澈", "澈"))
    assert made.birthday == dt.date(2001, 5, 20)
    assert made.emotions == {"平静": Feeling(0, 0), "开心": Feeling(0.7, 0.4)}
    assert len(made.greetings) == 1
    assert made.source == "你是阿澈，{{ age }} 岁。\n\n现在 {{ time }}。"


def test_a_file_without_a_head_is_a_prompt() -> None:
    """Named after itself, with the emotions that everybody has; so is one saved by Windows."""
    made = parsed("你是猫。\r\n\r\n喵。")
    assert (made.name, made.source, made.emotions) == ("a", "你是猫。\n\n喵。", DEFAULT_EMOTIONS)
    assert parsed("+++\r\n[emotions]\r\n+++\r\nx").emotions == {}


def test_what_changes_is_told_last() -> None:
    """A paragraph without it stays whole; of one with it, only the lines that have it go."""
    made = parsed("你是猫。\n喵。\n\n爱吃鱼。\n现在 {{ time }}。\n在 {{ group_name }}。\n\n{{ user_name }} 是朋友。")
    assert lines(made, CHANGING) == [5]
    assert lines(made, CHANGING | PERSONAL) == [5, 8]


def test_what_belongs_together_is_not_torn_apart() -> None:
    """Blocks and variables of its own keep their paragraph, or the whole prompt, in one piece."""
    assert lines(parsed("猫。\n\n{% if hour < 5 %}\n困。\n{% endif %}\n"), CHANGING) == [3]
    assert len(parsed("{% set x = hour %}\n\n{{ x }}").prompt) == 1
    assert len(parsed("{% if hour %}\n\n困。\n\n{% endif %}").prompt) == 1


def test_a_prompt_that_changes_altogether_stays_where_it_is() -> None:
    """Without it nobody would say who the bot is."""
    assert lines(parsed("你是猫，现在 {{ time }}。"), CHANGING) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("+++\nname = 'a'\n", "a.md, line 1: the head has no end"),
        ("+++\nname = !\n+++\n", "a.md: the head is not valid TOML: Invalid value (at line 2, column 8)"),
        ("+++\n[emotions]\n开心 = [1, 1]\n+++\n", "stand in quotes"),
        ("+++\nnmae = 'a'\n+++\n", "unknown field `nmae`. Known keys of the head: name, description"),
        ("+++\n[emotions]\n'a' = [2, 0]\n+++\n", "<= 1.0"),
        ("+++\n[emotions]\n'[a]' = [0, 0]\n+++\n", "emotions"),
        ("+++\nnames = ['']\n+++\n", "names"),
        ("+++\nname = 'a'\n+++\nx\n\n{{ tiem }}", "a.md, line 6: there is no variable `tiem`. Did you mean `time`?"),
        ("+++\ngreetings = ['{{ x }}']\n+++\n", "a.md: greetings, line 1: there is no variable `x`"),
        ("{{ age }}", "Write birthday = "),
        ("+++\na = " + "[" * 9999 + "\n+++\n", "a.md"),
    ],
)
def test_what_is_wrong_is_told_with_its_fix(text: str, told: str) -> None:
    """By file, line or key."""
    with pytest.raises(PersonaError) as error:
        parsed(text)
    assert told in str(error.value)
