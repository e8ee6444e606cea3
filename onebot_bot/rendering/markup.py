"""Markdown to the body of a Typst document: tables, code, lists and formulas; nothing is fetched or opened.

What people or the model wrote goes into string literals only. A picture in Markdown is its description, HTML is
the text that it is, and a formula that is not understood is its LaTeX.
"""

from collections.abc import Callable, Iterable

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from onebot_bot.errors import RenderError
from onebot_bot.rendering.formulas import DISPLAYED, INLINE, add_formulas
from onebot_bot.rendering.mathematics import typst_math
from onebot_bot.rendering.source import literal, words

DEEPEST = 12
"""Lists and quotations inside one another; markdown-it takes deeper ones for text."""


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


def _heading(node: SyntaxTreeNode) -> str:
    return f"#heading(level: {int(node.tag[1:])})[{_inside(node)}];"


def _blocks(items: Iterable[SyntaxTreeNode]) -> str:
    return ", ".join(f"[{_inside(item)}]" for item in items)


def _list(node: SyntaxTreeNode) -> str:
    return f"#list({_blocks(node.children)});"


def _enumeration(node: SyntaxTreeNode) -> str:
    return f"#enum(start: {int(node.attrs.get('start', 1))}, {_blocks(node.children)});"


def _code(node: SyntaxTreeNode) -> str:
    language = node.info.split()[:1]
    named = f", lang: {literal(language[0])}" if language else ""
    return f"#raw({literal(node.content.rstrip())}, block: true{named});"


def _code_in_line(node: SyntaxTreeNode) -> str:
    return f"#raw({literal(node.content)});"


def _link(node: SyntaxTreeNode) -> str:
    """Nobody can click on a picture, so the address is shown where the words are something else."""
    address = str(node.attrs.get("href", ""))
    shown = "".join(child.content for child in node.children)
    return f"#underline[{_inside(node)}];" + ("" if shown == address else words(f" ({address})"))


def _picture(node: SyntaxTreeNode) -> str:
    return words(f"[{node.content or node.attrs.get('src', '')}]")


def _table(node: SyntaxTreeNode) -> str:
    rows = [row for part in node.children for row in part.children]
    sides = ", ".join(map(_side, rows[0].children))
    cells = ", ".join(_blocks(row.children) for row in rows)
    return f"#table(columns: {len(rows[0].children)}, align: ({sides},), {cells});"


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
    try:
        return f"\n$ {typst_math(node.content)} $\n"
    except RenderError:
        return f"#raw({literal(node.content.strip())}, block: true);"


_WRITERS: dict[str, Callable[[SyntaxTreeNode], str]] = {
    "paragraph": _wrapped("par"),
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
