"""The web links in what people write, and which hosts may be asked: pure functions."""

import json
import re
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

LONGEST = 2048
MOST = 16
"""Links of one message."""
LOOKED_AT = 10 * MOST
"""Links of which these are chosen: the same one may come again, or be none."""
MAX_CARD = 64 * 1024
_LINK = re.compile(r"https?://[A-Za-z0-9\-._~:/?#@!$&'*+,;=%()\[\]]+", re.IGNORECASE)
"""ASCII alone: in Chinese nothing need stand between a link and the word behind it."""
_TRAILING = ".,;:!?'"
_PAIRS = {")": "(", "]": "["}
_CARD_KEYS = ("jumpUrl", "qqdocurl", "jump_url", "url")
"""Where QQ's cards keep the address that a tap opens."""


def links_in(text: str) -> list[str]:
    """The links in a text, each once, in order."""
    if "://" not in text:
        return []
    found = (_trimmed(match[0]) for match in islice(_LINK.finditer(text), LOOKED_AT))
    return list(dict.fromkeys(link for link in found if len(link) <= LONGEST and "." in link))[:MOST]


def _trimmed(link: str) -> str:
    """Without what belongs to the sentence around it."""
    spare = {closing: link.count(closing) - link.count(opening) for closing, opening in _PAIRS.items()}
    end = len(link)
    while end and (link[end - 1] in _TRAILING or spare.get(link[end - 1], 0) > 0):
        end -= 1
        if link[end] in spare:
            spare[link[end]] -= 1
    return link[:end]


def links_of_card(data: str) -> list[str]:
    """The address that a card opens: of a share, a video, a mini-program that names a web page."""
    if len(data) > MAX_CARD:
        return []
    try:
        card = json.loads(data)
    except (ValueError, RecursionError):
        return []
    meta = card.get("meta") if isinstance(card, dict) else None
    details = meta.values() if isinstance(meta, dict) else ()
    return list(dict.fromkeys(link for detail in details for link in _addresses(detail)))[:1]


def _addresses(detail: Any) -> Iterator[str]:
    if isinstance(detail, dict):
        for key in _CARD_KEYS:
            value = detail.get(key)
            if isinstance(value, str):
                yield from links_in(value if "://" in value else f"https://{value}")


def may_ask(host: str, allowed: Collection[str], denied: Collection[str]) -> bool:
    """Whether links to that host are opened; a name stands for itself and for all below it."""
    if any(_is_within(host, name) for name in denied):
        return False
    return not allowed or any(_is_within(host, name) for name in allowed)


def _is_within(host: str, name: str) -> bool:
    host, name = host.lower().rstrip("."), name.lower().strip(".").removeprefix("*.")
    return host == name or host.endswith(f".{name}")
