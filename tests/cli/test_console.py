"""The console against a real server: the test plays the bot, and types."""

import argparse
import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from onebot_bot.cli.console import (
    add_console_arguments,
    main_console,
    piped_lines,
    prompted_lines,
    read_options,
    run_console,
)
from onebot_bot.cli.console_talk import Options
from onebot_bot.cli.console_view import Screen
from onebot_bot.errors import ActionFailed, NotConnected
from onebot_bot.protocol.actions import (
    GetFriendMsgHistory,
    GetLoginInfo,
    GetMsg,
    GetVersionInfo,
    SendGroupMsg,
    SendPrivateMsg,
    SetInputStatus,
)
from onebot_bot.protocol.events import Event, GroupMessage, PokeNotice, PrivateMessage
from onebot_bot.protocol.segments import At, Image, Reply, Text, plain_text
from onebot_bot.sections.server import ServerConfig
from onebot_bot.transport.account import Account
from onebot_bot.transport.server import OneBotServer
from onebot_bot.transport.token import TOKEN_FILE

T = TypeVar("T")


async def soon(awaitable: Awaitable[T]) -> T:
    """Wait, but not for ever."""
    return await asyncio.wait_for(awaitable, 5)


class Bot:
    """A server, and what the test makes of it."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Event] = asyncio.Queue()
        self.server: OneBotServer

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.server.port}/onebot/v11/ws"

    @property
    def account(self) -> Account:
        return self.server.accounts[10000]

    @asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator[None]:
        config = ServerConfig(port=port)
        async with OneBotServer(config, "t", lambda _, event: self.heard.put_nowait(event), lambda _: None) as server:
            self.server = server
            yield

    async def hears(self) -> Any:
        return await soon(self.heard.get())

    async def hears_private(self) -> PrivateMessage:
        event = await self.hears()
        assert isinstance(event, PrivateMessage)
        return event

    async def hears_group(self) -> GroupMessage:
        event = await self.hears()
        assert isinstance(event, GroupMessage)
        return event

    async def says(self, text: str, user_id: int = 10001) -> int:
        return int((await soon(self.account.call(SendPrivateMsg(user_id, (Text(text),)))))["message_id"])


class Terminal:
    """What is typed and what is shown."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self._typed: asyncio.Queue[str | None] = asyncio.Queue()
        self._shown: asyncio.Queue[str] = asyncio.Queue()

    def type(self, line: str) -> None:
        self._typed.put_nowait(line)

    def end(self) -> None:
        self._typed.put_nowait(None)

    def write(self, text: str) -> None:
        self.log.append(text)
        self._shown.put_nowait(text)

    async def lines(self) -> AsyncGenerator[str, None]:
        while (line := await self._typed.get()) is not None:
            yield line

    async def sees(self, text: str) -> str:
        """The next thing shown that has `text` in it."""
        while text not in (shown := await soon(self._shown.get())):
            pass
        return shown


@pytest.fixture
async def bot() -> AsyncIterator[Bot]:
    """A bot that listens."""
    bot = Bot()
    async with bot.listening():
        yield bot


@asynccontextmanager
async def talking(url: str, **changes: Any) -> AsyncIterator[Terminal]:
    """A console that has connected; it is left with `:quit`."""
    terminal = Terminal()
    options = Options(url=url, token="t", **{"settle": 0.05, "retry": 0.01, **changes})
    screen = Screen(terminal.write, colour=False)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_console(options, screen, terminal.lines()))
        await terminal.sees(url)
        yield terminal
        terminal.type(":quit")
        await soon(task)


# --- what is typed ------------------------------------------------------------------------------------------------


async def test_a_line_is_a_private_message_and_the_answer_is_a_bubble(bot: Bot) -> None:
    """With who says it and the seconds it took."""
    async with talking(bot.url) as terminal:
        terminal.type("你好")
        message = await bot.hears_private()
        assert (message.user_id, message.sender.nickname, plain_text(message.message)) == (10001, "小明", "你好")
        await bot.says("在\n呢")
        first, second = (await terminal.sees("▏")).split("\n")
        assert first.startswith("小忆 (0.")
        assert first.endswith("s) ▏在")
        assert second.strip() == "▏呢"


async def test_the_person_and_the_place_change(bot: Bot) -> None:
    """A group has its number, the person name and number."""
    async with talking(bot.url, group_id=20001) as terminal:
        terminal.type(":as 10002 小红")
        await terminal.sees("小红（10002），群 20001")
        terminal.type("hi")
        message = await bot.hears_group()
        assert (message.group_id, message.user_id, message.sender.name) == (20001, 10002, "小红")
        terminal.type(":private")
        terminal.type("hi")
        assert (await bot.hears_private()).user_id == 10002
        terminal.type(":group 20002")
        terminal.type("hi")
        assert (await bot.hears_group()).group_id == 20002


async def test_the_bot_is_mentioned_in_a_group_only(bot: Bot) -> None:
    """In private there is nobody else to mention; the line says what to do."""
    async with talking(bot.url) as terminal:
        terminal.type(":at 在吗")
        assert ":group 20001" in await terminal.sees("✗")
        terminal.type(":group 20001")
        terminal.type(":at 在吗")
        assert (await bot.hears_group()).message == (At("10000"), Text(" 在吗"))


async def test_a_reply_quotes_the_last_bubble_or_the_one_named(bot: Bot) -> None:
    """A number that is no message's id belongs to the words."""
    async with talking(bot.url) as terminal:
        terminal.type(":reply 什么")
        await terminal.sees("没有可以引用的消息")
        first = await bot.says("一")
        second = await bot.says("二")
        for typed, expected in (
            ("什么", (second, "什么")),
            (f"{first} 什么", (first, "什么")),
            ("3 个", (second, "3 个")),
        ):
            terminal.type(f":reply {typed}")
            message = await bot.hears_private()
            assert message.message == (Reply(str(expected[0])), Text(expected[1]))


async def test_a_picture_travels_in_its_address(bot: Bot, tmp_path: Path, picture: bytes) -> None:
    """With its size, and the words after it."""
    path = tmp_path / "a b.png"
    path.write_bytes(picture)
    async with talking(bot.url) as terminal:
        terminal.type(f':image "{path}" 看看')
        image, text = (await bot.hears_private()).message
        assert isinstance(image, Image)
        assert image.url.startswith("base64://")
        assert (image.file_size, text) == (str(len(picture)), Text("看看"))
        terminal.type(f":image {tmp_path / 'none.png'}")
        assert "none.png" in await terminal.sees("✗")


async def test_a_poke_is_a_notice(bot: Bot) -> None:
    """In private it names the poker as NapCat does, in a group the group."""
    async with talking(bot.url) as terminal:
        terminal.type(":poke")
        poke = await bot.hears()
        assert isinstance(poke, PokeNotice)
        assert (poke.poker_id, poke.target_id, poke.group_id) == (10001, 10000, 0)
        terminal.type(":group 20001")
        terminal.type(":poke")
        poke = await bot.hears()
        assert isinstance(poke, PokeNotice)
        assert (poke.poker_id, poke.target_id, poke.group_id) == (10001, 10000, 20001)


async def test_an_unknown_command_names_the_nearest(bot: Bot) -> None:
    """And is not sent."""
    async with talking(bot.url) as terminal:
        terminal.type(":trce on")
        assert ":trace" in await terminal.sees("✗")
        terminal.type(":)")
        assert plain_text((await bot.hears_private()).message) == ":)"


async def test_help_lists_every_command(bot: Bot) -> None:
    """In the language of the bot."""
    async with talking(bot.url, language="en", prefix="!") as terminal:
        terminal.type(":help")
        shown = await terminal.sees(":quit  leave")
        assert "send !why after each answer" in shown
        assert len(shown.split("\n")) == 11


async def test_without_an_owner_it_tells_how_to_become_one(bot: Bot) -> None:
    """The line can be copied."""
    async with talking(bot.url, owned=False) as terminal:
        assert "owners = [10001]" in await terminal.sees("owners")


# --- what the bot does --------------------------------------------------------------------------------------------


async def test_it_is_answered_as_by_napcat(bot: Bot) -> None:
    """Login, version, history and single messages; what was asked is one dim line each."""
    async with talking(bot.url) as terminal:
        call = bot.account.call
        assert await soon(call(GetLoginInfo())) == {"user_id": 10000, "nickname": "小忆"}
        assert (await soon(call(GetVersionInfo())))["app_name"] == "onebot-bot console"
        assert await soon(call(GetFriendMsgHistory(10001))) == {"messages": []}
        await terminal.sees("· get_friend_msg_history → []")
        terminal.type("你好")
        asked = await bot.hears_private()
        answered = await bot.says("在")
        messages = (await soon(call(GetFriendMsgHistory(10001))))["messages"]
        assert [message["message_id"] for message in messages] == [asked.message_id, answered]
        assert await soon(call(GetMsg(answered))) == messages[1]
        with pytest.raises(ActionFailed, match="1200: 消息不存在"):
            await soon(call(GetMsg(1)))
        await terminal.sees("· get_msg → 1200 消息不存在")


async def test_typing_is_shown_once_a_bubble(bot: Bot) -> None:
    """However often the bot says so."""
    async with talking(bot.url) as terminal:
        for text in ("一", "二"):
            for _ in range(2):
                await soon(bot.account.call(SetInputStatus(10001)))
            await bot.says(text)
            await terminal.sees(text)
    assert [line for line in terminal.log if "正在输入" in line] == ["· 小忆 正在输入……"] * 2


async def test_another_chat_is_named(bot: Bot) -> None:
    """What is said elsewhere is no answer to what was said here."""
    async with talking(bot.url) as terminal:
        terminal.type("你好")
        await bot.hears()
        await soon(bot.account.call(SendGroupMsg(20001, (Text("大家好"),))))
        assert await terminal.sees("大家好") == "[群 20001] 小忆 ▏大家好"


async def test_raw_frames_are_shown_on_demand(bot: Bot) -> None:
    """Both ways, with the id of the message."""
    async with talking(bot.url) as terminal:
        terminal.type(":raw on")
        terminal.type("你好")
        message = await bot.hears_private()
        assert f'"message_id": {message.message_id}' in await terminal.sees("· → {")
        await bot.says("在")
        assert '"action": "send_private_msg"' in await terminal.sees("· ← {")
        terminal.type(":raw")
        await terminal.sees("raw 关了")


async def test_the_trace_asks_why_once_the_answer_is_complete(bot: Bot) -> None:
    """It is shown apart, asks only after an answer, and is not what `:reply` quotes."""
    async with talking(bot.url) as terminal:
        terminal.type(":trace on")
        terminal.type("你好")
        await bot.hears()
        bubble = await bot.says("在")
        assert plain_text((await bot.hears_private()).message) == "/why"
        await bot.says("想起了 #3")
        assert await terminal.sees("想起了") == "· 回想 ▏想起了 #3"
        terminal.type(":reply 嗯")
        assert (await bot.hears_private()).message[0] == Reply(str(bubble))


async def test_the_answer_to_a_command_is_not_traced(bot: Bot) -> None:
    """It recalls nothing: the next thing heard is what was typed next."""
    async with talking(bot.url, settle=0) as terminal:
        terminal.type(":trace on")
        terminal.type("/status")
        await bot.hears()
        await bot.says("好")
        await terminal.sees("好")
        terminal.type("你好")
        assert plain_text((await bot.hears_private()).message) == "你好"


# --- the connection -----------------------------------------------------------------------------------------------


async def test_it_comes_back_when_the_bot_does(bot: Bot) -> None:
    """What was typed meanwhile is in the history, where the bot looks after an outage."""
    again = Bot()
    async with talking(bot.url) as terminal:
        port = bot.server.port
        await bot.server._stop()
        await terminal.sees("连接断了")
        terminal.type("还在吗")
        await terminal.sees("留在聊天记录里")
        async with again.listening(port):
            await terminal.sees("又连上了")
            (kept,) = (await soon(again.account.call(GetFriendMsgHistory(10001))))["messages"]
            assert kept["raw_message"] == "还在吗"
            await again.says("在")
            await terminal.sees("▏在")
            assert sum("连接断了" in line for line in terminal.log) == 1


async def test_a_bot_that_is_not_running_is_an_error_with_the_fix() -> None:
    """It names both ways to start it."""
    with pytest.raises(NotConnected, match=r"make run.*onebot-bot run"):
        await run_console(Options(url="ws://127.0.0.1:1/ws", token=""), Screen(print, colour=False), piped_lines([]))


async def test_a_wrong_token_is_told_in_the_servers_words(bot: Bot) -> None:
    """And where the console's own came from."""
    options = Options(url=bot.url, token="wrong", refused="{error} -- from there")
    with pytest.raises(NotConnected, match=r"refused with 401: .*access token is wrong.* -- from there"):
        await run_console(options, Screen(print, colour=False), piped_lines([]))


# --- from the command line ----------------------------------------------------------------------------------------


def parsed(*arguments: str) -> argparse.Namespace:
    """What the command line gives."""
    parser = argparse.ArgumentParser()
    add_console_arguments(parser)
    return parser.parse_args(arguments)


async def answer_one(bot: Bot, text: str) -> None:
    """Answer the next message."""
    message = await bot.hears_private()
    await bot.says(text, message.user_id)


async def test_a_pipe_is_read_and_the_answer_awaited(bot: Bot) -> None:
    """The end of the input is not the end of the talk; what was said is shown too."""
    out = io.StringIO()
    options = Options(url=bot.url, token="t", echo=True, linger=5, quiet=0.05)
    screen = Screen(lambda text: print(text, file=out), colour=False)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_console(options, screen, piped_lines(io.StringIO("你好\n\n"))))
        await answer_one(bot, "在呢")
        await soon(task)
    assert "小明 ▏你好\n" in out.getvalue()
    assert "▏在呢\n" in out.getvalue()
    assert "没有更多回复" not in out.getvalue()


async def test_the_answer_to_a_command_is_not_taken_for_the_others(bot: Bot) -> None:
    """Commands are answered at once, the rest takes thinking."""
    terminal = Terminal()
    options = Options(url=bot.url, token="t", linger=5, quiet=0)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_console(options, Screen(terminal.write, colour=False), terminal.lines()))
        for line in ("/status", "你好"):
            terminal.type(line)
        terminal.end()
        await bot.hears()
        await bot.hears()
        await bot.says("状态")
        await terminal.sees("状态")
        assert not task.done()
        await bot.says("在呢")
        await soon(task)
    assert "▏在呢" in terminal.log[-1]


async def test_no_answer_is_told(bot: Bot, tmp_path: Path) -> None:
    """After --linger seconds, which is not an error of the console's."""
    args = parsed("--url", bot.url, "--token", "t", "--linger", "0.05", "--config", str(tmp_path / "none.toml"))
    out = io.StringIO()
    assert await soon(main_console(args, io.StringIO("你好\n"), out)) == 0
    assert plain_text((await bot.hears_private()).message) == "你好"
    assert "等了 0.05 秒没有更多回复" in out.getvalue()


async def test_errors_are_one_line_and_exit_code_one(tmp_path: Path) -> None:
    """Here there is no config.toml."""
    out = io.StringIO()
    assert await main_console(parsed("--config", str(tmp_path / "none.toml")), io.StringIO(), out) == 1
    assert out.getvalue().startswith("✗ ")
    assert "none.toml does not exist" in out.getvalue()


def test_options_come_from_the_configuration(tmp_path: Path) -> None:
    """Address, token, the first owner, the bot's first name, the language and the prefix."""
    path = tmp_path / "config.toml"
    path.write_text(
        '[bot]\nowners = [5, 6]\nnames = ["Yi"]\nlanguage = "en"\n[server]\nhost = "0.0.0.0"\nport = 7000\n'
        '[commands]\nprefixes = ["!"]\n[chat]\nmax_delay = 1.5\n',
        encoding="utf-8",
    )
    (tmp_path / TOKEN_FILE).parent.mkdir()
    (tmp_path / TOKEN_FILE).write_text("kept\n", encoding="utf-8")
    options = read_options(parsed("--config", str(path)))
    assert (options.url, options.token) == ("ws://127.0.0.1:7000/onebot/v11/ws", "kept")
    assert (options.user_id, options.bot_name, options.language, options.prefix) == (5, "Yi", "en", "!")
    assert (options.owned, options.settle) == (True, 2.0)


def test_what_is_typed_comes_first(tmp_path: Path) -> None:
    """Also over config.toml, whose token goes nowhere but to its own address."""
    path = tmp_path / "config.toml"
    path.write_text('[server]\ntoken = "own"\nhost = "::1"\n', encoding="utf-8")
    assert read_options(parsed("--config", str(path))).url == "ws://[::1]:6790/onebot/v11/ws"
    assert not read_options(parsed("--config", str(path))).owned
    options = read_options(parsed("--config", str(path), "--url", "ws://x/", "--as", "7", "--group", "8"))
    assert (options.url, options.token, options.user_id, options.group_id) == ("ws://x/", "", 7, 8)


@pytest.mark.parametrize("number", ["0", "-5", "小明", "9999999999999999999"])
def test_numbers_are_checked(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is connected."""
    with pytest.raises(SystemExit):
        parsed("--as", number)
    assert "is not a number such as 10001" in capsys.readouterr().err


async def test_the_prompt_takes_lines_until_it_is_left() -> None:
    """Ctrl-D is `:quit`."""
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        keys.send_text("你好\r\x04")
        lines = prompted_lines(lambda: "小明 › ")
        assert [await soon(anext(lines)) for _ in range(2)] == ["你好", ":quit"]
        await lines.aclose()
