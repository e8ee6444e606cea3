"""Links in what people write, and which hosts may be asked."""

import json

import pytest

from onebot_bot.reading.kinds import kind_of_file, kind_of_type
from onebot_bot.reading.links import LONGEST, MOST, links_in, links_of_card, may_ask


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("看这个https://a.example/x?y=1&z=2怎么样", ["https://a.example/x?y=1&z=2"]),
        ("(see http://a.example/x_(y)), ok?", ["http://a.example/x_(y)"]),
        ("HTTPS://A.example. And https://b.example!", ["HTTPS://A.example", "https://b.example"]),
        ("《https://a.example/1》，https://a.example/1", ["https://a.example/1"]),
        ("ftp://a.example file:///etc/passwd javascript:alert(1) a.example", []),
        ("https:// http://localhost", []),
        (f"https://a.example/{'x' * LONGEST}", []),
        ("https://[::1]/x", []),
    ],
)
def test_links_are_found(text: str, links: list[str]) -> None:
    """Each once, without the sentence around them."""
    assert links_in(text) == links


def test_a_message_full_of_links_is_bounded() -> None:
    """The first ones count."""
    assert len(links_in(" ".join(f"https://a.example/{i}" for i in range(1000)))) == MOST


def test_a_card_opens_one_link() -> None:
    """QQ's mini-programs leave out the scheme."""
    card = {
        "app": "com.tencent.miniapp_01",
        "meta": {"detail_1": {"qqdocurl": "b23.tv/abc?x=1", "url": "m.q.qq.com/a"}},
    }
    assert links_of_card(json.dumps(card)) == ["https://b23.tv/abc?x=1"]
    share = {"app": "com.tencent.tuwen.lua", "meta": {"news": {"jumpUrl": "https://mp.example/s/1"}}}
    assert links_of_card(json.dumps(share)) == ["https://mp.example/s/1"]


@pytest.mark.parametrize(
    "data", ["", "{", "[]", "[" * 100_000, '{"meta": 3}', '{"meta": {"a": [1]}}', '{"meta": {"a": {"url": 5}}}']
)
def test_a_card_of_any_shape_does_no_harm(data: str) -> None:
    """It has no link then."""
    assert links_of_card(data) == []


@pytest.mark.parametrize(
    ("host", "allowed", "denied", "may"),
    [
        ("a.example", [], [], True),
        ("www.a.example", ["a.example"], [], True),
        ("A.EXAMPLE.", ["*.a.example"], [], True),
        ("nota.example", ["a.example"], [], False),
        ("www.a.example", [], ["a.example"], False),
        ("a.example", ["a.example"], ["a.example"], False),
        ("b.example", [], ["a.example"], True),
    ],
)
def test_hosts_are_allowed_and_denied(host: str, allowed: list[str], denied: list[str], may: bool) -> None:  # noqa: FBT001 - a row of the table
    """With all that is below them; what is denied stays denied."""
    assert may_ask(host, allowed, denied) is may


def test_kinds_are_told_by_name_and_by_type() -> None:
    """The end of a name counts, and what servers put behind a type does not."""
    names = ("a.PDF", "b.docx", "c.txt", "表.csv", "x.md", "d.exe", "e", "pdf", "f.doc")
    assert [kind_of_file(name) for name in names] == ["pdf", "docx", *["text"] * 3, *[None] * 4]
    types = ("text/html; charset=gbk", "text/plain", "application/pdf", "image/png", "")
    assert [kind_of_type(name) for name in types] == ["page", "text", "pdf", None, "page"]
