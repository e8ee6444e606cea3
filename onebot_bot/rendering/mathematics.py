"""LaTeX formulas to Typst's: latex2mathml parses them, and its MathML is written down as Typst."""

import html
from collections.abc import Callable, Iterable, Sequence
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert_to_element

from onebot_bot.errors import RenderError
from onebot_bot.rendering.source import literal

OPENING, CLOSING = "([{⟨⌊⌈", ")]}⟩⌋⌉"
BARS = frozenset("|∣‖∥")
LIMITS = frozenset({"lim", "max", "min", "sup", "inf", "det", "gcd", "limsup", "liminf", "argmax", "argmin"})
"""Operators whose subscript stands below them in a displayed formula."""
ACCENTS = {
    **dict.fromkeys("^ˆ", "hat"),
    **dict.fromkeys("~˜∼", "tilde"),
    **dict.fromkeys("→⃗", "arrow"),
    **dict.fromkeys("¯―‾_", "overline"),
    **dict.fromkeys("˙.", "dot"),
    "¨": "dot.double",
    "ˇ": "caron",
    "⏞": "overbrace",
}
BELOW = {**dict.fromkeys("_―‾¯̲", "underline"), "⏟": "underbrace"}
PRIMES = {"′": 1, "″": 2, "‴": 3, "⁗": 4}
DEEPEST = 60
"""Elements in one another; no formula that people write is deeper."""


def typst_math(latex: str) -> str:
    """A formula in Typst's language, without the dollar signs.

    Raises:
        RenderError: it is not LaTeX that is understood; the text says which part.
    """
    try:
        root = convert_to_element(latex.strip())
    except Exception as error:
        raise RenderError(f"a formula is not understood: {error or type(error).__name__}") from error
    if _depth(root, DEEPEST) > DEEPEST:
        raise RenderError(f"a formula is nested more than {DEEPEST} deep")
    return _node(root)


def _depth(element: Element, left: int) -> int:
    if left < 0:
        return 1
    return 1 + max((_depth(child, left - 1) for child in element), default=0)


def _node(element: Element) -> str:
    return _WRITERS.get(element.tag, _row)(element)


def _text(element: Element) -> str:
    return html.unescape(element.text or "")


def _or_nothing(source: str) -> str:
    """An argument that may be empty: Typst needs something there."""
    return source or '""'


# --- one symbol ------------------------------------------------------------------------------------------------


def _symbol(char: str) -> str:
    """One character of a formula: ASCII signs are escaped, as several are Typst's own."""
    if char.isascii() and char.isalpha():
        return char
    if char.isascii() and not char.isdigit() and char.isprintable() and char != " ":
        return f"\\{char}"
    return char if _is_mathematical(char) else literal(char)


def _is_mathematical(char: str) -> bool:
    """Letters and signs that Typst's own tables know; Chinese is text."""
    return 0xA1 <= ord(char) < 0x2E80 or 0x1D400 <= ord(char) < 0x1D800


def _identifier(element: Element) -> str:
    text = _text(element)
    if text == "&":
        return "&"
    if text.startswith("\\"):
        raise RenderError(f"a formula has {text}, which is not known")
    if len(text) != 1:
        return f"op({literal(text)}, limits: #{str(text in LIMITS).lower()})" if text else ""
    return f"upright({_symbol(text)})" if element.get("mathvariant") == "normal" else _symbol(text)


def _operator(element: Element) -> str:
    text = _text(element).strip()
    return _symbol(text) if len(text) == 1 else _identifier(element)


def _quoted(element: Element) -> str:
    return literal(_text(element).replace("\xa0", " "))


def _space(element: Element) -> str:
    if element.get("linebreak") == "newline":
        return "\\\n"
    width = element.get("width", "").removesuffix("em")
    return f"#h({float(width)}em)" if width.lstrip("-").replace(".", "", 1).isdigit() else ""


# --- structures --------------------------------------------------------------------------------------------------


def _row(element: Element) -> str:
    return _written(list(element))


def _written(items: Sequence[Element]) -> str:
    """Neighbours, with every pair of brackets as high as what is between them."""
    rows: list[list[str]] = [[]]
    for item, before, after in zip(items, (None, *items), (*items[1:], None), strict=False):
        written = _node(item)
        if _opens(item) or (_is_bar(item) and _is_table(after)):
            rows.append([written])
        elif (_closes(item) or (_is_bar(item) and _is_table(before))) and len(rows) > 1:
            rows[-2].append(_stretched([*rows.pop(), written]))
        else:
            rows[-1].append(written)
    while len(rows) > 1:
        rows[-2].append(_stretched(rows.pop()))
    return " ".join(rows[0])


def _stretched(parts: Iterable[str]) -> str:
    return f"lr({' '.join(parts)})"


def _is_bar(element: Element) -> bool:
    """One side of a determinant, or of a norm."""
    return element.tag == "mo" and _text(element) in BARS


def _is_table(element: Element | None) -> bool:
    return element is not None and element.tag == "mtable"


def _opens(element: Element) -> bool:
    return element.tag == "mo" and (_text(element) in tuple(OPENING) or element.get("form") == "prefix")


def _closes(element: Element) -> bool:
    return element.tag == "mo" and (_text(element) in tuple(CLOSING) or element.get("form") == "postfix")


def _call(name: str, *arguments: str) -> str:
    return f"{name}({', '.join(map(_or_nothing, arguments))})"


def _fraction(element: Element) -> str:
    above, below = _children(element, 2)
    if element.get("linethickness") == "0":
        return f"mat(delim: #none, {_or_nothing(above)}; {_or_nothing(below)})"
    return _call("frac", above, below)


def _children(element: Element, count: int) -> list[str]:
    if len(element) != count:
        raise RenderError(f"a formula has {element.tag} with {len(element)} parts instead of {count}")
    return [_node(child) for child in element]


def _attached(*places: str) -> Callable[[Element], str]:
    def write(element: Element) -> str:
        below = len(element) - len(places)
        if below > 1 and any(child.tag == "mtable" for child in element[:below]):
            base = _written(element[:below])  # of a matrix, latex2mathml leaves the brackets beside it
        else:
            base = _children(element, 1 + len(places))[0]
        scripts = element[-len(places) :]
        marks = [f"{place}: {_script(node, _node(node))}" for place, node in zip(places, scripts, strict=True)]
        return _call("attach", base, *marks)

    return write


def _script(element: Element, written: str) -> str:
    primes = PRIMES.get(_text(element)) if len(element) == 0 else None
    return f"primes(#{primes})" if primes else _or_nothing(written)


def _over(element: Element) -> str:
    base, above = _children(element, 2)
    name = ACCENTS.get(_text(element[1]))
    return _call(name, base) if name else _call("attach", _call("limits", base), f"t: {_or_nothing(above)}")


def _under(element: Element) -> str:
    base, below = _children(element, 2)
    name = BELOW.get(_text(element[1]))
    return _call(name, base) if name else _call("attach", _call("limits", base), f"b: {_or_nothing(below)}")


def _under_over(element: Element) -> str:
    base, below, above = _children(element, 3)
    return _call("attach", _call("limits", base), f"b: {_or_nothing(below)}", f"t: {_or_nothing(above)}")


def _root(element: Element) -> str:
    base, index = _children(element, 2)
    return _call("root", index, base)


def _table(element: Element) -> str:
    rows = [", ".join(_or_nothing(_row(cell)) for cell in line) for line in element.iterfind("mtr")]
    cell = element.find("mtr/mtd")
    side = "left" if cell is not None and cell.get("columnalign") == "left" else "center"
    return f"mat(delim: #none, align: #{side}, {'; '.join(rows)})"


def _enclosed(element: Element) -> str:
    """`framed` is the page's own: the frame has the theme's ink."""
    return f"#framed(${_row(element)}$)"


_WRITERS: dict[str, Callable[[Element], str]] = {
    "mi": _identifier,
    "mo": _operator,
    "mn": _quoted,
    "mtext": _quoted,
    "mspace": _space,
    "mfrac": _fraction,
    "msub": _attached("b"),
    "msup": _attached("t"),
    "msubsup": _attached("b", "t"),
    "mover": _over,
    "munder": _under,
    "munderover": _under_over,
    "msqrt": lambda element: _call("sqrt", _row(element)),
    "mroot": _root,
    "mtable": _table,
    "menclose": _enclosed,
}
