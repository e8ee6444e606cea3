"""Which model a chat asks: the chosen profile's, by its settings, and the main one where that cannot be had."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from fakes import FakeClock, ScriptedEngine, answer, until
from world import World

from onebot_bot.chat.journal import Journal, TurnLine
from onebot_bot.chat.presence import Presence
from onebot_bot.chat.profiles import Written, explain_writer, sees, status_for
from onebot_bot.chat.router import ChatRouter
from onebot_bot.engine.request import EngineStatus, Generation, ProfileState
from onebot_bot.errors import ProfileError
from onebot_bot.memory.chat_settings import ChatSettings
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import History
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.sections.profiles import ProfileConfig, choose
from onebot_bot.texts import say

ALICE, BOB = (ChatId(10000, "private", user) for user in (1, 2))


@pytest.fixture
async def world(engine: ScriptedEngine, clock: FakeClock, tmp_path: Path) -> AsyncIterator[World]:
    """A router where Alice chose a profile."""
    async with Database(tmp_path / "memory.sqlite3") as database:
        made = World(engine, clock, History(database))
        async with _choosing(made) as router:
            made.router = router
            yield made


def _choosing(made: World, journal: Journal | None = None) -> ChatRouter:
    profiles = {"reason": ProfileConfig(thinking=True, max_thinking=64, temperature=0.1, timeout=600.0)}
    made.settings = msgspec.structs.replace(made.settings, profiles=profiles)
    own = {ALICE: ChatSettings(profile="reason")}
    presence = Presence(lambda chat: own.get(chat, ChatSettings()))
    services = msgspec.structs.replace(made.services(), presence=presence, journal=journal or Journal())
    return ChatRouter(services, made, made.accounts, made.sessions, made.fill_gap)


async def asked(world: World, user: int = 1) -> Generation:
    """Somebody says something; what the model is given for it."""
    world.say(world.private("why?", user))
    await world.quiet()
    return await world.engine.next()


async def written(world: World, chat: ChatId) -> Written:
    """Who wrote the answer that is sent now."""
    await world.account.next()
    await until(lambda: not world.sessions[chat].busy)
    return world.sessions[chat].answerer.last_written


async def test_a_chat_is_answered_by_the_profile_it_chose(world: World) -> None:
    """Its model, and of [generation] what it decides."""
    request = (generation := await asked(world)).request
    assert (request.profile, request.timeout) == ("reason", 600.0)
    assert (request.sampling.temperature, request.sampling.max_thinking_tokens) == (0.1, 64)
    assert request.sampling.max_new_tokens == world.settings.generation.max_new_tokens
    assert request.conversation.thinking
    answer(generation, "ok")
    assert await written(world, ALICE) == Written("reason")


async def test_the_others_are_answered_by_the_default(world: World) -> None:
    """Which is the main model unless `chat.profile` names another."""
    request = (generation := await asked(world, 2)).request
    assert (request.profile, request.conversation.thinking) == ("", False)
    answer(generation, "ok")
    assert await written(world, BOB) == Written("chat")
    world.configure("chat", profile="reason")
    assert (await asked(world, 2)).request.profile == "reason"


async def test_the_turn_log_names_who_answered(engine: ScriptedEngine, clock: FakeClock, tmp_path: Path) -> None:
    """The chosen profile, or the main model's where that had to answer instead."""
    lines: list[TurnLine] = []
    async with Database(tmp_path / "memory.sqlite3") as database:
        world = World(engine, clock, History(database))
        async with _choosing(world, Journal(lambda _, line: lines.append(line))) as router:
            world.router = router
            answer(await asked(world), "ok")
            await until(lambda: len(lines) == 1)
            (await asked(world)).finish(ProfileError("reason", "no such folder"))
            answer(await world.engine.next(), "ok")
            await until(lambda: len(lines) == 2)
    assert [line.profile for line in lines] == ["reason", "chat"]
    assert [b'"profile"' in msgspec.json.encode(line) for line in lines] == [True, False]


async def test_a_profile_that_is_gone_leaves_the_main_model(world: World) -> None:
    """What was chosen stays chosen, should it come back."""
    world.settings = msgspec.structs.replace(world.settings, profiles={})
    assert (await asked(world)).request.profile == ""


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [(("a", "b"), "a"), (("gone", "b"), "b"), ((None, "b"), "b"), (("chat", "b"), "chat"), (("gone", "gone"), "chat")],
)
def test_the_first_that_is_there_is_chosen(wanted: tuple[str | None, str], expected: str) -> None:
    """A chat's own choice, the default, the main model."""
    assert choose({"a", "b"}, *wanted) == expected


async def test_where_its_model_cannot_be_had_the_main_one_answers(world: World) -> None:
    """By its own settings; the owner hears why, and the chat gets its answer."""
    error = ProfileError("reason", "no such folder")
    (await asked(world)).finish(error)
    request = (second := await world.engine.next()).request
    assert (request.profile, request.conversation.thinking) == ("", False)
    answer(second, "ok")
    assert await written(world, ALICE) == Written("chat", "reason")
    assert world.reports.get_nowait() == ("report.profile", error)
    assert world.reports.empty()


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (ProfileState(state="main", sees=True), False),
        (ProfileState(state="failed", sees=True), False),
        (ProfileState(state="ready", sees=True), True),
        (ProfileState(state="absent", sees=True), True),
        (ProfileState(state="absent"), False),
    ],
)
def test_pictures_are_for_the_model_that_answers(state: ProfileState, expected: bool) -> None:  # noqa: FBT001 - a case
    """Where that is the main one, for it."""
    status = EngineStatus(state="ready", model="m", profiles={"reason": state})
    assert sees(status, "reason", expected=True) is expected
    assert sees(msgspec.structs.replace(status, sees=True), "chat", expected=False)


def test_while_the_main_model_loads_it_may_see() -> None:
    """Whoever writes meanwhile is answered by it."""
    status = EngineStatus(state="loading", model="m")
    assert [sees(status, "reason", expected=expected) for expected in (True, False)] == [True, False]


def test_a_chat_knows_how_large_its_model_is() -> None:
    """The main one's size, where that answers."""
    small = ProfileState(state="absent", parameters=5)
    status = EngineStatus(
        state="ready", model="m", parameters=9, profiles={"small": small, "same": ProfileState(state="main")}
    )
    assert [status_for(status, name).parameters for name in ("small", "same", "chat", "")] == [5, 9, 9, 9]


def test_who_wrote_is_told_in_words() -> None:
    """The main model's own answers need none."""
    assert explain_writer(Written(), "zh") == ""
    assert explain_writer(Written("reason"), "zh") == say("zh", "why.profile", profile="reason")
    assert explain_writer(Written("chat", "reason"), "en") == say("en", "why.instead", profile="reason")
