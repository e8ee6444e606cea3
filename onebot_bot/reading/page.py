"""Web pages: the title and the words that the page is about, without menus and scripts."""

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from onebot_bot.reading.extract import Extract, Limits, bounded, clean
from onebot_bot.reading.plain import decode

HEAD = 2048
"""Bytes in which a page names its encoding."""
ENOUGH = 200
"""Characters from which on an element may be all that a page is about."""
MOST_MAIN = 50
"""Such elements of a page that are looked at: each may lie in the one before."""
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
_NOT_SHOWN = "script, style, noscript, template, svg, canvas, iframe, object, head, select, button, [hidden]"
_AROUND = "nav, header, footer, aside, form, [role=navigation], [role=banner], [role=contentinfo]"
_MAIN = "article, main, [role=main], #js_content, #content, .article, .post, .markdown-body"
"""What holds a page's own words; #js_content is that of WeChat's articles."""
_BLOCKS = "p, div, section, article, li, h1, h2, h3, h4, h5, h6, tr, pre, blockquote, dt, dd, figcaption, table, br, hr"


def read_page(data: bytes, limits: Limits, charset: str = "") -> Extract:
    """The words of an HTML page; where it shows none without scripts, what it says of itself to search engines.

    Raises:
        ReadingError: there are none (`empty`).
    """
    tree = LexborHTMLParser(decode(data, charset or _charset_of(data)))
    title = _meta(tree, "og:title") or _text(tree.css_first("title"))
    about = _meta(tree, "og:description") or _meta(tree, "description")
    words = _main_words(tree)
    return bounded(words if len(words) >= max(1, len(about)) else about or title, limits, title=title)


def _charset_of(data: bytes) -> str:
    found = _CHARSET.search(data, 0, HEAD)
    return found[1].decode("ascii") if found else ""


def _meta(tree: LexborHTMLParser, name: str) -> str:
    node = tree.css_first(f'meta[property="{name}"], meta[name="{name}"]')
    return clean((node.attributes.get("content") if node is not None else "") or "")


def _main_words(tree: LexborHTMLParser) -> str:
    for node in tree.css(_NOT_SHOWN):
        node.decompose()
    if tree.body is not None:
        _break_lines(tree.body)
    found = max((_text(node) for node in tree.css(_MAIN)[:MOST_MAIN]), key=len, default="")
    if len(found) >= ENOUGH:
        return found
    whole = _text(tree.body)
    for node in tree.css(_AROUND):
        node.decompose()
    return _text(tree.body) or whole


def _text(node: LexborNode | None) -> str:
    """Its words."""
    return "" if node is None else clean(node.text(deep=True))


def _break_lines(node: LexborNode) -> None:
    """A line for each block in it; once, for a page may be block in block in block."""
    for block in node.css(_BLOCKS):
        block.insert_after("\n")
