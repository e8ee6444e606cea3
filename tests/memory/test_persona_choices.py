"""onebot_bot.memory.persona_choices."""

from onebot_bot.memory.database import Database
from onebot_bot.memory.persona_choices import PersonaChoices
from onebot_bot.protocol.chat_id import ChatId

HERE = ChatId(1, "group", 7)


async def test_choices_are_kept_until_they_are_taken_back(database: Database) -> None:
    """The chat's and each person's apart, over a restart."""
    choices = PersonaChoices(database)
    await choices.put(HERE, 0, "a")
    await choices.put(HERE, 5, "b")
    await choices.put(HERE, 5, "c")
    again = PersonaChoices(database)
    await again.restore()
    assert [again.of(HERE), again.of(HERE, 5), again.of(HERE, 6)] == ["a", "c", ""]
    await again.put(HERE, 0, "")
    assert [again.of(HERE), again.of(HERE, 5)] == ["", "c"]
    await choices.restore()
    assert [choices.of(HERE), choices.of(HERE, 5)] == ["", "c"]
