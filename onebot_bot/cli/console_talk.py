"""One talk with the bot: what is typed goes out as events, what the bot does is answered and shown."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any, Literal

import msgspec
from msgspec import Struct

from onebot_bot.cli.console_actions import Desk, Said
from onebot_bot.cli.console_commands import (
    Become,
    Enter,
    Help,
    Mention,
    Order,
    Prod,
    Quit,
    Quote,
    Say,
    Show,
    Switch,
    help_lines,
    parse_line,
    read_picture,
)
from onebot_bot.cli.console_texts import tell
from onebot_bot.cli.console_view import Screen, action_line, message_lines, raw_line
from onebot_bot.errors import BotError, CommandError, NotConnected
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import At, Reply, Segment, Text
from onebot_bot.texts import Language
from onebot_bot.transport.client import Answer, Call, OneBotClient

SOMEBODY = 10001
"""Who speaks when config.toml names no owner."""

Lines = AsyncGenerator[str, None]


class Options(Struct, frozen=True, kw_only=True):
    """What the command line and config.toml settle before the console connects."""

    url: str
    token: str
    self_id: int = 10000
    user_id: int = SOMEBODY
    name: str = "小明"
    group_id: int = 0
    """0: the private chat."""
    bot_name: str = "小忆"
    language: Language = "zh"
    prefix: str = "/"
    """What the bot's own commands start with."""
    owned: bool = True
    """Whether the bot has an owner, so that somebody may use every command."""
    refused: str = ""
    """What to say besides the server's own words when it lets nobody in; `{error}` stands for those."""
    echo: bool = False
    """Whether to show what is typed: a terminal does so itself."""
    linger: float = 20.0
    """Seconds to wait for an answer at the end of the input."""
    quiet: float = 4.5
    """Seconds without a further message after which an answer counts as complete, at the end of the input."""
    settle: float = 4.5
    """The same for the trace: no bubble comes later than that."""
    retry: float = 1.0
    """Seconds between attempts to reconnect."""


class Console:
    """One talk with the bot."""

    def __init__(self, options: Options, screen: Screen, client: OneBotClient) -> None:
        self._options = options
        self._language = options.language
        self._screen = screen
        self._client = client
        self._desk = Desk(client, options.bot_name)
        self._desk.names[options.user_id] = options.name
        self._user = options.user_id
        self._group = options.group_id
        self._on = {"trace": False, "raw": False}
        self._loop = asyncio.get_running_loop()
        self._said_at: float | None = None  # loop time of the person's last message; None before the first
        self._active_at = self._loop.time()  # when anything last happened, either way
        self._stirred = asyncio.Event()
        self._commands_owed = 0  # answers the bot still owes to its commands
        self._chat_owed = False  # and to what else was said: a burst gets one answer
        self._typing_shown = False
        self._bubbles: dict[ChatId, Said] = {}  # the bot's latest message in each chat, traces aside
        self._why_chat: ChatId | None = None  # where the answer to our own /why is still to come
        self._why_timer: asyncio.TimerHandle | None = None
        self._why_due = asyncio.Event()

    def prompt(self) -> str:
        """What stands before the line being typed."""
        place = f"[{self._place(self._chat)}] " if self._group else ""
        return f"{place}{self._desk.names[self._user]} › "

    async def run(self, lines: Lines) -> None:
        """Obey lines until `:quit` or their end, and then wait for the answer."""
        self._greet()
        async with asyncio.TaskGroup() as group:
            works = (self._answer_calls(), self._stay_connected(), self._ask_why())
            tasks = [group.create_task(work) for work in works]
            try:
                if await self._obey_all(lines):
                    await self._linger()
            finally:
                self._hold_why()
                for task in tasks:
                    task.cancel()

    def _greet(self) -> None:
        options = self._options
        self._screen.dim(tell(self._language, "hello", url=options.url, who=self._who(), prefix=options.prefix))
        if not options.owned:
            self._screen.dim(tell(self._language, "owners", user=self._user))

    @property
    def _chat(self) -> ChatId:
        if self._group:
            return ChatId(self._options.self_id, "group", self._group)
        return ChatId(self._options.self_id, "private", self._user)

    def _place(self, chat: ChatId) -> str:
        if chat == self._chat and chat.kind == "private":
            return tell(self._language, "place.private")
        return tell(self._language, "place.group" if chat.kind == "group" else "place.with", peer=chat.peer)

    def _who(self) -> str:
        name, place = self._desk.names[self._user], self._place(self._chat)
        return tell(self._language, "who", name=name, user=self._user, place=place)

    # --- what is typed ------------------------------------------------------------------------------------------

    async def _obey_all(self, lines: Lines) -> bool:
        """Whether the input came to its end, rather than to `:quit`."""
        async for line in lines:
            try:
                order = parse_line(line, self._language)
                if isinstance(order, Quit):
                    return False
                if order is not None:
                    await self._obey(order)
            except BotError as error:
                self._screen.error(error)
        return True

    async def _obey(self, order: Order) -> None:
        match order:
            case Say(text):
                await self._say((Text(text),))
            case Mention(text):
                await self._say(self._mention(text))
            case Quote(typed):
                await self._say(self._quote(typed))
            case Show(path, text):
                picture = await asyncio.to_thread(read_picture, path, self._language)
                await self._say((picture, Text(text)) if text else (picture,))
            case Prod():
                await self._poke()
            case _:
                self._adjust(order)

    def _adjust(self, order: Order) -> None:
        """What concerns the console only."""
        match order:
            case Become(user_id, name):
                self._user = user_id
                self._desk.names[user_id] = name
                self._screen.dim(tell(self._language, "now", who=self._who()))
            case Enter(group_id):
                self._group = group_id
                self._screen.dim(tell(self._language, "now", who=self._who()))
            case Switch(name, on):
                self._on[name] = not self._on[name] if on is None else on
                self._screen.dim(tell(self._language, "on" if self._on[name] else "off", name=name))
            case Help():
                self._screen.plain("\n".join(help_lines(self._language, self._options.prefix)))

    def _mention(self, text: str) -> tuple[Segment, ...]:
        if not self._group:
            raise CommandError(tell(self._language, "at.private"))
        return At(str(self._options.self_id)), Text(f" {text}")

    def _quote(self, typed: str) -> tuple[Segment, ...]:
        head, _, rest = typed.partition(" ")
        named = self._desk.said.get(int(head)) if head.isdecimal() and rest else None
        quoted = named or self._bubbles.get(self._chat)
        if quoted is None:
            raise CommandError(tell(self._language, "reply.none"))
        return Reply(str(quoted.id)), Text(rest if named else typed)

    async def _say(self, segments: tuple[Segment, ...]) -> None:
        said = self._desk.say(self._chat, self._user, segments)
        if self._options.echo:
            self._screen.bubble(self._head(said), message_lines(said, self._desk, self._language))
        first = segments[0]
        is_command = isinstance(first, Text) and first.text.startswith(self._options.prefix)
        self._expect(is_command=is_command)
        await self._send(said.event, "kept")

    async def _poke(self) -> None:
        self._expect(is_command=False)
        name = self._desk.names[self._options.self_id]
        self._screen.dim(tell(self._language, "said.poke", name=name))
        await self._send(self._desk.poke(self._chat, self._user), "lost")

    def _expect(self, *, is_command: bool) -> None:
        self._hold_why()
        self._said_at = self._loop.time()
        self._typing_shown = False
        self._commands_owed += is_command
        self._chat_owed |= not is_command
        self._stir()

    async def _send(self, event: dict[str, Any], otherwise: Literal["kept", "lost"]) -> None:
        self._show_raw("→", event)
        try:
            await self._client.send_event(event)
        except NotConnected as error:
            raise CommandError(tell(self._language, otherwise)) from error

    # --- what the bot does --------------------------------------------------------------------------------------

    async def _answer_calls(self) -> None:
        while True:
            call = await self._client.next_call()
            self._client.calls.clear()  # a talk may last for days
            self._show_raw("←", call)
            answer = self._desk.answer(call)
            self._stir()
            self._show(call, answer)
            self._show_raw("→", {**answer, "echo": call.echo})
            with suppress(NotConnected):  # then nobody is left who waits for it
                await self._client.reply(call, answer)

    def _show(self, call: Call, answer: Answer) -> None:
        if said := self._desk.sent_by(call, answer):
            self._show_said(said)
        elif call.action == "set_input_status" and answer["status"] == "ok":
            self._show_typing()
        else:
            self._screen.dim(action_line(call, answer, self._language))

    def _show_typing(self) -> None:
        if not self._typing_shown:
            self._screen.dim(tell(self._language, "typing", name=self._options.bot_name))
        self._typing_shown = True

    def _show_said(self, said: Said) -> None:
        lines = message_lines(said, self._desk, self._language)
        self._typing_shown = False
        if said.chat == self._why_chat:
            self._why_chat = None
            self._screen.dim("\n  ".join(tell(self._language, "trace", text="\n".join(lines)).split("\n")))
            return
        self._screen.bubble(self._head(said), lines)
        self._bubbles[said.chat] = said
        if said.chat == self._chat:
            self._settle()

    def _head(self, said: Said) -> str:
        place = "" if said.chat == self._chat else f"[{self._place(said.chat)}] "
        name = self._desk.names[said.user_id]
        if said.user_id != self._options.self_id or self._said_at is None or place:
            return f"{place}{name}"
        return f"{name} ({self._loop.time() - self._said_at:.1f}s)"

    def _settle(self) -> None:
        """An answer came: commands are answered before what takes thinking."""
        if self._commands_owed:
            self._commands_owed -= 1
            return
        self._chat_owed = False
        if self._on["trace"]:
            self._hold_why()
            self._why_timer = self._loop.call_later(self._options.settle, self._why_due.set)

    def _show_raw(self, arrow: str, frame: object) -> None:
        if self._on["raw"]:
            self._screen.dim(raw_line(arrow, msgspec.to_builtins(frame)))

    # --- the trace ----------------------------------------------------------------------------------------------

    def _hold_why(self) -> None:
        if self._why_timer is not None:
            self._why_timer.cancel()
        self._why_timer = None

    async def _ask_why(self) -> None:
        """Once an answer is complete: a further bubble would be taken for the trace."""
        while True:
            await self._why_due.wait()
            self._why_due.clear()
            self._why_timer = None
            self._why_chat = self._chat
            self._stir()
            said = self._desk.say(self._chat, self._user, (Text(f"{self._options.prefix}why"),))
            with suppress(CommandError):  # the lost connection is told of already
                await self._send(said.event, "kept")

    # --- waiting ------------------------------------------------------------------------------------------------

    def _stir(self) -> None:
        self._active_at = self._loop.time()
        self._stirred.set()

    async def _linger(self) -> None:
        while (left := self._patience()) > 0:
            self._stirred.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stirred.wait(), left)
        if self._is_owed:
            self._screen.dim(tell(self._language, "silent", seconds=self._options.linger))

    @property
    def _is_owed(self) -> bool:
        return self._chat_owed or self._commands_owed > 0 or self._why_chat is not None

    def _patience(self) -> float:
        """Seconds left to wait."""
        if self._why_timer is not None:
            return self._why_timer.when() - self._loop.time() + self._options.linger
        if self._said_at is None:
            return 0
        wait = self._options.linger if self._is_owed else self._options.quiet
        return self._active_at + wait - self._loop.time()

    # --- the connection -----------------------------------------------------------------------------------------

    async def _stay_connected(self) -> None:
        while True:
            await self._client.wait_closed()
            self._why_chat = None
            self._screen.dim(tell(self._language, "lost"))
            await self._redial()
            self._screen.dim(tell(self._language, "back"))

    async def _redial(self) -> None:
        told = ""
        while True:
            try:
                await self._client.connect()
            except NotConnected as error:
                if not isinstance(error.__cause__, OSError) and str(error) != told:
                    told = str(error)
                    self._screen.error(error)
                await asyncio.sleep(self._options.retry)
            else:
                return
