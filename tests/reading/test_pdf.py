"""PDF files: their words, their limits, and those that are broken or made to do harm."""

import pytest
from documents import LIMITS, pdf, pdf_bomb

from onebot_bot.errors import ReadingError
from onebot_bot.reading.extract import Extract, Failure, Job, Limits
from onebot_bot.reading.job import attempt
from onebot_bot.reading.pdf import MOST_STREAM, read_pdf


def attempted(data: bytes) -> Extract | Failure:
    """What comes of a file."""
    return attempt(Job("pdf", data, LIMITS, 0))


def test_words_are_read_page_by_page() -> None:
    """Chinese too, which names its characters by a table that is not in the file."""
    found = read_pdf(pdf("会议记录\n下午三点", "page two", title="三月"), LIMITS)
    assert found == Extract("会议记录\n下午三点\n\npage two", "三月", pages=2, read=2)


def test_no_more_pages_are_read_than_may_be() -> None:
    """How many there are is told."""
    found = read_pdf(pdf("one", "two", "three"), Limits(pages=2, characters=4000))
    assert found == Extract("one\n\ntwo", pages=3, read=2, cut=True)


def test_a_long_text_is_cut() -> None:
    """The pages behind it are not even looked at."""
    found = read_pdf(pdf("a" * 300, "b", "c"), Limits(pages=30, characters=200))
    assert found == Extract("a" * 200, pages=3, read=1, cut=True)


def test_pictures_of_text_are_no_text() -> None:
    """A scan has pages without words."""
    with pytest.raises(ReadingError) as caught:
        read_pdf(pdf("", ""), LIMITS)
    assert caught.value.reason == "empty"


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"no pdf at all", pdf("a")[:200]], ids=len)
def test_what_is_broken_is_told(data: bytes) -> None:
    """Whatever pypdf makes of it."""
    found = attempted(data)
    assert isinstance(found, Failure)
    assert found.reason in ("broken", "empty")


def test_a_password_is_told() -> None:
    """Nobody is there to type one."""
    locked = (
        "/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 "
        f"/O <{'11' * 32}> /U <{'22' * 32}> >> /ID [<{'33' * 16}> <{'33' * 16}>]"
    )
    found = attempted(pdf("secret", extra=locked))
    assert isinstance(found, Failure)
    assert found.reason == "locked"


def test_a_stream_that_unfolds_without_end_is_refused() -> None:
    """A few kilobytes that would be megabytes."""
    bomb = pdf_bomb(MOST_STREAM + 1)
    assert len(bomb) < 50_000
    assert isinstance(attempted(bomb), Failure)
