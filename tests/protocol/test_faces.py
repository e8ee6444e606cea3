"""QQ's faces by id and by name."""

import pytest

from onebot_bot.protocol.faces import NAMES, face_id, face_name


@pytest.mark.parametrize(
    ("number", "name"), [("14", "微笑"), ("0", "惊讶"), ("76", "赞"), ("182", "笑哭"), ("484", "比爱心")]
)
def test_faces_have_names(number: str, name: str) -> None:
    """There and back."""
    assert (face_name(number), face_id(name)) == (name, number)


def test_every_name_leads_to_a_face_of_that_name() -> None:
    """Of two with one name to the older."""
    assert [name for name in NAMES.values() if face_name(face_id(name) or "") != name] == []
    assert face_id("撇嘴") == "1"


@pytest.mark.parametrize("name", ["/微笑", " 微笑 "])
def test_names_may_be_written_as_qq_shows_them(name: str) -> None:
    """With a slash."""
    assert face_id(name) == "14"


def test_case_does_not_matter() -> None:
    """Some names are Latin letters."""
    assert face_id("ok") == face_id("OK") == "124"


def test_what_is_no_face_is_none() -> None:
    """Neither way."""
    assert (face_name("99999"), face_id("飞碟")) == ("", None)
