"""Pictures in a chat: who is shown which, in time, within the budget, and never anywhere else."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fakes import FakeAccount, FakeClock, ScriptedEngine, answer, until
from PIL import Image as Pillow
from PIL import ImageColor
from watching import concluded
from world import World

from onebot_bot.chat.eyes import Eyes
from onebot_bot.chat.files import Files
from onebot_bot.chat.router import ChatRouter
from onebot_bot.engine.request import Generation, Picture, Text
from onebot_bot.errors import ActionFailed, MediaError
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History
from onebot_bot.memory.pictures import PictureStore
from onebot_bot.protocol.actions import GetFile, GetImage, GetMsg
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import FriendRecall, GroupRecall
from onebot_bot.protocol.segments import At, Forward, Image, Reply, Segment, Video, encode_message
from onebot_bot.protocol.segments import Text as Words
from onebot_bot.sections.model import VisionConfig
from onebot_bot.transport.media import fetch_media

ALICE = ChatId(10000, "private", 1)
COLOURS = ("red", "lime", "blue", "yellow", "black", "white")
SIDE = 20


def drawn(colour: str, side: int = SIDE) -> bytes:
    """A square of that colour."""
    out = io.BytesIO()
    Pillow.new("RGB", (side, side), colour).save(out, "PNG")
    return out.getvalue()


def colour_of(data: bytes) -> str:
    """Which of the colours it is."""
    found = Pillow.open(io.BytesIO(data)).convert("RGB").getpixel((0, 0))
    assert isinstance(found, tuple)
    return min(COLOURS, key=lambda name: sum(abs(a - b) for a, b in zip(ImageColor.getrgb(name), found, strict=True)))


def picture(colour: str) -> Image:
    """One that somebody sends."""
    return Image(file=f"{colour}.png", url=f"https://qq.example/{colour}")


def shown(generation: Generation) -> list[str]:
    """What the model is shown, turn by turn, the persona left out; pictures as `<red>`."""
    turns = [turn for turn in generation.request.conversation.turns if turn.role != "system"]
    return ["".join(_shown(part) for part in turn.parts) for turn in turns]


def _shown(part: object) -> str:
    if isinstance(part, Picture):
        return f"<{colour_of(part.data)}>"
    assert isinstance(part, Text)
    return part.text


class Web:
    """Where pictures lie: by the last part of the address. What a gate holds is on the way until that opens."""

    def __init__(self) -> None:
        self.files = {colour: drawn(colour) for colour in COLOURS}
        self.asked: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    async def __call__(self, source: str, max_bytes: int, timeout: float) -> bytes:  # noqa: ASYNC109 - the real one's
        """The file, or MediaError."""
        if source.startswith("base64://"):
            return await fetch_media(source, max_bytes, timeout)
        name = source.rpartition("/")[2]
        self.asked.append(name)
        if name in self.gates:
            await self.gates[name].wait()
        if name not in self.files:
            raise MediaError(f"{source}: expired")
        return self.files[name]


class PictureAccount(FakeAccount):
    """An account that knows fresh addresses, by file, and old messages, by id: `answers`."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str | int, Any] = {}
        self.asked: list[Any] = []

    async def call(self, action: Any, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - the real one's
        """Note what is asked of pictures."""
        if isinstance(action, GetMsg) and action.message_id in self.answers:
            return self.answers[action.message_id]
        if not isinstance(action, GetImage | GetFile):
            return await super().call(action, timeout)
        self.asked.append(action)
        name = action.file if isinstance(action, GetImage) else action.file_id
        if name not in self.answers:
            raise ActionFailed(action.name, 1200, "file not found")
        return self.answers[name]


class Sights(World):
    """A world whose model sees."""

    def __init__(self, engine: ScriptedEngine, clock: FakeClock, database: Database, folder: Path) -> None:
        super().__init__(engine, clock, History(database))
        self.account = self.accounts[10000] = PictureAccount()
        self.web = Web()
        self.folder = folder
        self.vision = VisionConfig(fetch_timeout=5.0)
        self.store = PictureStore(database, folder, lambda: 10**6)
        self.see(sees=True)
        self.eyes = Eyes(
            self.store,
            Files(self.accounts, self.web),
            config=lambda: self.vision,
            sees=lambda _: engine.status.sees,
            clock=clock,
        )

    def see(self, *, sees: bool) -> None:
        """Whether the model does."""
        self.engine.status = msgspec.structs.replace(self.engine.status, sees=sees)

    def look(self, **values: Any) -> None:
        """Change [vision]."""
        self.vision = msgspec.structs.replace(self.vision, **values)

    @property
    def files(self) -> int:
        """Pictures on the disk."""
        return len(list(self.folder.glob("*.jpg")))

    async def chat(self, *segments: Segment) -> list[str]:
        """Alice says something and is answered; what the model was shown."""
        generation = await self.asks(*segments)
        answer(generation, "ok")
        await self.account.next()
        await concluded(self)
        return shown(generation)


@pytest.fixture
async def world(engine: ScriptedEngine, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Sights]:
    """A running router with eyes."""
    async with Database(tmp_path / "memory.sqlite3") as database:
        made = Sights(engine, clock, database, tmp_path / "pictures")
        services = msgspec.structs.replace(made.services(), eyes=made.eyes)
        async with made.eyes, ChatRouter(services, made, made.accounts, made.sessions, made.fill_gap) as router:
            made.router = router
            yield made


# --- what is shown -------------------------------------------------------------------------------------------------


async def test_a_picture_stands_where_it_was_sent(world: Sights) -> None:
    """Between the words, also when somebody types the word for one."""
    said = await world.chat(Words(" [图片] look "), picture("red"), Words(" and "), picture("blue"))
    assert said == ["[图片] look <red> and <blue>"]


async def test_a_picture_brings_the_words_that_a_blind_model_reads(world: Sights) -> None:
    """Which model answers may change until the prompt is rendered."""
    generation = await world.asks(picture("red"), Words("这是什么？"))
    parts = generation.request.conversation.turns[-1].parts
    assert [part.words for part in parts if isinstance(part, Picture)] == ["[图片]"]


async def test_it_is_fetched_while_the_message_waits(world: Sights) -> None:
    """Before the merge window has passed, and only once."""
    world.say(world.private((picture("red"),)))
    await until(lambda: bool(world.sessions) and world.files == 1)
    world.say(world.private("what is it?"))
    await world.quiet()
    assert shown(await world.engine.next()) == ["<red>\nwhat is it?"]
    assert world.web.asked == ["red"]


async def test_history_keeps_its_pictures(world: Sights) -> None:
    """Turn after turn, without being fetched again; nobody who typed in between is in the way."""
    await world.chat(picture("red"), Words("mine"))
    await world.chat(Words("hm"))
    assert await world.chat(Words("and now?")) == ["<red>mine", "ok", "hm", "ok", "and now?"]
    assert world.web.asked == ["red"]


async def test_what_others_sent_in_a_group_is_seen_when_somebody_asks(world: Sights) -> None:
    """Nothing is fetched before: most pictures of a group are never asked about."""
    world.say(world.group((picture("red"), Words("my cat")), user=2))
    await world.settled()
    assert world.web.asked == []
    world.say(world.group((At("10000"), Words("what colour is it?")), user=3))
    await world.quiet()
    assert shown(await world.engine.next()) == [
        "[card2(2)] <red>my cat\n[card3(3)] @小忆 what colour is it?",
    ]


async def test_a_quoted_picture_is_shown_where_it_is_quoted(world: Sights) -> None:
    """Though it was said before what the model is shown."""
    world.configure("chat", history_messages=1)
    await world.chat(picture("red"), Words("one"))
    first = (await world.history.recent(ALICE, 2))[0].message_id
    await world.chat(Words("two"))
    assert (await world.chat(Reply(str(first)), Words("and this?")))[-1] == "<red>（回复 n1：“[图片]one”）and this?"


async def test_pictures_in_a_bundle_are_shown_before_its_words(world: Sights) -> None:
    """Also later, from the record; stickers are words there too."""
    held = (Words("look"), picture("red"), Image(file="s.gif", sub_type=1))
    bundle = Forward("1", content=[{"sender": {"nickname": "Bo"}, "message": encode_message(held)}])
    seen = "<red>[聊天记录]\n> Bo: look[图片][表情包]"
    assert await world.chat(bundle) == [seen]
    assert (await world.chat(picture("blue"), Words("and this?")))[::2] == [seen, "<blue>and this?"]
    assert world.web.asked == ["red", "blue"]


async def test_a_picture_in_a_quote_from_before_the_record_is_shown(world: Sights) -> None:
    """QQ is asked for the message; its picture is kept with the one that quotes it."""
    head = {"time": 5, "self_id": 10000, "post_type": "message", "message_type": "private", "sub_type": "friend"}
    who = {"user_id": 1, "sender": {"user_id": 1, "nickname": "n1"}}
    world.account.answers[77] = {**head, **who, "message_id": 77, "message": encode_message((picture("red"),))}
    seen = "<red>（回复 n1：“[图片]”）and this?"
    assert await world.chat(Reply("77"), Words("and this?")) == [seen]
    assert (await world.chat(Words("so?")))[0] == seen
    assert world.web.asked == ["red"]


async def test_the_newest_are_shown(world: Sights) -> None:
    """The others stay words; what is answered must stay when the window is cut, all parts of it."""
    world.look(max_pictures=2)
    await world.chat(picture("red"), picture("lime"))
    generation = await world.asks(Words("and "), picture("blue"), Words("?"))
    assert shown(generation) == ["[图片]<lime>", "ok", "and <blue>?"]
    assert generation.request.conversation.keep == 3


async def test_together_they_keep_to_the_budget(world: Sights) -> None:
    """Of pixels, the newest first; one alone is scaled down to it."""
    world.look(prompt_megapixels=0.02, picture_megapixels=0.01)
    for colour in ("red", "lime", "blue"):
        world.web.files[colour] = drawn(colour, side=300)
    assert await world.chat(picture("red"), picture("lime"), picture("blue")) == ["[图片]<lime><blue>"]


async def test_stickers_stay_words(world: Sights) -> None:
    """They stand for a feeling."""
    sticker = Image(file="a.gif", url="https://qq.example/red", sub_type=1, summary="[动画表情]")
    assert await world.chat(sticker) == ["[表情包]"]
    assert world.web.asked == []


@pytest.mark.parametrize("blind", ["model", "setting"])
async def test_without_eyes_nothing_is_fetched(world: Sights, blind: str) -> None:
    """A text model is shown words, and so is any with `max_pictures = 0`."""
    world.see(sees=blind != "model")
    world.look(max_pictures=0 if blind == "setting" else 4)
    assert await world.chat(picture("red"), Words("see?")) == ["[图片]see?"]
    assert (world.web.asked, world.account.asked, world.files) == ([], [], 0)


async def test_words_that_were_made_otherwise_keep_their_pictures(world: Sights) -> None:
    """The bot went by another language then: the picture stands behind the words."""
    segments = [{"type": "image", "data": {"file": "red.png", "url": "https://qq.example/red"}}]
    entry = Entry(role="user", text="[picture]", time=1, user_id=1, name="n1", message_id=77, segments=segments)
    await world.history.append(ALICE, entry)
    assert await world.chat(Words("well?")) == ["[picture]<red>\nwell?"]


# --- what cannot be shown ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fresh",
    [
        {"url": "https://qq.example/blue"},
        {"base64": base64.b64encode(drawn("blue")).decode(), "url": "", "file": "/app/x.png"},
    ],
    ids=["address", "file"],
)
async def test_an_address_that_ran_out_is_asked_for_anew(world: Sights, fresh: dict[str, str]) -> None:
    """By get_image, which gives another address or the file itself."""
    world.account.answers["old.png"] = fresh
    assert await world.chat(Image(file="old.png", url="https://qq.example/gone")) == ["<blue>"]
    assert world.account.asked == [GetImage("old.png")]


async def test_what_cannot_be_fetched_is_told(world: Sights) -> None:
    """In words, and it is not asked for again."""
    lost = Image(file="lost.png", url="https://qq.example/lost")
    assert await world.chat(lost, Words("nice?")) == ["[图片：打不开]nice?"]
    assert await world.chat(Words("so?")) == ["[图片：打不开]nice?", "ok", "so?"]
    assert (world.web.asked, len(world.account.asked)) == (["lost"], 1)


async def test_what_cannot_be_read_is_told(world: Sights) -> None:
    """As something else than what cannot be fetched."""
    world.web.files["red"] = b"no picture"
    assert await world.chat(picture("red")) == ["[图片：已损坏]"]


async def test_what_is_too_large_is_not_fetched(world: Sights) -> None:
    """QQ says how large it is."""
    large = Image(file="l.png", url="https://qq.example/red", file_size=str(10**9))
    assert await world.chat(large) == ["[图片：太大]"]
    assert world.web.asked == []


async def test_an_answer_waits_no_longer_than_it_may(world: Sights) -> None:
    """Then it is written without; what comes late is seen by the next."""
    world.web.gates["red"] = asyncio.Event()
    world.say(world.private((picture("red"), Words("quick!"))))
    await world.quiet()
    await until(lambda: bool(world.clock.sleeping))
    assert world.engine.requests.empty()
    world.clock.advance(5.0)
    late = await world.engine.next()
    assert shown(late) == ["[图片：打不开]quick!"]
    answer(late, "ok")
    await world.account.next()
    world.web.gates["red"].set()
    await until(lambda: world.files == 1)
    assert await world.chat(Words("now?")) == ["<red>quick!", "ok", "now?"]


async def test_one_slow_picture_does_not_hold_the_others(world: Sights) -> None:
    """Those that are there are shown."""
    world.web.gates["red"] = asyncio.Event()
    world.say(world.private((picture("red"), picture("blue"))))
    await world.quiet()
    await until(lambda: bool(world.clock.sleeping) and len(world.eyes._gathering.running) == 1)
    world.clock.advance(5.0)
    assert shown(await world.engine.next()) == ["[图片：打不开]<blue>"]


# --- videos --------------------------------------------------------------------------------------------------------


async def test_a_video_is_shown_by_its_frames(world: Sights) -> None:
    """Behind the word for it; without an address it is asked for by its file."""
    av = pytest.importorskip("av", reason="PyAV is an extra")
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=4)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for colour in ("red", "red", "blue", "blue"):
            container.mux(stream.encode(av.VideoFrame.from_image(Pillow.new("RGB", (64, 64), colour))))
        container.mux(stream.encode())
    world.web.files["film"] = out.getvalue()
    world.account.answers["film.mp4"] = {"url": "https://qq.example/film"}
    world.look(video_frames=2)
    assert await world.chat(Video(file="film.mp4"), Words("!")) == ["[视频]<red><blue>!"]
    assert world.account.asked == [GetFile("film.mp4")]


async def test_without_a_player_the_model_is_told(world: Sights, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is fetched; a picture beside it is seen all the same. No frames wanted: it is a word like others."""
    monkeypatch.setattr("onebot_bot.chat.eyes.can_watch", lambda: False)
    film = Video(file="film.mp4", url="https://qq.example/film")
    assert await world.chat(film, picture("red")) == ["[视频：看不了]<red>"]
    world.look(video_frames=0)
    assert (await world.chat(Words("?")))[0] == "[视频]<red>"
    assert world.web.asked == ["red"]


# --- whose they are ------------------------------------------------------------------------------------------------


async def test_a_picture_stays_in_its_chat(world: Sights) -> None:
    """Neither another's window nor a quote of its number reaches it."""
    await world.chat(picture("red"), Words("secret"))
    number = (await world.history.recent(ALICE, 2))[0].message_id
    for fields in ({"user": 2}, {"user": 1, "self_id": 10001}):
        generation = await world.asks(Reply(str(number)), Words("show me"), **fields)
        assert shown(generation) == ["show me"]


async def test_a_recalled_picture_is_gone(world: Sights) -> None:
    """From the model's view and from the disk."""
    await world.chat(picture("red"), Words("oops"))
    number = (await world.history.recent(ALICE, 2))[0].message_id
    recall = FriendRecall(time=2, self_id=10000, user_id=1, message_id=number or 0)
    world.router.dispatch(world.account, recall)
    await until(lambda: world.files == 0)
    assert await world.chat(Words("hi")) == ["ok", "hi"]


async def test_a_picture_that_is_recalled_on_its_way_is_not_kept(world: Sights) -> None:
    """Nor does its message reach the model, which has waited for it."""
    world.web.gates["red"] = asyncio.Event()
    oops = world.private((picture("red"), Words("oops")))
    world.say(oops)
    world.say(world.private("hi"))
    await world.quiet()
    await until(lambda: bool(world.clock.sleeping))
    world.router.dispatch(world.account, FriendRecall(time=2, self_id=10000, user_id=1, message_id=oops.message_id))
    await world.settled()
    world.web.gates["red"].set()
    assert shown(await world.engine.next()) == ["hi"]
    assert world.files == 0


async def test_what_is_recalled_while_an_answer_waits_for_pictures_is_not_shown(world: Sights) -> None:
    """The record is read once more when they are there."""
    world.web.gates["red"] = asyncio.Event()
    secret = world.group("my password is hunter2", user=2)
    world.say(secret)
    world.say(world.group((At("10000"), picture("red")), user=3))
    await world.quiet()
    await until(lambda: bool(world.clock.sleeping))
    world.router.dispatch(
        world.account, GroupRecall(time=2, self_id=10000, group_id=77, user_id=2, message_id=secret.message_id)
    )
    await world.settled()
    world.web.gates["red"].set()
    assert shown(await world.engine.next()) == ["[card3(3)] @小忆 <red>"]


async def test_what_a_command_takes_back_is_gone_at_once(world: Sights) -> None:
    """As after /undo, or when a memory of the message is forgotten."""
    await world.chat(picture("red"))
    await world.history.undo(ALICE, 1)
    assert world.files == 1
    world.say(world.private("/undo"))
    await until(lambda: world.files == 0)
