"""What of messages goes on record besides their words."""

from typing import Any

import pytest

from onebot_bot.chat.keeping import quoted_along, quoted_in, worth_keeping
from onebot_bot.chat.readable import readable
from onebot_bot.memory.history import Entry, Role
from onebot_bot.protocol.segments import File, Json, Segment, Text, decode_message, encode_message

LINK = Text("see https://a.example/1")


def quoted(*segments: Segment, text: str = "", role: Role = "user", **fields: Any) -> Entry:
    """A message that QQ was asked for."""
    return Entry(role=role, text=text, time=1, user_id=1, segments=list(encode_message(segments)) or None, **fields)


def test_what_can_be_read_of_a_quote_is_kept_with_the_message_that_quotes_it() -> None:
    """And shows nothing of itself: the quote's words are told already."""
    file, card = File(file="a.txt"), Json(data="{}")
    along = quoted_along(quoted(Text("look"), file, card))
    stored = worth_keeping((Text("and?"), *along))
    assert stored is not None
    found = decode_message(stored)
    assert readable(found, "zh", str) == "and?"
    assert list(quoted_in(found)) == [file, card]
    assert list(quoted_in(quoted_along(quoted(text=LINK.text)))) == [LINK]


def test_of_plain_words_it_is_kept_whose_they_are() -> None:
    """So that they go with the person; there is nothing to be read in them."""
    (along,) = quoted_along(quoted(text="tea?", name="Bo"))
    assert encode_message([along])[0]["data"] == {"user": 1, "name": "Bo", "text": "tea?", "message": []}


@pytest.mark.parametrize(
    "entry", [None, quoted(File(file="a.txt"), id=7), quoted(File(file="a.txt"), role="assistant")]
)
def test_nothing_else_of_a_quote_is_kept(entry: Entry | None) -> None:
    """What is on record itself, and what the bot sent."""
    assert quoted_along(entry) == ()
    assert worth_keeping((Text("and?"), *quoted_along(entry))) is None


def test_whatever_stands_in_its_place_does_no_harm() -> None:
    """A client could send a segment of that name."""
    odd = decode_message([{"type": "quoted_along", "data": {"message": {"a": [1]}}}, {"type": "quoted_along"}])
    assert [segment for segment in quoted_in(odd) if isinstance(segment, File)] == []
