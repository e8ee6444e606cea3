"""What is fetched of web pages, and what of one is handed on; without the library that fetches."""

from collections.abc import Callable

from msgspec import Struct


class Page(Struct, frozen=True):
    """What a link led to."""

    url: str
    """Where it was in the end."""
    data: bytes
    content_type: str
    """As the server says, without parameters; empty when it does not."""
    charset: str


class Rules(Struct, frozen=True):
    """What is fetched; asked again of every address that a link redirects to."""

    max_bytes: int
    redirects: int
    may_ask: Callable[[str], bool]
    """Whether links to a host are opened."""
    may_read: Callable[[str], bool]
    """Whether what has this media type is worth fetching."""
