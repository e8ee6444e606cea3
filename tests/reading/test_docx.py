"""Word documents: their words, and those that are broken or made to do harm."""

import pytest
from documents import LIMITS, archive, docx, paragraphs

from onebot_bot.reading.docx import read_docx
from onebot_bot.reading.extract import Extract, Failure, Job, Limits
from onebot_bot.reading.job import attempt


def reason(data: bytes) -> str:
    """Why a file has no words."""
    found = attempt(Job("docx", data, LIMITS, 0))
    assert isinstance(found, Failure)
    return found.reason


def test_paragraphs_are_lines() -> None:
    """However many runs they are made of."""
    body = paragraphs("标题") + "<w:p><w:r><w:t>a</w:t></w:r><w:r><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r></w:p>"
    assert read_docx(docx(body), LIMITS) == Extract("标题\na\tb\nc")


def test_tables_are_read_row_by_row() -> None:
    """Cells stand side by side."""
    cells = [[f"<w:tc>{paragraphs(cell)}</w:tc>" for cell in row] for row in (("姓名", "年龄"), ("张三", "3"))]
    rows = "".join(f"<w:tr>{''.join(row)}</w:tr>" for row in cells)
    lines = read_docx(docx(f"<w:tbl>{rows}</w:tbl>"), LIMITS).text.splitlines()
    assert [line.split() for line in lines] == [["姓名", "年龄"], ["张三", "3"]]


def test_a_long_document_is_cut() -> None:
    """Its end is not even unfolded."""
    found = read_docx(docx(paragraphs(*["word " * 20] * 5000)), Limits(30, 200))
    assert (len(found.text), found.cut) == (200, True)


def test_one_without_words_is_told() -> None:
    """An empty page."""
    assert reason(docx("<w:p/>")) == "empty"


@pytest.mark.parametrize(
    "data",
    [b"", b"no zip", archive("<a/>", "other.xml"), archive("<w:document>"), archive("not xml")],
    ids=["nothing", "no zip", "another zip", "torn xml", "no xml"],
)
def test_what_is_broken_is_told(data: bytes) -> None:
    """Whatever the parsers make of it."""
    assert reason(data) == "broken"


def test_a_zip_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What unfolds to more than may be is not read to its end."""
    monkeypatch.setattr("onebot_bot.reading.docx.MOST_XML", 2**20)
    bomb = docx(f"<!--{'x' * 2**20}-->{paragraphs('words')}")
    assert len(bomb) < 10_000
    assert reason(bomb) == "large"


def test_entities_that_multiply_are_refused() -> None:
    """A document has no need of a DTD."""
    laughs = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    assert reason(docx(paragraphs("&b;"), laughs)) == "broken"


def test_files_of_this_machine_stay_shut() -> None:
    """An entity that names one is no word."""
    outside = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
    assert reason(docx(paragraphs("&a;"), outside)) == "broken"
