"""Cards as a line of text: mini-apps, shares, music, places, announcements, contacts. Pure functions.

QQ's cards are JSON whose `meta` holds one object per kind with much the same keys; older ones are XML.
"""

import base64
import binascii
import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from onebot_bot.protocol.segments import UnknownSegment

LARGEST = 256 * 1024
"""Characters of a card that is read; real ones have a few thousand."""
LONGEST = 300
"""Characters of the line."""
LONGEST_LINK = 200
SEPARATOR = " | "

_WORDS = ("title", "name", "nickname", "desc", "content", "contact", "address", "text", "summary", "tag")
_LINKS = ("jumpUrl", "qqdocurl", "url")
_KINDS = frozenset({"share", "location", "music", "contact"})
"""Segments of the standard that other clients send as such, not as a card."""
_XML = re.compile(r'\bbrief="([^"]{1,300})"|<(title|summary)\b[^>]{0,300}>([^<]{1,300})</\2>', re.IGNORECASE)


def card_line(data: str) -> str:
    """What a `json` segment says in one line; empty when it cannot be read."""
    if len(data) > LARGEST:
        return ""
    try:
        card = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    return _line(_said_by(card)) if isinstance(card, dict) else ""


def other_card(segment: UnknownSegment) -> str | None:
    """The line of a segment that is a card under another name; None when it is none."""
    if segment.type == "xml":
        found = _XML.findall(str(segment.data.get("data") or "")[:LARGEST])
        return _line(html.unescape(brief or text) for brief, _, text in found)
    return _line(_details(segment.data)) if segment.type in _KINDS else None


def _said_by(card: Mapping[str, Any]) -> Iterator[str]:
    """What QQ itself shows for the card where it cannot be drawn, and what its kind adds."""
    prompt = card.get("prompt") or card.get("desc")
    yield prompt if isinstance(prompt, str) else ""
    meta = card.get("meta")
    details = [detail for detail in meta.values() if isinstance(detail, dict)] if isinstance(meta, dict) else []
    for detail in details[:2]:
        yield from _details(_decoded(detail))
    if not prompt and not details:
        yield str(card.get("app") or "")


def _details(detail: Mapping[str, Any]) -> Iterator[str]:
    yield from (value for key in _WORDS if isinstance(value := detail.get(key), str))
    news = detail.get("news")  # of a bundle of forwarded messages: its first lines
    for item in news[:4] if isinstance(news, list) else ():
        yield str(item.get("text") or "") if isinstance(item, dict) else ""
    links = (value for key in _LINKS if isinstance(value := detail.get(key), str))
    yield next((link for link in links if link.startswith(("http://", "https://")) and len(link) <= LONGEST_LINK), "")


def _decoded(detail: dict[str, Any]) -> dict[str, Any]:
    """An announcement's title and text are base64."""
    if detail.get("encode") != 1:
        return detail
    return detail | {key: _from_base64(detail[key]) for key in ("title", "text") if isinstance(detail.get(key), str)}


def _from_base64(text: str) -> str:
    try:
        return base64.b64decode(text).decode(errors="replace")
    except (binascii.Error, ValueError):
        return ""


def _line(texts: Iterator[str]) -> str:
    """The texts in a row, each once and none that another one holds already, on one line."""
    kept: list[str] = []
    for text in texts:
        bare = " ".join(text.split())
        if bare and not any(bare in other for other in kept):
            kept.append(bare)
        if sum(map(len, kept)) >= LONGEST:
            break
    return SEPARATOR.join(kept)[:LONGEST]
