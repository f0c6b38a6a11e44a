"""The port of a simulator, which can be closed and opened again under its clients' feet."""

import asyncio
import socket
from collections.abc import Callable


class Listener:
    """Listens, on the running event loop, at one address. Closed, it refuses connections and keeps the port."""

    def __init__(self, make_connection: Callable[[], asyncio.Protocol]) -> None:
        self._make_connection = make_connection
        self._server: asyncio.Server | None = None
        self._kept: list[socket.socket] = []
        self._host = ""
        self.address: tuple[str, int] = ("", 0)

    async def open(self, host: str, port: int) -> None:
        """Listen, on a free port if `port` is 0. Raises `OSError` if the address is taken."""
        # A benchmark opens its streams all at once.
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._make_connection, host, port, backlog=2048)
        self._host = host
        listening = self._server.sockets[0]
        named = f"[{host}]" if listening.family == socket.AF_INET6 else host
        self.address = (named, listening.getsockname()[1])

    async def refuse(self) -> None:
        """Stop listening, but keep the port. Running connections are the caller's to cut."""
        if self._server is None:
            return
        places = [(place.family, place.getsockname()) for place in self._server.sockets]
        self._server.close()
        self._server = None
        # A port that is bound and not listened on refuses connections. Unbound, another program could take it, and a
        # client that connects again and again to a free port of its own machine can end up connected to itself.
        for family, place in places:
            kept = socket.socket(family, socket.SOCK_STREAM)
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            kept.bind(place)
            self._kept.append(kept)

    async def reopen(self) -> None:
        """Listen again at the same address."""
        if self._server is None:
            await self.open(self._host, self.address[1])
        self._release()

    async def close(self) -> None:
        """Stop for good."""
        self._release()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def _release(self) -> None:
        while self._kept:
            self._kept.pop().close()
