"""[server] and [log]: the endpoint, and what is written down."""

from typing import Annotated, Literal

from msgspec import Meta

from onebot_bot.sections.base import RESTART, Section


class ServerConfig(Section, frozen=True, kw_only=True):
    """[server]: the WebSocket endpoint that NapCat dials into."""

    host: Annotated[
        str,
        Meta(
            description="Address to listen on. 127.0.0.1: this machine only; 0.0.0.0: LAN and Docker.",
            extra=RESTART,
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="TCP port to listen on.", extra=RESTART)] = 6790
    token: Annotated[
        str,
        Meta(
            description="Access token. `auto`: made at the first start and kept in memory_store/token; "
            "`env:NAME`: read from the environment; empty: none, accepted on loopback only.",
            extra=RESTART,
        ),
    ] = "auto"  # noqa: S105 - a way to get one, not a secret
    max_frame_mib: Annotated[int, Meta(ge=64, le=1024, description="Largest frame accepted, MiB.", extra=RESTART)] = 64
    ping_interval: Annotated[float, Meta(gt=0, description="Seconds between WebSocket pings.", extra=RESTART)] = 20.0
    ping_timeout: Annotated[
        float,
        Meta(ge=5, description="Seconds without a pong before a link counts as dead.", extra=RESTART),
    ] = 20.0
    action_timeout: Annotated[
        float, Meta(ge=1, description="Seconds to wait for an action's reply, before the allowance for its size.")
    ] = 20.0
    gap_messages: Annotated[
        int, Meta(ge=0, le=200, description="Messages asked of each recent chat after a reconnect. 0: none.")
    ] = 20


class LogConfig(Section, frozen=True, kw_only=True):
    """[log]: what is written where."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Least level written.")] = "info"
    file: Annotated[str, Meta(description="Log file, relative to config.toml. Empty: none.", extra=RESTART)] = (
        "logs/bot.log"
    )
    content: Annotated[
        bool,
        Meta(
            description="Write message texts into the log and the turn log. Off, no level has them, debug neither: "
            "lines have the number of characters in their place."
        ),
    ] = False
    turns: Annotated[
        str,
        Meta(
            description="Folder of the turn log, relative to config.toml: a line of JSON for every answer, and for "
            "every call that got none. Empty: none.",
            extra=RESTART,
        ),
    ] = "logs"
    turns_days: Annotated[int, Meta(ge=1, le=3650, description="Days of the turn log that are kept.")] = 30
    turns_mib: Annotated[
        int, Meta(ge=1, le=102400, description="Most MiB of the turn log; the oldest lines go first.")
    ] = 100
