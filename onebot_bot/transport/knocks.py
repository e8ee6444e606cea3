"""How fast access tokens may be tried: a few at once from one address, then one now and then.

A client whose token is wrong tries the same one every few seconds: only tokens that differ are guesses. An account
that was let in from an address is always listened to from there, for others may share that address with it: behind
Docker's proxy everybody does.
"""

import hashlib
import ipaddress
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Any

BURST = 10
"""Wrong tokens from one address before its guesses are slowed."""
REFILL = 10.0
"""Seconds until it may make one more."""
MOST = 4096
"""Addresses, and accounts at addresses, that are remembered; those heard of longest ago go first."""


class Knocks:
    """What wrong tokens came from where. Every method takes microseconds and none waits."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock  # seconds
        self._strangers: OrderedDict[Hashable, _Stranger] = OrderedDict()
        self._friends: OrderedDict[Hashable, None] = OrderedDict()
        # So that nobody who reads this process's memory dump finds guesses that are nearly right.
        self._key = secrets.token_bytes(16)

    def wait(self, address: str, account: str) -> float:
        """Seconds until a token is looked at again that comes from an address for an account; mostly 0."""
        if (origin_of(address), account) in self._friends:
            return 0.0
        stranger = self._strangers.get(origin_of(address))
        return 0.0 if stranger is None else stranger.wait(self._clock())

    def wrong(self, address: str, token: bytes) -> None:
        """A token was wrong."""
        origin = origin_of(address)
        stranger = _touched(self._strangers, origin, lambda: _Stranger(self._clock()))
        stranger.guessed(hashlib.blake2b(token, digest_size=8, key=self._key).digest(), self._clock())

    def right(self, address: str, account: str) -> None:
        """A token was right."""
        _touched(self._friends, (origin_of(address), account), lambda: None)

    def first_refusal(self, address: str) -> bool:
        """Whether this is the first time that an address has to wait since it last made a guess: worth a log line."""
        stranger = self._strangers.get(origin_of(address))
        return stranger is not None and stranger.told_now()


def origin_of(address: str) -> str:
    """Whom an address stands for: in IPv6 everybody has 2**64 of them, and IPv4 may come wrapped."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class _Stranger:
    """An address that wrong tokens came from."""

    __slots__ = ("_at", "_left", "_recent", "_told")

    def __init__(self, now: float) -> None:
        self._left = float(BURST)
        self._at = now
        self._recent: deque[bytes] = deque(maxlen=BURST)
        self._told = False

    def wait(self, now: float) -> float:
        self._refill(now)
        return 0.0 if self._left >= 1 else (1 - self._left) * REFILL

    def guessed(self, digest: bytes, now: float) -> None:
        self._refill(now)
        if digest not in self._recent:
            self._recent.append(digest)
            self._left = max(0.0, self._left - 1)
        self._told = False

    def told_now(self) -> bool:
        told, self._told = self._told, True
        return not told

    def _refill(self, now: float) -> None:
        self._left = min(float(BURST), self._left + (now - self._at) / REFILL)
        self._at = now


def _touched(table: OrderedDict[Hashable, Any], key: Hashable, make: Callable[[], Any]) -> Any:
    """The entry at `key`, made where there is none, as the last to go."""
    if key not in table:
        table[key] = make()
        if len(table) > MOST:
            table.popitem(last=False)
    table.move_to_end(key)
    return table[key]
