r"""Formulas in Markdown, for markdown-it: `$a$` and `\(a\)` in a line, `$$a$$` and `\[a\]` displayed."""

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

INLINE, DISPLAYED = "formula", "displayed_formula"
"""The types of the tokens."""

# As in pandoc, so that prices stay prices: no space inside the dollar signs, and no digit after the closing one.
_IN_LINE = re.compile(
    r"\$\$(?P<display>[^$]+?)\$\$|\\\[(?P<square>.+?)\\\]|\\\((?P<round>.+?)\\\)"
    r"|\$(?![\s$])(?P<dollar>[^$\n]*?[^\s$\\])\$(?!\d)",
    re.DOTALL,
)
_FENCES = {"$$": "$$", "\\[": "\\]"}


def add_formulas(markdown: MarkdownIt) -> None:
    """Let a parser know formulas, before a backslash is taken for an escape."""
    markdown.inline.ruler.before("escape", INLINE, _in_line)
    markdown.block.ruler.before("fence", DISPLAYED, _block, {"alt": ["paragraph", "blockquote", "list"]})


def _in_line(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - called by markdown-it, by position
    found = _IN_LINE.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        displayed = found.lastgroup in ("display", "square")
        token = state.push(DISPLAYED if displayed else INLINE, "math", 0)
        token.content = found[found.lastgroup or 0]
    state.pos = found.end()
    return True


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001 - as above
    """A formula that begins a line, up to the sign that ends it; blank lines and list marks inside belong to it."""
    first = _line(state, start)
    closing = _FENCES.get(first[:2])
    if closing is None or state.is_code_block(start):
        return False
    text = "\n".join([first[2:], *(_line(state, number) for number in range(start + 1, end))])
    inside, found, after = text.partition(closing)
    if not found or after.partition("\n")[0].strip():
        return False
    if not silent:
        _push_block(state, inside, start)
    return True


def _push_block(state: StateBlock, inside: str, start: int) -> None:
    state.line = start + inside.count("\n") + 1
    token = state.push(DISPLAYED, "math", 0)
    token.block, token.content, token.map = True, inside, [start, state.line]


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]]
