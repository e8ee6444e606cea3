"""The whole application in this process, on the echo engine: start, answer, change, fail, end."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from echo_bot import said, write_config
from fakes import FakeRunner

from onebot_bot.app import App
from onebot_bot.config import Config
from onebot_bot.errors import ConfigError, StoreError
from onebot_bot.memory.chat_settings import ChatSettings, ChatSettingsStore
from onebot_bot.memory.database import Database
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import Forward
from onebot_bot.sections.memory import LearningConfig
from onebot_bot.transport.client import Answer, Call, OneBotClient, ok


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    """A running bot."""
    async with App(write_config(tmp_path)) as running:
        yield running


async def test_the_echo_engine_answers_without_a_model(app: App) -> None:
    """A connection can be tested before gigabytes are downloaded."""
    async with OneBotClient(app.url, 10000, app.token) as client:
        await client.send_event(client.private_message(5, "你好"))
        assert await said(client) == (5, "你好")


async def test_what_qq_leaves_out_is_asked_for(app: App) -> None:
    """What a bundle holds, and who poked."""
    known = {
        "get_forward_msg": {"messages": [{"sender": {"nickname": "Bo"}, "message": "tea is ready"}]},
        "get_stranger_info": {"nickname": "Ann"},
    }

    def on_call(call: Call) -> Answer:
        return ok(known[call.action]) if call.action in known else client.succeed(call)

    async with OneBotClient(app.url, 10000, app.token, on_call=on_call) as client:
        await client.send_event(client.private_message(5, [Forward("77")]))
        assert await said(client) == (5, "> Bo: tea is ready")
        poke = {"post_type": "notice", "notice_type": "notify", "sub_type": "poke", "target_id": 10000}
        await client.send_event({**poke, "time": 1, "self_id": 10000, "user_id": 6, "sender_id": 6})
        assert await said(client) == (6, "（Ann 戳了戳你）")


async def test_the_token_is_made_once(tmp_path: Path) -> None:
    """NapCat keeps working over a restart."""
    path = write_config(tmp_path)
    async with App(path) as app:
        first = app.token
    async with App(path) as app:
        assert app.token == first
    assert (tmp_path / "memory_store" / "token").stat().st_mode & 0o777 == 0o600


async def test_a_port_in_use_is_a_plain_error(app: App, tmp_path: Path) -> None:
    """Naming the keys, and not wrapped in anything."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.toml").write_text(app.path.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"server\.port"):
        async with App(other / "config.toml"):
            pass


async def test_a_second_bot_on_the_same_folder_is_refused(app: App) -> None:
    """Two writers would tear the record apart; what is said is who, not that the port is taken."""
    with pytest.raises(StoreError, match=r"in use by another bot \(process \d+\)"):
        async with App(app.path):
            pass


async def test_personas_lie_beside_config_toml(tmp_path: Path) -> None:
    """A broken one is told to the owner at the start; a choice outlives the next."""
    path = write_config(tmp_path)
    (tmp_path / "personas").mkdir()
    (tmp_path / "personas" / "cat.md").write_text('+++\nname = "猫"\n+++\n你是猫。', encoding="utf-8")
    (tmp_path / "personas" / "bad.md").write_text("你是 {{ nobody }}。", encoding="utf-8")
    async with App(path) as app, OneBotClient(app.url, 10000, app.token) as client:
        who, words = await said(client)
        assert who == 1
        assert "bad.md, line 1: there is no variable `nobody`" in words
        await client.send_event(client.private_message(5, "/persona use cat"))
        assert await said(client) == (5, "好，从现在起我是猫。")
    async with App(path) as app, OneBotClient(app.url, 10000, app.token) as client:
        await client.send_event(client.private_message(5, "/persona"))
        while (told := await said(client))[0] != 5:
            pass
        assert told[1].startswith("现在是猫")


async def test_a_model_that_fails_to_load_is_told_to_the_owner(tmp_path: Path) -> None:
    """Every answer fails with the command that mends it; the process and the commands live on."""
    async with App(write_config(tmp_path, "models/none")) as app, OneBotClient(app.url, 10000, app.token) as client:
        await client.send_event(client.private_message(5, "你好"))
        told = await said(client)
        assert told[0] == 1
        assert "models/none" in told[1]
        await client.send_event(client.private_message(5, "/status"))
        while (told := await said(client))[0] != 5:
            pass
        assert "加载失败" in told[1]


async def test_saved_changes_apply_and_broken_ones_are_told(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a second or so, while the bot runs."""
    async with OneBotClient(app.url, 10000, app.token) as client:
        good = app.path.read_text(encoding="utf-8")
        app.path.write_text(good + "\n[generation]\ntemprature = 1\n", encoding="utf-8")
        owner, text = await said(client)
        assert owner == 1
        assert "did you mean `temperature`?" in text
        applied, hand_over = asyncio.Event(), app.configuration._on_change

        def apply(config: Config) -> None:
            hand_over(config)
            applied.set()

        monkeypatch.setattr(app.configuration, "_on_change", apply)
        app.path.write_text(good.replace("[bot]", '[bot]\nlanguage = "en"'), encoding="utf-8")
        await asyncio.wait_for(applied.wait(), 5)
        await client.send_event(client.private_message(5, "/stop"))
        assert await said(client) == (5, "Nothing is being written.")


async def test_a_friend_request_is_put_before_the_owner(app: App) -> None:
    """Who accepts it with the id in that line; QQ is told with the flag of the request."""
    async with OneBotClient(app.url, 10000, app.token) as client:
        event = {"time": 9, "self_id": 10000, "post_type": "request", "request_type": "friend", "user_id": 5}
        await client.send_event({**event, "comment": "我是小明", "flag": "f"})
        owner, text = await said(client)
        assert owner == 1
        assert "/request accept 1" in text
        await client.send_event(client.private_message(1, "/request accept 1"))
        call = await asyncio.wait_for(client.next_call("set_friend_add_request"), 5)
        assert (call.params["flag"], call.params["approve"]) == ("f", True)


async def test_the_bot_speaks_first_where_somebody_asked_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a chat that has been silent ever since, once the model is loaded and the account is connected."""
    path = write_config(tmp_path, "models/pretended")
    now = datetime.now(ZoneInfo(LearningConfig().timezone))
    hours = f"{(now.hour - 3) % 24}:00-{(now.hour + 3) % 24}:00"
    extra = f'[proactive]\nenabled = true\nhours = "{hours}"\n[generation]\nmax_new_tokens = 3\n'
    path.write_text(path.read_text(encoding="utf-8") + extra, encoding="utf-8")
    async with Database(tmp_path / "memory_store" / "memory.sqlite3") as database:
        await ChatSettingsStore(database).put(ChatId(10000, "private", 5), ChatSettings(first_words_since=1))
    runner: Any = FakeRunner()
    runner.key_view = (np.zeros(4, np.float32), np.eye(4, dtype=np.float32))
    monkeypatch.setattr("onebot_bot.nights.load_runner", lambda *_: runner)
    monkeypatch.setattr("onebot_bot.chat.initiative.SETTLED", 0.0)
    monkeypatch.setattr("onebot_bot.chat.initiative.LOOK_EVERY", 0.01)
    async with App(path) as app, OneBotClient(app.url, 10000, app.token) as client:
        assert await said(client) == (5, "abc")
