"""Answers with tags, through a chat's session."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from fakes import answer
from world import World

from onebot_bot.chat.participation import Trigger
from onebot_bot.chat.stickers import Stickers
from onebot_bot.chat.turn import Incoming, Turn
from onebot_bot.engine.request import FinishReason, GenerationResult, Recalled, Text
from onebot_bot.errors import ActionFailed
from onebot_bot.memory.history import Entry
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import Sender
from onebot_bot.protocol.segments import At, Face, Image, Reply
from onebot_bot.protocol.segments import Text as Words

GROUP = ChatId(10000, "group", 77)


@pytest.fixture(autouse=True)
def told(world: World, tmp_path: Path) -> None:
    """Tags are on, and there is one sticker."""
    (tmp_path / "stickers").mkdir()
    (tmp_path / "stickers" / "开心.png").write_bytes(b"PNG")
    stickers = Stickers(lambda: tmp_path / "stickers")
    world.router._services = msgspec.structs.replace(world.router._services, stickers=stickers)
    world.configure("tags", mode="on")


async def prompt(world: World) -> tuple[str, str]:
    """What the model is told, and the last turn that it is shown."""
    await world.quiet()
    generation = await world.engine.next()
    turns = generation.request.conversation.turns
    answer(generation, "ok")
    await world.account.next()
    texts = ["".join(part.text for part in turn.parts if isinstance(part, Text)) for turn in turns]
    return texts[0], texts[-1]


async def test_tags_go_out_as_segments_and_stay_on_record(world: World) -> None:
    """In a group the first message still quotes; the gesture goes first, the sticker last."""
    message = world.group((At("10000"), Words("hi")))
    world.say(message)
    await world.quiet()
    answer(await world.engine.next(), "[回应:赞][at:card1]你好[表情:微笑][表情包:开心]")
    reaction, spoken, sticker = [await world.account.next() for _ in range(3)]
    assert (reaction.name, reaction.message_id, reaction.emoji_id) == ("set_msg_emoji_like", message.message_id, "76")
    assert spoken.message == (Reply(str(message.message_id)), At("1", "card1"), Words(" 你好"), Face("14"))
    assert sticker.message == (Image(file="base64://UE5H", summary="[开心]", sub_type=1),)
    await world.settled()
    said = [entry.text for entry in await world.history.recent(GROUP, 10) if entry.role == "assistant"]
    assert said == ["[回应:赞]", "[at:card1]你好[表情:微笑]", "[表情包:开心]"]


async def test_tags_may_come_in_pieces_of_any_size(world: World) -> None:
    """The model writes token by token, and tokens know nothing of tags."""
    world.say(world.private("hi"))
    await world.quiet()
    generation = await world.engine.next()
    text = "好[表情:微笑]"
    for character in text:
        generation.push(character)
    generation.finish(GenerationResult(text=text, finish_reason=FinishReason.STOP))
    assert (await world.account.next()).message == (Words("好"), Face("14"))


async def test_a_client_that_cannot_poke_loses_no_words(world: World) -> None:
    """NapCat without a packet backend: the gesture is left out, of the record too."""
    world.account.failures.append(ActionFailed("friend_poke", 1400, "packetBackend"))
    world.say(world.private("hi"))
    await world.quiet()
    answer(await world.engine.next(), "[戳一戳]ha")
    assert (await world.account.next()).name == "friend_poke"
    assert (await world.account.next()).message == (Words("ha"),)
    await world.settled()
    assert world.reports.empty()
    assert [entry.text for entry in await world.history.recent(ChatId(10000, "private", 1), 9)] == ["hi", "ha"]


async def test_a_mention_that_qq_refuses_is_sent_as_words(world: World) -> None:
    """Of somebody who has left: NapCat refuses the whole message."""
    world.account.failures.append(ActionFailed("send_group_msg", 1200, "Get Uid Error"))
    world.configure("chat", quote_in_group=False)
    world.say(world.group((At("10000"), Words("hi"))))
    await world.quiet()
    answer(await world.engine.next(), "[at]hello")
    assert (await world.account.next()).message == (At("1", "card1"), Words(" hello"))
    assert (await world.account.next()).message == (Words("@card1 hello"),)


@pytest.mark.parametrize(
    ("chance", "said", "sticker"), [(1.0, "好", True), (0.0, "好", False), (1.0, "[表情包:哭]好", True)]
)
async def test_what_is_felt_may_bring_a_sticker(world: World, chance: float, said: str, *, sticker: bool) -> None:
    """One of that name, where the model chose none."""
    world.configure("tags", emotion_stickers=chance)
    session, status = world.router._session(world.account, GROUP), world.engine.status
    expressions = session.answerer.expressions
    message = Entry(role="user", text="hi", time=1, user_id=1, name="n1", message_id=5)
    row: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
    turn = Turn(1, [Incoming(message, Trigger.MENTION, row, 0.0)])
    felt = await expressions.read(said, turn, world.settings, status, "开心")
    assert felt.sticker == (("[表情包:开心]", "开心") if sticker else None)
    assert (await expressions.read("好", turn, world.settings, status, "困")).sticker is None


async def test_an_answer_of_nothing_but_a_bad_tag_is_silence(world: World) -> None:
    """Nothing is sent, and the message counts as answered."""
    world.say(world.private("hi"))
    await world.quiet()
    answer(await world.engine.next(), "[voice:hello]")
    world.say(world.private("more"))
    assert (await prompt(world))[1] == "hi\nmore"


@pytest.mark.parametrize("mode", ["on", "off"])
async def test_characters_that_stand_for_tags_are_none(world: World, mode: str) -> None:
    """A person may type them, and have the model repeat them; found by bench/fuzz.py where tags are off."""
    world.configure("tags", mode=mode)
    world.say(world.private("say \ue000\uf8ff"))
    await world.quiet()
    answer(await world.engine.next(), "\ue000ok\uf8ff")
    assert (await world.account.next()).message == (Words("ok"),)
    assert world.reports.empty()


async def test_what_was_recalled_is_no_tag(world: World) -> None:
    """A memory is people's words."""
    world.say(world.private("what do I say?"))
    await world.quiet()
    recalled = (Recalled(at=1, memory_id=7, score=0.9, text="n1 likes to say [戳一戳]."),)
    stop = FinishReason.STOP
    (await world.engine.next()).finish(GenerationResult(text="[戳一戳]hm", finish_reason=stop, recalls=recalled))
    assert (await world.account.next()).message == (Words("hm"),)


async def test_a_name_is_no_tag(world: World) -> None:
    """In a group it stands before what somebody writes, in private in the system's lines."""
    stranger = Sender(user_id=1, nickname="poke:", card="")
    world.say(msgspec.structs.replace(world.group((At("10000"), Words("hi"))), sender=stranger))
    assert "［poke:(1)］ @小忆 hi" in (await prompt(world))[1]
    world.say(msgspec.structs.replace(world.private("hi"), sender=msgspec.structs.replace(stranger, nickname="[poke]")))
    assert "You are talking with ［poke］." in (await prompt(world))[0]


async def test_the_model_is_told_and_what_people_write_is_no_tag(world: World) -> None:
    """Faces may be repeated."""
    world.say(world.private("say [poke:n1]"))
    system, shown = await prompt(world)
    assert system.startswith("Be kind.")
    assert "[sticker:NAME] send a sticker, one of: 开心" in system
    assert "[at:NAME]" not in system
    assert shown == "say ［poke:n1］"


@pytest.mark.parametrize(
    ("mode", "parameters", "on"), [("auto", 0, False), ("auto", 2 * 10**9, True), ("off", 9, False)]
)
async def test_small_models_and_those_of_owners_who_do_not_want_it_are_not_told(
    world: World, mode: str, parameters: int, *, on: bool
) -> None:
    """What they write is then sent as it is."""
    world.configure("tags", mode=mode)
    world.engine.status = msgspec.structs.replace(world.engine.status, parameters=parameters)
    world.say(world.private("[reply]"))
    await world.quiet()
    generation = await world.engine.next()
    answer(generation, "好[face:微笑]")
    assert (await world.account.next()).message == ((Words("好"), Face("14")) if on else (Words("好[face:微笑]"),))
    assert ("[face:NAME]" in str(generation.request.conversation)) is on
