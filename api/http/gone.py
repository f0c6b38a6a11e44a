"""Whether a client has closed its connection. While we do not read from it, asyncio does not report that, so this asks
the system."""

import socket
import sys
from collections.abc import Callable

from starlette.types import Receive, Scope

from api.http.connections import CONNECTION

_CLOSED = frozenset({7, 8})
"""`TCP_CLOSE` (it was reset) and `TCP_CLOSE_WAIT`, the first byte of Linux's `TCP_INFO`."""


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
    return opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in _CLOSED


async def at_hang_up(receive: Receive, call: Callable[[], None]) -> None:
    """Call this when the client has closed its connection. For a task beside the answer."""
    while (await receive())["type"] != "http.disconnect":
        pass
    call()
