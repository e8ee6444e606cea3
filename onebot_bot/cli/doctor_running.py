"""What doctor asks a bot that runs, and reads in its log."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import date, timedelta
from http import HTTPStatus
from pathlib import Path

from onebot_bot.cli.finding import Finding
from onebot_bot.config import Config
from onebot_bot.errors import NotConnected
from onebot_bot.sections.server import ServerConfig
from onebot_bot.transport.handshake import SUGGESTED_PATH
from onebot_bot.transport.status import AccountStatus, Refused, ask_status

READ = 2 * 2**20
"""Bytes at the end of the log that are looked at."""
OFTEN = 5
"""So many errors of one id within two days are told."""
LATE = 120.0
"""Seconds without a heartbeat; NapCat sends one every 30 as it comes."""
RECENT = 600.0
"""Seconds for which a refusal is told: a client that is set up wrongly dials every few seconds."""
SKEW = 120.0
"""Seconds by which two clocks may differ."""
_NAPCAT = "在 NapCat 的网络配置里检查 WebSocket 客户端：已启用，URL 和 Token 跟启动时显示的一样；再重启 NapCat。"
_ERROR = re.compile(r"(?P<day>\d\d-\d\d) \d\d:\d\d:\d\d \[(?:ERROR|CRITICAL)\] (?P<text>.*) \[(?P<code>OB-\d{4})\]")


def url_of(config: ServerConfig, scheme: str) -> str:
    """Where this bot is reached from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(config.host, config.host)  # noqa: S104 - compared, not bound
    return f"{scheme}://{host}:{config.port}{SUGGESTED_PATH}"


async def check_links(config: ServerConfig, token: str, seconds: float, owners: Collection[int] = ()) -> list[Finding]:
    """Every account of the bot that runs is connected, QQ is online, and no client is refused."""
    try:
        status = await ask_status(url_of(config, "http"), token, seconds)
    except NotConnected as error:
        return [Finding("fail", str(error), "机器人可能卡住了：看日志，然后重启它。", "OB-1105")]
    refused = [_refusal(status.refused)] if status.refused is not None and status.refused.at < RECENT else []
    if not status.accounts:
        none = Finding("warn", "no QQ account has connected since the bot was started", _NAPCAT, "OB-1102")
        return [*refused, none]
    return [*refused, *(_link(account) for account in status.accounts), *_odd_owners(status.accounts, owners)]


def _refusal(refused: Refused) -> Finding:
    """Why the client that dials again and again is not let in: NapCat itself shows the number alone."""
    what = f"a client at {refused.peer} was refused with {refused.status} {refused.at:.0f} s ago: {refused.cause}"
    if refused.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS):
        fix = "把启动时显示的 Token 原样填进 NapCat 的 WebSocket 客户端（前后不要有空格）。"
        return Finding("warn", what, fix, "OB-1104")
    fix = f"NapCat 里要建的是“WebSocket 客户端”，URL 以 {SUGGESTED_PATH} 结尾，和启动时显示的一样。"
    return Finding("warn", what, fix, "OB-1107")


def _odd_owners(accounts: Iterable[AccountStatus], owners: Collection[int]) -> Iterator[Finding]:
    """The bot's own account among its owners: nobody can speak to it from there."""
    for account in accounts:
        if account.self_id in owners:
            fix = "把 config.toml 中 [bot] 的 owners 改成你自己的 QQ 号，用它跟机器人说话。"
            yield Finding("warn", f"bot.owners has {account.self_id}, which is the bot's own account", fix, "OB-1008")


def _link(account: AccountStatus) -> Finding:
    who = f"account {account.self_id}"
    if not account.links:
        return Finding("warn", f"{who} is not connected any more", _NAPCAT, "OB-1102")
    if not account.online:
        return Finding("warn", f"{who} is connected, but QQ is offline", "在 NapCat 里重新登录这个 QQ 号。", "OB-1106")
    if account.silent is None:
        fix = "在 NapCat 的 WebSocket 客户端里把心跳间隔设为 30000；没有心跳，卡住的连接发现得晚。"
        return Finding("warn", f"{who} is connected, and sends no heartbeats", fix, "OB-1103")
    if account.silent > LATE:
        return Finding("warn", f"{who}: the last heartbeat came {account.silent:.0f} s ago", "重启 NapCat。", "OB-1103")
    return _oddity(account, who) or Finding("ok", f"{who} is connected")


def _oddity(account: AccountStatus, who: str) -> Finding | None:
    """What does not keep an account from working, but from working well."""
    if account.links > 1:
        fix = "在 NapCat 里只留一个连到机器人的 WebSocket 客户端；别的机器上登录着同一个 QQ 的 NapCat 也要关掉。"
        return Finding("warn", f"{who} has {account.links} connections at once", fix, "OB-1109")
    if account.string_format:
        fix = "在 NapCat 的 WebSocket 客户端里把消息格式改为 Array。"
        return Finding("warn", f"{who} sends messages as strings: some of what is in them is lost", fix, "OB-1111")
    if account.skew is not None and abs(account.skew) > SKEW:
        fix = "两边都打开自动对时（NTP）：timedatectl set-ntp true；Windows：设置里的“立即同步”。"
        what = f"{who}: the clock of NapCat's machine is {abs(account.skew):.0f} s {_side(account.skew)} this one's"
        return Finding("warn", what, fix, "OB-1804")
    return None


def _side(skew: float) -> str:
    return "before" if skew > 0 else "behind"


def check_log(config: Config, folder: Path, today: date | None = None) -> Finding:
    """No error stands in the log again and again, today or yesterday."""
    if not config.log.file:
        return Finding("ok", "no log is written (log.file is empty)")
    path, today = folder / config.log.file, today or date.today()  # noqa: DTZ011 - the log has local time
    days = {f"{day:%m-%d}" for day in (today, today - timedelta(days=1))}
    errors = [found for found in _errors(path) if found["day"] in days]
    counts = Counter(found["code"] for found in errors)
    code, count = counts.most_common(1)[0] if counts else ("", 0)
    if count < OFTEN:
        return Finding("ok", f"{len(errors)} errors in the log since yesterday")
    last = next(found["text"] for found in reversed(errors) if found["code"] == code)
    what = f"[{code}] stands {count} times in {path} since yesterday, last: {last[:200]}"
    return Finding("warn", what, f"在 docs/errors.md 里查 {code}，按那里说的做。", "OB-1806")


def _errors(path: Path) -> Iterator[re.Match[str]]:
    """The lines of errors at the end of a log, oldest first."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - READ))
            lines = file.read(READ).decode("utf-8", "replace").splitlines()
    except OSError:  # there is none yet
        return
    yield from (found for line in lines if (found := _ERROR.match(line)))
