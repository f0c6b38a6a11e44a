"""Whether a client has closed its connection, and whether it has all that was sent to it. While we do not read from it,
asyncio does not report the first, and never the second, so this asks the system."""

import asyncio
import fcntl
import socket
import sys
import termios
from collections.abc import Callable
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


async def takes_all(connection: Any) -> bool:
    """Wait until the client's system has acknowledged all that was sent to it: what a socket still has may be lost.

    `connection` is that of the scope. Call it as soon as the last of the answer was sent. False: the client has gone
    before, or is slower than `TAKE_SECONDS`.
    """
    if connection is None or sys.platform != "linux":
        return False
    transport = connection.transport
    opened = transport.get_extra_info("socket")
    # Closing is fine where we close after the answer. If the client has closed, what was sent last may be dropped.
    if opened.fileno() < 0 or (transport.is_closing() and _state(opened) in _CLOSED):
        return False
    now = asyncio.get_running_loop().time
    pause, until = 0.005, now() + TAKE_SECONDS
    try:
        with opened.dup() as line:  # the transport closes its own as soon as the system has all of it
            while _state(line) != _RESET and not connection.given_up and now() < until:
                if not transport.get_write_buffer_size() and not _unacknowledged(line):
                    return True
                await asyncio.sleep(pause)
                pause = min(2 * pause, 0.5)
    except OSError:
        pass  # no descriptor is free, or the system does not say
    return False


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
