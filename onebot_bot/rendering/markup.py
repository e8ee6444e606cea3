"""Markdown to the body of a Typst document: tables, code, lists and formulas; nothing is fetched or opened.

What people or the model wrote goes into string literals only. A picture in Markdown is its description, HTML is
the text that it is, and a formula that is not understood is its LaTeX.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from onebot_bot.errors import RenderError
from onebot_bot.rendering.formulas import DISPLAYED, INLINE, add_formulas
from onebot_bot.rendering.mathematics import typst_math
from onebot_bot.rendering.source import LONG_CODE, LONG_WORD, breakable, literal, words

DEEPEST = 12
"""Lists and quotations inside one another; markdown-it takes deeper ones for text."""


class Small(NamedTuple):
    """How a table of many columns is set."""

    columns: int
    """It has at least so many."""
    points: float
    word: int
    """Signs of a word that stay together."""


SMALL = (Small(7, 9, 8), Small(5, 11, 12))

_GAPS = ("softbreak", "hardbreak")
_TO_DO = re.compile(r"\[([ xX])\]\s+")


def _parser() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": DEEPEST})
    made.enable(["table", "strikethrough"])
    made.disable(["html_block", "html_inline"])
    add_formulas(made)
    return made


PARSER = _parser()


def typst_body(markdown: str) -> str:
    """The body, for a page that rendering/page.py begins."""
    return _node(SyntaxTreeNode(PARSER.parse(markdown)))


def _node(node: SyntaxTreeNode) -> str:
    return _WRITERS[node.type](node) if node.type in _WRITERS else _inside(node)


def _inside(node: SyntaxTreeNode) -> str:
    if node.children or node.is_root or node.is_nested:
        return "".join(map(_node, node.children))
    return words(node.content)


def _wrapped(name: str) -> Callable[[SyntaxTreeNode], str]:
    return lambda node: f"#{name}[{_inside(node)}];"


def _paragraph(node: SyntaxTreeNode) -> str:
    """A displayed formula ends it, and what follows is another: Typst has nothing of its own line inside of one."""
    pieces = [piece for inline in node.children for piece in inline.children]
    parts = [(displayed, list(run)) for displayed, run in groupby(pieces, key=lambda piece: piece.type == DISPLAYED)]
    if len(parts) == 1 and not parts[0][0]:
        return f"#par[{_inside(node)}];"
    return "".join("".join(map(_on_its_own, part)) if displayed else _beside(part) for displayed, part in parts)


def _beside(part: Sequence[SyntaxTreeNode]) -> str:
    """What stands before or behind a displayed formula, without the breaks and spaces next to that."""
    written = list(map(_node, part))
    while written and part[0].type in _GAPS:
        part, written = part[1:], written[1:]
    while written and part[-1].type in _GAPS:
        part, written = part[:-1], written[:-1]
    if written and part[0].type == "text":
        written[0] = words(part[0].content.lstrip())
    return f"#par[{''.join(written)}];" if any(written) else ""


def _heading(node: SyntaxTreeNode) -> str:
    return f"#heading(level: {int(node.tag[1:])})[{_inside(node)}];"


def _blocks(items: Iterable[SyntaxTreeNode]) -> str:
    return ", ".join(f"[{_inside(item)}]" for item in items)


def _list(node: SyntaxTreeNode) -> str:
    """A list; one of things to do has boxes, ticked or not."""
    boxes = [_box(item) for item in node.children]
    if not any(boxes):
        return f"#list({_blocks(node.children)});"
    lines = (f"({box or 'none'}, [{_inside(item)}])" for box, item in zip(boxes, node.children, strict=True))
    return f"#todo({', '.join(lines)});"


def _box(item: SyntaxTreeNode) -> str:
    """`true` or `false` for `- [x] done` and `- [ ] to be done`, whose mark is then taken out; empty for others."""
    text = next((node for node in item.walk() if node.type == "text"), None)
    mark = _TO_DO.match(text.content) if text is not None else None
    if text is None or mark is None or text.token is None:
        return ""
    text.token.content = text.content[mark.end() :]
    return "true" if mark[1] in "xX" else "false"


def _enumeration(node: SyntaxTreeNode) -> str:
    return f"#enum(start: {int(node.attrs.get('start', 1))}, {_blocks(node.children)});"


def _code(node: SyntaxTreeNode) -> str:
    language = node.info.split()[:1]
    named = f", lang: {literal(language[0])}" if language else ""
    return f"#raw({_lines(node.content.rstrip())}, block: true{named});"


def _lines(code: str) -> str:
    """Code as a literal, of which no line leaves the picture."""
    return literal(breakable(code, LONG_CODE))


def _code_in_line(node: SyntaxTreeNode) -> str:
    return f"#raw({literal(breakable(node.content, LONG_WORD))});"


def _link(node: SyntaxTreeNode) -> str:
    """Nobody can click on a picture, so the address is shown where the words are something else."""
    address = str(node.attrs.get("href", ""))
    shown = "".join(child.content for child in node.children)
    return f"#underline[{_inside(node)}];" + ("" if shown == address else words(f" ({address})"))


def _picture(node: SyntaxTreeNode) -> str:
    return words(f"[{node.content or node.attrs.get('src', '')}]")


def _table(node: SyntaxTreeNode) -> str:
    rows = [row for part in node.children for row in part.children]
    columns = len(rows[0].children)
    small = next((small for small in SMALL if columns >= small.columns), None)
    if small is not None:
        _cut_words(node, small.word)
    sides = ", ".join(map(_side, rows[0].children))
    cells = ", ".join(_blocks(row.children) for row in rows)
    table = f"#table(columns: {columns}, align: ({sides},), {cells});"
    return f"#narrow({small.points}pt)[{table}];" if small is not None else table


def _cut_words(node: SyntaxTreeNode, longest: int) -> None:
    """Let longer words be cut anywhere: they would stand in the next column."""
    for part in node.walk():
        if part.type == "text" and part.token is not None:
            part.token.content = breakable(part.content, longest + 1)


def _side(cell: SyntaxTreeNode) -> str:
    """Which side a column keeps to, as the line below the table's head says."""
    side = str(cell.attrs.get("style", "")).removeprefix("text-align:")
    return f"{side if side in ('right', 'center') else 'left'} + horizon"


def _formula(node: SyntaxTreeNode) -> str:
    try:
        return f"${typst_math(node.content)}$"
    except RenderError:
        return _code_in_line(node)


def _displayed(node: SyntaxTreeNode) -> str:
    """Of its own line; among words that are set apart, such as bold ones, in theirs."""
    return _on_its_own(node) if node.block else _formula(node)


def _on_its_own(node: SyntaxTreeNode) -> str:
    try:
        return f"#fitted[$ {typst_math(node.content)} $];"
    except RenderError:
        return f"#raw({_lines(node.content.strip())}, block: true);"


_WRITERS: dict[str, Callable[[SyntaxTreeNode], str]] = {
    "paragraph": _paragraph,
    "heading": _heading,
    "bullet_list": _list,
    "ordered_list": _enumeration,
    "blockquote": _wrapped("quote(block: true)"),
    "fence": _code,
    "code_block": _code,
    "code_inline": _code_in_line,
    "hr": lambda _: "#line(length: 100%);",
    "table": _table,
    "strong": _wrapped("strong"),
    "em": _wrapped("emph"),
    "s": _wrapped("strike"),
    "softbreak": lambda _: "#linebreak();",
    "hardbreak": lambda _: "#linebreak();",
    "link": _link,
    "image": _picture,
    INLINE: _formula,
    DISPLAYED: _displayed,
}
