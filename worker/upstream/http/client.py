"""The client: a new connection for each request, to one address."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohappyeyeballs
import httpx

from jobs.proxy import Proxy
from worker.upstream.errors import (
    URL_SETTING,
    ConnectFailed,
    ConnectTimedOut,
    NameNotFound,
    TLSFailed,
    UpstreamError,
    quote,
)
from worker.upstream.http.body import Body
from worker.upstream.http.connection import Connection
from worker.upstream.http.tunnel import PROXY_SETTING, open_tunnel

CONNECT_SECONDS = 10.0

_ADDRESS_SECONDS = 10.0
"""How long an address counts: hundreds of streams that begin together ask for it once."""

_ONE_AFTER_THE_OTHER_SECONDS = 0.25
"""When an address has not answered for so long, the next one is tried as well (RFC 8305)."""

_PORTS = {"http": 80, "https": 443}

_AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]


class Response:
    """The head of an answer, and its body as it comes. Close it: that hangs up."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.status = connection.status
        self.headers = httpx.Headers(connection.headers)
        self.body = Body(connection, self.headers)

    def close(self) -> None:
        """Hang up at once."""
        self._connection.close()


class HttpClient:
    """For all requests of one event loop to one URL. Raises typed `UpstreamError`s.

    `where` is the address as people may see it. The certificates of `ca_file` are trusted besides the system's. It has
    no timeout but that of connecting: the watchdog does their work, and comments in a stream would defeat them.
    """

    def __init__(self, url: httpx.URL, where: str, proxy: Proxy | None = None, ca_file: Path | None = None) -> None:
        self._url = url
        self._host = url.raw_host.decode("ascii")
        self._port = url.port or _PORTS[url.scheme]
        self._where = where
        self._proxy = proxy
        self._peer = proxy.where if proxy else where
        self._tls = _trusting(ca_file) if url.scheme == "https" else None
        self._addresses: asyncio.Task[list[_AddressInfo]] | None = None
        self._addresses_until = 0.0
        self._turn = 0

    async def post(self, headers: Mapping[str, str], content: bytes) -> Response:
        """Send a request; returns when the head of the answer is there."""
        connection = await self._connect()
        try:
            await connection.ask(_encode_head(self._url, headers, len(content)), content)
            return Response(connection)
        except BaseException:
            connection.close()
            raise

    async def aclose(self) -> None:
        """Wait for no address any more. Connections are closed by their streams."""
        if self._addresses is not None:
            self._addresses.cancel()

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                opened = await self._open_socket()
                try:
                    if self._proxy is not None:
                        await self._pass_through(opened, self._proxy)
                    return await self._greet(opened)
                except BaseException:
                    opened.close()
                    raise
        except TimeoutError as failure:
            raise ConnectTimedOut(
                f"{self._peer} accepted no connection within {CONNECT_SECONDS:g} seconds. Check the network."
            ) from failure

    async def _open_socket(self) -> socket.socket:
        try:
            found = await self._find_addresses()
        except (socket.gaierror, UnicodeError) as failure:
            setting = PROXY_SETTING if self._proxy else URL_SETTING
            raise NameNotFound(
                f"The host name of {self._peer} has no address. Check {setting}, and the network's DNS."
            ) from failure
        # By turns: that is what several addresses of a name are for.
        self._turn = (self._turn + 1) % len(found)
        try:
            opened = await aiohappyeyeballs.start_connection(
                found[self._turn :] + found[: self._turn],
                happy_eyeballs_delay=_ONE_AFTER_THE_OTHER_SECONDS,
                interleave=1,
            )
        except TimeoutError:  # the network's own comes later than ours
            raise
        except OSError as failure:
            raise self._error_of_connecting(failure) from failure
        # A stream may be silent for long, and a peer that is gone must be noticed even so.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return opened

    async def _find_addresses(self) -> list[_AddressInfo]:
        loop = asyncio.get_running_loop()
        looked_up = self._addresses
        if looked_up is None or (looked_up.done() and (loop.time() > self._addresses_until or looked_up.exception())):
            looked_up = self._addresses = loop.create_task(self._find_anew())
        # One stream that is cancelled must not take the answer from the others.
        return await asyncio.shield(looked_up)

    async def _find_anew(self) -> list[_AddressInfo]:
        peer = self._proxy
        found = await (look_up(peer.host, peer.port) if peer else look_up(self._host, self._port))
        self._addresses_until = asyncio.get_running_loop().time() + _ADDRESS_SECONDS
        return found

    async def _pass_through(self, opened: socket.socket, proxy: Proxy) -> None:
        try:
            await open_tunnel(opened, proxy, self._host, self._port)
        except TimeoutError:
            raise
        except OSError as failure:
            raise self._error_of_connecting(failure) from failure

    async def _greet(self, opened: socket.socket) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(self._where),
                sock=opened,
                ssl=self._tls,
                server_hostname=self._host if self._tls else None,
            )
        except TimeoutError:
            raise
        except OSError as failure:
            if self._tls is None:
                raise self._error_of_connecting(failure) from failure
            reason = getattr(failure, "verify_message", None) or getattr(failure, "reason", None) or failure.strerror
            raise TLSFailed(
                f"No trusted connection to {self._where}: {quote(str(reason or failure))}. Check its certificate;"
                " SSL_CERT_FILE adds one, and so does ca_file in the upstreams file."
            ) from failure
        return connection

    def _error_of_connecting(self, failure: OSError) -> UpstreamError:
        return ConnectFailed(f"No connection to {self._peer}: {failure.strerror or failure}. Check that it is running.")


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


async def look_up(host: str, port: int) -> list[_AddressInfo]:
    """All addresses of a name. Raises `socket.gaierror` when it has none."""
    return list(await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM))


def _encode_head(url: httpx.URL, headers: Mapping[str, str], length: int) -> bytes:
    ours = {"host": url.netloc.decode("ascii"), "user-agent": "longhand", "content-length": str(length)}
    lines = [b"POST %b HTTP/1.1" % url.raw_path]
    lines += [f"{name}: {value}".encode("ascii") for name, value in {**ours, **headers}.items()]
    if any(b"\r" in line or b"\n" in line for line in lines):
        raise ValueError("a header of the request holds a line break")
    return b"\r\n".join(lines) + b"\r\n\r\n"
