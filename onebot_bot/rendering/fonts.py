"""Which fonts a picture is set in: those of the system, and those that came as a package."""

import importlib.util
import re
from collections.abc import Iterable

import typst
from msgspec import Struct

from onebot_bot.errors import RenderError

PACKAGES = ("manimgx_fonts_cjk",)
"""Packages that are nothing but a font: Noto Sans CJK, the extra `fonts`."""
CHINESE = (
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "Microsoft YaHei", "PingFang SC"),
    *("Hiragino Sans GB", "HarmonyOS Sans SC", "MiSans", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "DengXian"),
    *("SimHei", "SimSun", "Droid Sans Fallback", "LXGW WenKai", "Noto Serif CJK SC", "Noto Sans CJK JP"),
)
"""Families that have Chinese, the best first."""
EMOJI = ("Noto Color Emoji", "Segoe UI Emoji", "Apple Color Emoji", "Twitter Color Emoji", "Twemoji", "Twemoji Mozilla")
PLAIN = "Libertinus Serif"
"""Comes with Typst, as do a monospaced and a mathematical font."""

_CHINESE = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_EMOJI = re.compile("[\U0001f000-\U0001faff]|.\ufe0f")


class FontSet(Struct, frozen=True):
    """What was found; a family that is empty is missing."""

    loaded: typst.Fonts
    chinese: str
    emoji: str

    @property
    def families(self) -> tuple[str, ...]:
        """In the order in which they are asked for a character."""
        return tuple(family for family in (self.chinese, PLAIN, self.emoji) if family)

    @property
    def with_pictures(self) -> tuple[str, ...]:
        """The same for emoji: other fonts have some of them, in black."""
        return (self.emoji, *self.families) if self.emoji else self.families

    def check(self, text: str) -> None:
        """Raise RenderError when there is no font for what is written: squares tell nobody anything."""
        if not self.chinese and _CHINESE.search(text):
            raise RenderError(
                "there is no font with Chinese characters: pip install 'onebot-bot[fonts]', or install Noto Sans CJK",
                code="OB-1521",
            )
        if not self.emoji and _EMOJI.search(text):
            raise RenderError(
                "there is no font with colour emoji: install Noto Color Emoji (fonts-noto-color-emoji)", code="OB-1521"
            )


def find_fonts(*, system: bool = True, packages: Iterable[str] = PACKAGES) -> FontSet:
    """Look for fonts; takes about half a second where there are many."""
    folders = [folder for name in packages for folder in _folders(name)]
    loaded = typst.Fonts(include_system_fonts=system, font_paths=folders)
    families = frozenset(loaded.families())
    return FontSet(loaded, _first(CHINESE, families), _first(EMOJI, families))


def _folders(package: str) -> list[str]:
    found = importlib.util.find_spec(package)
    return list(found.submodule_search_locations or ()) if found else []


def _first(wanted: Iterable[str], families: frozenset[str]) -> str:
    return next((family for family in wanted if family in families), "")
