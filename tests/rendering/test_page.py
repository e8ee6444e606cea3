"""Pictures: their colours, their size, and what cannot be drawn."""

import io

import numpy as np
import pytest
from PIL import Image

from onebot_bot.errors import RenderError
from onebot_bot.rendering.fonts import FontSet, find_fonts
from onebot_bot.rendering.page import PPI, TALLEST, WIDTH, draw
from onebot_bot.rendering.themes import THEMES, Theme, ThemeName

SAMPLE = "# 标题 head\n\n```python\nx = 1  # 注释\n```\n\n| a | 乙 |\n|---|---|\n| 1 | $x^2$ |"


@pytest.fixture(scope="module")
def fonts() -> FontSet:
    """Those that come as packages: the same on every machine."""
    return find_fonts(system=False)


def opened(picture: bytes) -> Image.Image:
    """The picture's pixels."""
    return Image.open(io.BytesIO(picture)).convert("RGB")


def parts(colour: str) -> tuple[int, ...]:
    """Red, green and blue of `#rrggbb`."""
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))


def shows(picture: Image.Image, colour: str) -> bool:
    """Whether it is in the picture, or nearly: thin strokes mix with what is behind them."""
    pixels = np.unique(np.asarray(picture).reshape(-1, 3), axis=0).astype(int)
    return bool((abs(pixels - np.array(parts(colour))).max(axis=1) <= 12).any())


@pytest.mark.parametrize("name", THEMES)
def test_each_theme_has_its_colours(name: ThemeName, fonts: FontSet) -> None:
    """Paper, ink, accent and the panel behind code are all seen, and the width is that of every picture."""
    theme = THEMES[name]
    picture = opened(draw(SAMPLE, theme, fonts))
    assert picture.width == WIDTH * PPI / 72
    assert all(shows(picture, colour) for colour in (theme.paper, theme.ink, theme.accent, theme.panel, theme.comment))


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG defines it."""
    shares = [part / 255 for part in parts(colour)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_every_text_stands_out(theme: Theme) -> None:
    """By 4.5 to 1 at least from the paper, and from the panel behind code."""
    for ink in (theme.ink, theme.accent, theme.comment, theme.keyword, theme.string, theme.number):
        for behind in (theme.paper, theme.panel):
            low, high = sorted((luminance(ink), luminance(behind)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, f"{ink} on {behind}"


@pytest.mark.parametrize(
    "markdown",
    [
        "a" * 200,
        f"`{'a' * 200}`",
        f"```\n{'a' * 200}\n```",
        f"$${'+'.join('x' * 80)}$$",
        f"| {' | '.join(['abcdefghijkl'] * 8)} |\n|{'---|' * 8}",
    ],
    ids=["word", "code in a line", "code", "formula", "table"],
)
def test_nothing_leaves_the_picture(markdown: str, fonts: FontSet) -> None:
    """Its margin stays empty: long words are cut, long formulas and tables of many columns made smaller."""
    margin = np.asarray(opened(draw(markdown, THEMES["light"], fonts)))[:, -30:]
    assert margin.min() == 255


def test_chinese_is_drawn_and_differs(fonts: FontSet) -> None:
    """Two words are two pictures: a font that lacks them would draw the same square twice."""
    assert draw("天", THEMES["light"], fonts) != draw("地", THEMES["light"], fonts)


def test_without_a_font_for_it_nothing_is_drawn() -> None:
    """Squares tell nobody anything, so the text is sent; what there is a font for is drawn."""
    bare = find_fonts(system=False, packages=())
    with pytest.raises(RenderError, match="Chinese"):
        draw("天", THEMES["light"], bare)
    with pytest.raises(RenderError, match="emoji"):
        draw("ok 😀", THEMES["light"], bare)
    assert draw("ok", THEMES["light"], bare).startswith(b"\x89PNG")


def test_what_would_be_too_tall_is_refused(fonts: FontSet) -> None:
    """QQ shrinks it until nobody can read it."""
    with pytest.raises(RenderError, match=f"more than {TALLEST}"):
        draw("a\n" * 700, THEMES["light"], fonts)


@pytest.mark.parametrize(
    "code",
    [
        '#read("/etc/passwd")',
        '#read("../../etc/passwd")',
        '#image("/etc/hostname")',
        '#import "@preview/cetz:0.3.1": *',
    ],
)
def test_typst_itself_sees_no_file(monkeypatch: pytest.MonkeyPatch, fonts: FontSet, code: str) -> None:
    """Were people's words ever taken for its code, there would still be nothing to read, and no network."""
    monkeypatch.setattr("onebot_bot.rendering.page.typst_body", lambda _: code)
    with pytest.raises(RenderError, match="Typst did not take it"):
        draw("words", THEMES["light"], fonts)
