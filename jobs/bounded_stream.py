"""A connection from which a bounded number of bytes is read: an answer may come after hints or in chunks without end.

To read 64 KiB of `100 Continue` takes 0.1 s of the event loop, which is for everybody.
"""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore

_READ_BYTES = 4096
"""How much is read at once: others have the loop in between."""


class BoundedStream(httpcore.AsyncNetworkStream):
    """Reads `most_bytes` at most until `allow` gives it more, then raises `httpcore.RemoteProtocolError`."""

    def __init__(self, inner: httpcore.AsyncNetworkStream, most_bytes: int) -> None:
        self._inner = inner
        self._most = most_bytes
        self._left = most_bytes

    def allow(self, more_bytes: int) -> None:
        """Read this much from here on, as the status is known."""
        self._most = self._left = more_bytes

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._left <= 0:
            raise httpcore.RemoteProtocolError(f"no end within {self._most // 1024} KiB")
        piece = await self._inner.read(min(max_bytes, _READ_BYTES), timeout)
        self._left -= len(piece)
        return piece

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return BoundedStream(await self._inner.start_tls(ssl_context, server_hostname, timeout), self._most)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class BoundedBackend(httpcore.AsyncNetworkBackend):
    """Opens such connections."""

    def __init__(self, most_bytes: int) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._most = most_bytes

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        inner = await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        return BoundedStream(inner, self._most)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
