"""Chat keys."""

import pytest

from onebot_bot.protocol.chat_id import ChatId, parse_chat_id


@pytest.mark.parametrize(
    ("chat", "text"),
    [(ChatId(10000, "group", 20000), "10000/group/20000"), (ChatId(1, "private", 2), "1/private/2")],
)
def test_a_chat_id_is_written_and_read_back(chat: ChatId, text: str) -> None:
    """The key of a chat reads back as the same chat."""
    assert text == str(chat)
    assert chat == parse_chat_id(text)


@pytest.mark.parametrize(
    "text", ["", "1/group", "1/guild/2", "1/group/2/3", "a/group/2", "1/group/", "-1/group/2", "1/group/２"]
)
def test_what_is_no_chat_id_is_refused(text: str) -> None:
    """A key that is not account, kind and number is refused and quoted."""
    with pytest.raises(ValueError, match="is not a chat") as caught:
        parse_chat_id(text)
    assert repr(text) in str(caught.value)


def test_chats_are_dictionary_keys() -> None:
    """Two equal chats are one key."""
    assert {ChatId(1, "group", 2): "x"}[ChatId(1, "group", 2)] == "x"
