"""What a client sends in one go is taken in piece by piece: others have their turn in between."""

from time import monotonic

from websockets.asyncio.server import ServerConnection

PIECE = 2**14
"""Bytes that are read at once: some twenty messages."""
AT_ONCE = 0.001
"""Seconds for one connection, at least one piece long, before everybody else has a turn."""


class FedConnection(ServerConnection):
    """A connection that gives the loop back while it reads the frames of a burst.

    The system hands over 256 KiB at a time, which is hundreds of messages; websockets would read them all at once.
    """

    _left = b""
    """What came and was not read yet."""

    def data_received(self, data: bytes) -> None:
        """Read it, or as much as there is time for."""
        if self._left:
            self._left += data
            self._pause()
        elif len(data) <= PIECE:
            super().data_received(data)
        else:
            self._left = data
            self._feed()

    def eof_received(self) -> None:
        """Read what came before the end."""
        self._feed_all()
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The same."""
        self._feed_all()
        super().connection_lost(exc)

    def _feed(self) -> None:
        end = monotonic() + AT_ONCE
        while self._left:
            piece, self._left = self._left[:PIECE], self._left[PIECE:]
            super().data_received(piece)
            if self._left and monotonic() > end:
                self._pause()
                self.loop.call_soon(self._feed)
                return
        # websockets may have paused it for its own reason: frames that nobody has taken yet.
        if not (self.transport.is_closing() or self.recv_messages.paused):
            self.transport.resume_reading()

    def _pause(self) -> None:
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def _feed_all(self) -> None:
        data, self._left = self._left, b""
        if data:
            super().data_received(data)
