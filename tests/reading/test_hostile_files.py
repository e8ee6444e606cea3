"""Documents that are small as files and vast or slow when read: a refusal or words, and soon."""

import io
import zipfile
import zlib
from random import Random
from typing import Any

import pytest
from documents import LIMITS, WORD, archive, docx, paragraphs, pdf, pdf_bomb
from hostile import soon

from bench import fuzz_files
from onebot_bot.reading.docx import BODY, MOST_XML
from onebot_bot.reading.extract import Extract, Failure, Job, Kind
from onebot_bot.reading.job import attempt
from onebot_bot.reading.page import read_page
from onebot_bot.reading.plain import read_plain

MIB = 2**20


def read(kind: Kind, data: bytes) -> Extract | Failure:
    """What the process that reads would answer."""
    return attempt(Job(kind, data, LIMITS, 2048 * MIB))


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive with these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        for name, data in files:
            made.writestr(name, data)
    return out.getvalue()


# --- docx ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_what_unfolds_without_end_is_refused(method: int) -> None:
    """By either usual way of packing."""
    with soon():
        found = read("docx", zipped((BODY, bytes(MOST_XML + 1)), method=method))
    assert isinstance(found, Failure)
    assert found.reason == "large"


def test_what_lies_beside_the_words_is_not_unfolded() -> None:
    """Pictures, fonts and further bombs."""
    body = f'<w:document xmlns:w="{WORD}"><w:body>{paragraphs("hi")}</w:body></w:document>'.encode()
    with soon():
        found = read("docx", zipped((BODY, body), ("word/media/image1.png", bytes(64 * MIB))))
    assert isinstance(found, Extract)
    assert found.text == "hi"


def test_a_body_that_is_another_archive_is_no_document() -> None:
    """An archive in an archive is never opened."""
    assert isinstance(read("docx", zipped((BODY, archive("x")))), Failure)


def test_an_archive_that_lies_about_a_size_is_refused() -> None:
    """Its list of files says that the body has a byte; zipfile stops there, and XML of a byte is none."""
    data = bytearray(docx(paragraphs("hi" * 1000)))
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = b"\x01\0\0\0"
    assert isinstance(read("docx", bytes(data)), Failure)


@pytest.mark.parametrize(
    "body",
    [
        paragraphs(*["x" * 100] * 50_000),
        "<w:p/>" * 500_000,
        "<w:tbl>" * 5000,
        "<w:p>" * 100_000,
        "<w:p " + " ".join(f"a{number}='1'" for number in range(50_000)) + "/>",
        f"<w:p>{'&#65;' * 300_000}</w:p>",
        f"<w:t>{'x' * 5 * MIB}</w:t>",
    ],
    ids=["long", "empty", "open tables", "open paragraphs", "attributes", "references", "one run"],
)
def test_a_body_of_any_making_is_read_soon(body: str) -> None:
    """As far as there is room for words."""
    with soon():
        found = read("docx", docx(body))
    assert isinstance(found, Failure) or len(found.text) <= LIMITS.characters


# --- pdf -----------------------------------------------------------------------------------------------------------


def test_a_stream_that_unfolds_far_is_refused() -> None:
    """64 MiB in 64 KiB."""
    with soon():
        assert isinstance(read("pdf", pdf_bomb(64 * MIB)), Failure)


@pytest.mark.parametrize(
    "data",
    [
        pdf("a").replace(b"/Count 1", b"/Count 999999999"),
        pdf("a").replace(b"/Kids [4 0 R]", b"/Kids [2 0 R]"),
        pdf("a").replace(b"/Parent 2 0 R", b"/Parent 4 0 R"),
        pdf("a").replace(b"/Contents 5 0 R", b"/Contents 4 0 R"),
        pdf("a").replace(b"/Length ", b"/Length 99999999 /X "),
        pdf("a").replace(b"startxref\n", b"startxref\n9"),
        b"%PDF-1.7\n" + b"[" * 200_000,
        b"%PDF-1.7\n" + b"<<" * 200_000,
        b"%PDF-1.7\n" + b"1 0 obj\n" * 20_000,
        b"%PDF-1.7\ntrailer<</Root 1 0 R/Prev 9>>\nstartxref\n9\n%%EOF",
    ],
    ids=[
        "count",
        "own child",
        "own parent",
        "own content",
        "length",
        "xref",
        "arrays",
        "objects",
        "many",
        "own trailer",
    ],
)
def test_a_pdf_of_any_making_is_read_soon(data: bytes) -> None:
    """Trees that go round in circles, numbers that lie, brackets that never close."""
    with soon():
        found = read("pdf", data)
    assert isinstance(found, Failure) or found.text.strip() == "a"


# --- pages and texts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "inside", ["<article>" * 5000, "<div>" * 8000, "<b><i>" * 10_000, "<table><tr><td>" * 3000, "&lt;" * 200_000]
)
def test_a_page_of_any_making_is_read_soon(inside: str) -> None:
    """Elements in one another are read once; found by bench/fuzz.py."""
    page = f"<html><body>{'word ' * 100}{inside}".encode()
    with soon():
        assert read_page(page, LIMITS).text.startswith("word")


@pytest.mark.parametrize(
    "text",
    ["x\n" + " " * MIB, "x" + "\n \n" * 300_000, "x" + "\u200b" * MIB, "x" + "\u0301" * MIB, "x" + "\r" * MIB],
    ids=["gap", "empty lines", "unseen", "marks", "line breaks"],
)
def test_a_text_of_any_making_is_read_soon(text: str) -> None:
    """And what is left of it is short."""
    with soon():
        found = read_plain(text.encode(), LIMITS)
    assert found.text.startswith("x")
    assert len(found.text) < 20


def test_bytes_that_unfold_to_nothing_are_no_text() -> None:
    """Compressed or not."""
    assert isinstance(read("text", zlib.compress(bytes(MIB))), Failure)


@pytest.mark.parametrize(
    "target",
    [fuzz_files.read_texts, fuzz_files.read_pages, fuzz_files.read_documents, fuzz_files.read_pdfs],
    ids=lambda target: target.__name__,
)
def test_a_slice_of_the_fuzzing_finds_nothing(target: Any) -> None:
    """The bench's own cases, other ones."""
    for number in range(80):
        with soon():
            target(Random(f"test/{number}"))  # noqa: S311 - a game
