"""How much is read of a connection at once.

asyncio's other kind of protocol is given whatever has come, 256 KB. So much came of each body before anybody had looked
at its key, and nobody counted it.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from api.http.body_bounds import LEAST_READ, MOST_READ
from api.http.protocol import BoundedProtocol

PARSED_AT_ONCE = 8 * 1024
"""The bounds are looked at after so many bytes: one read may have 256 KiB, and that may be 36,000 chunks."""


class BoundedReading(asyncio.BufferedProtocol):
    """Reads for one connection, into a buffer that all of a process share: nothing is left in it from read to read."""

    __slots__ = ("_buffer", "_connection", "_most")

    def __init__(self, buffer: memoryview, connection: BoundedProtocol) -> None:
        self._buffer = buffer
        self._connection = connection
        self._most = LEAST_READ

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer[: self._most]

    def buffer_updated(self, nbytes: int) -> None:
        for start in range(0, nbytes, PARSED_AT_ONCE):
            self._connection.data_received(bytes(self._buffer[start : min(nbytes, start + PARSED_AT_ONCE)]))
        self._most = self._connection.end_read()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection.connection_made(transport)  # type: ignore[arg-type]  # of a socket

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)

    def eof_received(self) -> None:
        self._connection.eof_received()

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()


def read_bounded(make: Callable[[], asyncio.Protocol]) -> Callable[[], BoundedReading]:
    """What reads for each connection that `make` makes, all of them a `BoundedProtocol`."""
    buffer = memoryview(bytearray(MOST_READ))
    return lambda: BoundedReading(buffer, cast("BoundedProtocol", make()))
