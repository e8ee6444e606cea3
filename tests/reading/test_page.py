"""Web pages: what they are about, without what stands around it."""

import pytest
from documents import LIMITS

from onebot_bot.errors import ReadingError
from onebot_bot.reading.extract import Extract
from onebot_bot.reading.page import read_page

LONG = "这是正文，说了很多很多的话。" * 20


def test_the_main_words_are_read() -> None:
    """Menus, scripts and footers are not among them."""
    page = f"""<html><head><title> 一个 标题 </title><style>p {{}}</style></head><body>
        <nav>首页 登录</nav>
        <article><h1>大标题</h1><p>{LONG}</p><script>alert(1)</script><p>第二段<br>新行</p></article>
        <footer>版权所有</footer></body></html>"""
    assert read_page(page.encode(), LIMITS) == Extract(f"大标题\n{LONG}\n第二段\n新行", "一个 标题")


def test_a_plain_page_is_read_without_its_frame() -> None:
    """Where nothing says which part matters."""
    page = "<title>t</title><nav>menu</nav><p>hello</p><p hidden>secret</p><footer>foot</footer>"
    assert read_page(page.encode(), LIMITS) == Extract("hello", "t")


def test_a_page_made_of_scripts_tells_what_it_says_of_itself() -> None:
    """As to search engines: a video's page has no more."""
    about = "一只会弹琴的猫，播放量 3 万"
    page = f'<meta property="og:title" content="猫"><meta name="description" content="{about}"><div id=app></div>'
    assert read_page(page.encode(), LIMITS) == Extract(about, "猫")


@pytest.mark.parametrize("charset", ["gbk", "utf-8"])
def test_the_page_names_its_encoding(charset: str) -> None:
    """In its head, for servers seldom do."""
    page = f'<html><head><meta http-equiv=x content="text/html; charset={charset}"></head><p>你好</p>'
    assert read_page(page.encode(charset), LIMITS).text == "你好"


def test_no_words_are_told() -> None:
    """Neither shown ones nor others."""
    with pytest.raises(ReadingError) as caught:
        read_page(b"<html><body><img src=x></body></html>", LIMITS)
    assert caught.value.reason == "empty"


def test_what_is_no_html_does_no_harm() -> None:
    """Depths without end, tags without end, bytes without sense."""
    assert read_page(b"<div>" * 1000 + b"deep", LIMITS).text == "deep"
    assert read_page(b"<p>a<" + b"b" * 1000, LIMITS).text == "a"
