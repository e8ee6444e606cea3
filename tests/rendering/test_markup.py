"""Markdown to Typst: every structure, and that nothing anybody writes is read as code."""

import pytest
import typst
from hypothesis import given, settings
from hypothesis import strategies as st

from onebot_bot.rendering.markup import typst_body
from onebot_bot.rendering.source import breakable, literal, words

PAGES_OWN = """#let framed(body) = body
#let emoji(body) = body
#let fitted(body) = body
#let narrow(size, body) = body
#let todo(..items) = items.pos().map(((done, body)) => body).join()
"""
MARKS = st.text(alphabet=st.sampled_from("#$*_`~|-+>[](){}!\\\"'<>&;:@=/. \n\tab1中😀"), max_size=60)


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("# a", '#heading(level: 1)[#"a";];'),
        ("a **b** *c* ~~d~~", '#par[#"a ";#strong[#"b";];#" ";#emph[#"c";];#" ";#strike[#"d";];];'),
        ("a\nb", '#par[#"a";#linebreak();#"b";];'),
        ("- a\n- b", '#list([#par[#"a";];], [#par[#"b";];]);'),
        ("3. a", '#enum(start: 3, [#par[#"a";];]);'),
        ("> a", '#quote(block: true)[#par[#"a";];];'),
        ("```py\na\n```", '#raw("a", block: true, lang: "py");'),
        ("`a`", '#par[#raw("a");];'),
        ("---", "#line(length: 100%);"),
        ("[a](http://b)", '#par[#underline[#"a";];#" (http://b)";];'),
        ("<http://b>", '#par[#underline[#"http://b";];];'),
        ("![a](http://b)", '#par[#"[a]";];'),
        ("$x$", "#par[$x$];"),
        (r"\(x\)", "#par[$x$];"),
        ("$$\nx\n+ y\n$$", "#fitted[$ x \\+ y $];"),
        ("\\[\nx\n\\]", "#fitted[$ x $];"),
        ("a $$x$$ b", '#par[#"a ";];#fitted[$ x $];#par[#"b";];'),
        ("a  \n$$x$$ $$x$$ b", '#par[#"a";];#fitted[$ x $];#fitted[$ x $];#par[#"b";];'),
        ("**$$x$$**", "#par[#strong[$x$];];"),
        ("- [x] **a**", '#todo((true, [#par[#strong[#"a";];];]));'),
        ("- [x] a\n- [ ] b\n- c", '#todo((true, [#par[#"a";];]), (false, [#par[#"b";];]), (none, [#par[#"c";];]));'),
        (r"$\foo$", r'#par[#raw("\\foo");];'),
        ("$5 and $6", '#par[#"$5 and $6";];'),
    ],
)
def test_markdown_becomes_typst(markdown: str, expected: str) -> None:
    """Each structure is a call, and each word a string literal."""
    assert expected == typst_body(markdown)


def test_a_table_keeps_its_sides() -> None:
    """The line below the head says which side a column keeps to."""
    assert typst_body("| a | b |\n|:-:|--:|\n| 1 | 2 |") == (
        '#table(columns: 2, align: (center + horizon, right + horizon,), [#"a";], [#"b";], [#"1";], [#"2";]);'
    )


def test_a_table_of_many_columns_is_set_small() -> None:
    """And its long words may be cut, or they would stand in the next column."""
    row = "|" + "abcdefghij|" * 5
    table = typst_body(f"{row}\n|{'-|' * 5}")
    assert table.startswith("#narrow(11pt)[#table(columns: 5, ")
    assert "abcdefghij" in table
    assert "a\u200bb\u200bc" in typst_body(f"|abcdefghij|{row[1:]}b|\n|{'-|' * 7}")


@pytest.mark.parametrize("emoji", ["✅", "⭐", "☀️", "1️⃣", "❤️‍🔥", "👩‍❤️‍👨", "🏳️‍🌈", "👍🏽", "🇨🇳", "😀"])
def test_an_emoji_is_asked_for_in_colours(emoji: str) -> None:
    """Whole, however many signs it is made of; other fonts have some in black."""
    assert words(f"a{emoji}b") == f'#"a";#emoji("{emoji}");#"b";'
    assert words(emoji * 2) == f'#emoji("{emoji}");' * 2


@pytest.mark.parametrize("text", ["☀ ★ ✔ → 1", "a\ufe0e", "中文。"])
def test_what_is_no_emoji_is_text(text: str) -> None:
    """Signs that are text unless somebody asks for a picture."""
    assert words(text) == f'#"{text}";'


def test_only_what_is_too_long_for_a_line_may_be_cut_anywhere() -> None:
    """Addresses and keys; words stay whole."""
    assert breakable("ab 中 abc", 3) == "ab 中 a\u200bb\u200bc"


@pytest.mark.parametrize(
    "markdown",
    ['#read("/etc/passwd")', '#import "@preview/cetz:0.3.1": *', '"; #read("/etc/passwd'],
)
def test_code_of_typst_is_words(markdown: str) -> None:
    """It stands inside one string literal."""
    assert typst_body(markdown) == f"#par[{words(markdown)}];"


@pytest.mark.parametrize(
    "markdown", ['<img src="file:///etc/passwd">', "![x](file:///etc/passwd)", "<script>a</script>"]
)
def test_html_and_pictures_of_files_are_words(markdown: str) -> None:
    """Nothing that could open a file is left."""
    assert typst_body(markdown).startswith('#par[#"')
    assert "image" not in typst_body(markdown)


def test_control_characters_are_left_out() -> None:
    """No font has them; line feeds and tabs stay."""
    assert literal('a\x00\x1b"\\\n\t') == '"a\\"\\\\\n\t"'


COMPILER = typst.Compiler()


@settings(max_examples=60, deadline=None)
@given(MARKS)
def test_whatever_is_written_typst_takes(markdown: str) -> None:
    """No row of signs breaks out of the literals."""
    page = f"{PAGES_OWN}\n{typst_body(markdown)}"
    assert COMPILER.compile(page.encode(), format="svg")
