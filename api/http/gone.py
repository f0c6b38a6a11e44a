"""Whether a client has closed its connection, and whether it has all that was sent to it. While we do not read from it,
asyncio does not report the first, and never the second, so this asks the system."""

import asyncio
import fcntl
import socket
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.types import Receive, Scope

from api.http.connections import CONNECTION

_RESET = 7
_CLOSED = frozenset({_RESET, 8})
"""`TCP_CLOSE` (it was reset) and `TCP_CLOSE_WAIT`, the first byte of Linux's `TCP_INFO`."""

TAKE_SECONDS = 30.0
"""How long it is waited for that a client takes what was sent. Meanwhile a descriptor more is held."""


def has_gone(scope: Scope) -> bool:
    """Whether the client of this request has closed its connection, as far as the system knows: nothing is read to find
    that out. On other systems than Linux, whether we have been told.
    """
    connection = scope.get(CONNECTION)
    if connection is None or connection.transport.is_closing():
        return True
    if sys.platform != "linux":
        return False
    opened = connection.transport.get_extra_info("socket")
    try:
        return _state(opened) in _CLOSED
    except OSError:  # it was closed just now: another thread may ask
        return True


class FollowedTransport:
    """What an answer is written to whose endpoint asks whether its client has taken all of it: what a socket still has
    may be lost.
    """

    __slots__ = ("_connection", "_drops", "_taking", "_transport", "close", "is_closing")

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._transport: asyncio.Transport = connection.transport
        self._taking: asyncio.Task[bool] | None = None
        self._drops = False
        self.close = self._transport.close
        self.is_closing = self._transport.is_closing

    def write(self, data: bytes) -> None:
        """Write a piece of the answer."""
        self._drops |= self._transport.is_closing()  # asyncio drops what it gets after the client has closed
        self._transport.write(data)

    def end(self) -> None:
        """All is written. Called at once: the transport closes its socket as soon as the system has all of it."""
        if self._taking is None and not self._drops and sys.platform == "linux":
            with suppress(OSError):  # it is gone, or no descriptor is free
                line = self._transport.get_extra_info("socket").dup()
                self._taking = asyncio.create_task(self._wait(line))

    async def is_taken(self) -> bool:
        """After the answer, or the last event of a stream: wait until the client's system has acknowledged all of it.

        False: the client has gone before, or is slower than `TAKE_SECONDS`.
        """
        self.end()
        return self._taking is not None and await self._taking

    async def _wait(self, line: socket.socket) -> bool:
        now = asyncio.get_running_loop().time
        pause, until = 0.005, now() + TAKE_SECONDS
        with line, suppress(OSError):  # the system may not say
            while _state(line) != _RESET and not self._connection.given_up and now() < until:
                if not self._transport.get_write_buffer_size() and not _unacknowledged(line):
                    return True
                await asyncio.sleep(pause)
                pause = min(2 * pause, 0.5)
        return False


def follow(scope: Scope) -> FollowedTransport | None:
    """Ask, before the answer to this request, whether its client takes all of it. None: it has gone."""
    connection = scope.get(CONNECTION)
    if connection is None or connection.answering is None:
        return None
    followed = connection.answering.transport = FollowedTransport(connection)
    return followed


def _state(opened: socket.socket) -> int:
    return opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def _unacknowledged(opened: socket.socket) -> int:
    """How many bytes the system has, and the client's has not."""
    return int.from_bytes(fcntl.ioctl(opened.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)


async def at_hang_up(receive: Receive, call: Callable[[], None]) -> None:
    """Call this when the client has closed its connection. For a task beside the answer."""
    while (await receive())["type"] != "http.disconnect":
        pass
    call()
