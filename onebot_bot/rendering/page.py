"""One picture: Markdown in, PNG out, made by Typst, which sees no file and no network."""

import struct
import tempfile

import typst

from onebot_bot.errors import RenderError
from onebot_bot.rendering.fonts import FontSet
from onebot_bot.rendering.markup import typst_body
from onebot_bot.rendering.source import literal
from onebot_bot.rendering.themes import Theme

WIDTH = 420
"""Points: on a telephone the text is about as large as QQ's own."""
PPI = 144.0
"""Two pixels a point."""
TALLEST = 12_000
"""Pixels; QQ shrinks taller pictures until nobody can read them."""

_PAGE = """\
#set document(date: none)
#set page(width: {width}pt, height: auto, margin: 20pt, fill: rgb("{paper}"))
#set text(font: ({fonts}), size: 13pt, fill: rgb("{ink}"), lang: "zh", region: "cn")
#set par(leading: 0.75em, spacing: 1.1em)
#set heading(numbering: none)
#set list(spacing: 0.8em)
#set enum(spacing: 0.8em)
#set line(stroke: 0.7pt + rgb("{line}"))
#set table(
  inset: 7pt,
  stroke: 0.7pt + rgb("{line}"),
  fill: (_, row) => if row == 0 {{ rgb("{panel}") }},
)
#show table.cell.where(y: 0): strong
#show heading: set text(fill: rgb("{accent}"))
#show heading: set block(above: 1.3em, below: 0.9em)
#show emph: set text(fill: rgb("{accent}"))
#show underline: set text(fill: rgb("{accent}"))
#show raw: set text(font: ("DejaVu Sans Mono", {fonts}))
#show raw.where(block: true): set text(size: 11pt)
#show raw.where(block: true): it => block(fill: rgb("{panel}"), inset: 10pt, radius: 6pt, width: 100%, it)
#show raw.where(block: false): it => highlight(
  fill: rgb("{panel}"), extent: 2.5pt, top-edge: 1em, bottom-edge: -0.3em, radius: 3pt, it,
)
#set raw(theme: bytes({colours}))
#let emoji(body) = text(font: ({pictures}), body)
#let box-of(done) = box(
  baseline: 1.5pt, width: 10pt, height: 10pt, stroke: 0.9pt + rgb("{comment}"), radius: 2pt, inset: 1.8pt,
  if done {{ curve(
    stroke: (paint: rgb("{accent}"), thickness: 1.6pt, cap: "round", join: "round"),
    curve.move((0.3pt, 3.6pt)), curve.line((2.5pt, 5.9pt)), curve.line((6.3pt, 0.7pt)),
  ) }},
)
#let todo(..items) = grid(
  columns: (auto, 1fr), column-gutter: 7pt, row-gutter: 0.8em,
  ..items.pos().map(((done, body)) => (if done == none {{ [•] }} else {{ box-of(done) }}, body)).flatten(),
)
#let narrow(size, body) = {{
  set text(size: size)
  set table(inset: 4pt)
  body
}}
#let fitted(body) = layout(room => {{
  let wide = measure(body).width
  if wide > room.width {{ scale(100% * (room.width / wide), reflow: true, body) }} else {{ body }}
}})
#let framed(body) = box(stroke: 0.6pt + rgb("{ink}"), inset: 5pt, body)
#show math.equation: set text(font: ("New Computer Modern Math", {fonts}))
#show quote.where(block: true): set block(spacing: 1.1em)
#show quote.where(block: true): it => block(
  stroke: (left: 3pt + rgb("{accent}")), inset: (left: 10pt, y: 4pt), width: 100%, it.body,
)
{body}
"""

_COLOURS = """<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict>
<key>name</key><string>onebot-bot</string><key>settings</key><array>
<dict><key>settings</key><dict><key>foreground</key><string>{ink}</string></dict></dict>{rules}</array></dict></plist>"""
"""A tmTheme, Sublime Text's way of giving code its colours, which is Typst's too."""
_RULE = (
    "<dict><key>scope</key><string>{scope}</string>"
    "<key>settings</key><dict><key>foreground</key><string>{colour}</string></dict></dict>"
)


def draw(markdown: str, theme: Theme, fonts: FontSet) -> bytes:
    """A PNG.

    Raises:
        RenderError: a font is missing, the picture would be too tall, or Typst gave up.
    """
    fonts.check(markdown)
    source = _source(typst_body(markdown), theme, fonts)
    with tempfile.TemporaryDirectory() as empty:
        compiler = typst.Compiler(root=empty, font_paths=fonts.loaded, package_path=empty, package_cache_path=empty)
        try:
            made = compiler.compile(source.encode(), format="png", ppi=PPI)
        except typst.TypstError as error:
            raise RenderError(f"Typst did not take it: {error}") from error
    return _checked(made)


def _checked(made: bytes | list[bytes] | None) -> bytes:
    if not isinstance(made, bytes):
        raise RenderError("it did not become one page")
    _, height = struct.unpack(">II", made[16:24])
    if height > TALLEST:
        raise RenderError(f"it would be {height} pixels tall; more than {TALLEST} nobody can read in QQ")
    return made


def _source(body: str, theme: Theme, fonts: FontSet) -> str:
    return _PAGE.format(
        width=WIDTH,
        paper=theme.paper,
        ink=theme.ink,
        accent=theme.accent,
        panel=theme.panel,
        line=theme.line,
        comment=theme.comment,
        fonts=", ".join(map(literal, fonts.families)) + ",",
        pictures=", ".join(map(literal, fonts.with_pictures)) + ",",
        colours=literal(_code_colours(theme)),
        body=body,
    )


def _code_colours(theme: Theme) -> str:
    scopes = {
        "comment": theme.comment,
        "keyword, storage, constant.language": theme.keyword,
        "string, constant.character": theme.string,
        "constant.numeric": theme.number,
        "entity.name, support.function": theme.accent,
    }
    rules = "".join(_RULE.format(scope=scope, colour=colour) for scope, colour in scopes.items())
    return _COLOURS.format(ink=theme.ink, rules=rules)
