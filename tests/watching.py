"""What chat tests look at: what the model is shown, what is on record, whether a chat is at rest."""

from fakes import until
from world import World

from onebot_bot.engine.request import Generation, Text
from onebot_bot.protocol.chat_id import ChatId

ALICE = ChatId(10000, "private", 1)


def seen(generation: Generation) -> list[str]:
    """What the model is shown, turn by turn, the persona left out."""
    turns = generation.request.conversation.turns
    return ["".join(p.text for p in t.parts if isinstance(p, Text)) for t in turns if t.role != "system"]


async def states(world: World, chat: ChatId) -> list[tuple[str, str, str]]:
    """Role, text and state of everything on record."""
    return [(e.role, e.text, e.state) for e in await world.history.recent(chat, 100)]


async def concluded(world: World, chat: ChatId = ALICE) -> None:
    """Until no turn is open in the chat."""
    session = world.sessions.get(chat)
    await until(lambda: session is None or not (session._turn or session._pending or session._discarded))
