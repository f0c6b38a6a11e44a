"""The HTTP client that all streams of a process share, and what its failures mean."""

from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Self
from urllib.parse import quote as percent
from urllib.parse import quote_plus, unquote, unquote_plus

import aiohttp
import httpx
from aiohttp.connector import Connection
from httpx_aiohttp.transport import AiohttpResponseStream, AiohttpTransport

from worker.upstream.errors import (
    ConnectFailed,
    ConnectTimedOut,
    CutMidStream,
    NameNotFound,
    TLSFailed,
    UpstreamError,
    quote,
)

CONNECT_SECONDS = 10.0

SHORTEST_SECRET = 4

NETWORK_ERRORS = (httpx.HTTPError, aiohttp.ClientError, OSError, EOFError)
"""What the client raises when the network or the upstream's HTTP fails. The transport lets aiohttp's own errors through
where httpx has none for them."""


def open_client(max_streams: int) -> httpx.AsyncClient:
    """A client for `max_streams` streams at once, on aiohttp's connections: httpx's own cost three times the CPU.

    It belongs to the loop of its first request. The read timeout is off, because comments defeat it and the
    watchdog does its work. Cookies are neither kept nor sent: they would be shared among all jobs.
    """

    context = httpx.create_ssl_context()

    def open_session() -> aiohttp.ClientSession:
        # Every stream has its own connection. On one that is kept alive, a POST can cross with the server's close, and
        # then nobody knows whether it was run and must be paid.
        connector = aiohttp.TCPConnector(limit=max_streams, force_close=True, ssl=context)
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), response_class=_ResponseWithoutReason
        )

    return httpx.AsyncClient(
        transport=_Transport(verify=context, client=open_session),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
        follow_redirects=False,
    )


class _ResponseWithoutReason(aiohttp.ClientResponse):
    """Nobody reads the words beside the status, and those that are not UTF-8 make the transport fail."""

    async def start(self, connection: Connection) -> Self:
        await super().start(connection)
        self.reason = None
        return self


class _Transport(AiohttpTransport):
    """Leaves at each response what httpx would spoil, as extensions.

    `receive` is aiohttp's own way to read the next piece of the body. Between that and httpx's are three iterators,
    through which every delta would go: a sixth of what it costs. `location` is that header, taken away: httpx makes a
    request of it even when redirects are not followed, and fails when it is no URL.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if isinstance(response.stream, AiohttpResponseStream):
            response.extensions["receive"] = response.stream._aiohttp_response.content.readany
        response.extensions["location"] = response.headers.pop("location", None)
        return response


def error_of_connecting(failure: Exception, where: str) -> UpstreamError:
    """The typed error of a request that got no answer. `where` is the upstream's address as people may see it."""
    # The transport calls most of these ConnectTimeout; aiohttp's own error, which is their cause, tells them apart.
    cause = failure.__cause__ if isinstance(failure.__cause__, aiohttp.ClientError) else failure
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        return NameNotFound(
            f"The host name of {where} has no address. Check LONGHAND_UPSTREAM_URL and the network's DNS."
        )
    if isinstance(cause, aiohttp.ClientSSLError):
        return TLSFailed(
            f"No trusted connection to {where}: {cause.os_error}. Check its certificate; SSL_CERT_FILE adds one."
        )
    if isinstance(cause, aiohttp.ServerTimeoutError | TimeoutError):
        return ConnectTimedOut(f"{where} accepted no connection within {CONNECT_SECONDS:g} seconds. Check the network.")
    if isinstance(cause, aiohttp.ClientConnectorError):
        return ConnectFailed(f"No connection to {where}: {cause.strerror or cause}. Check that it is running.")
    return CutMidStream(f"No valid answer from {where}: {describe(cause)}")


def describe(failure: Exception) -> str:
    """What the network or the HTTP client says of its failure, in one line and without the URL of the request."""
    words = failure.message if isinstance(failure, aiohttp.ClientResponseError) else str(failure)
    return quote(words) or type(failure).__name__


def secrets_of(url: httpx.URL, api_key: str | None) -> list[str]:
    """What no message may repeat: the key, and each value in the URL's query, in every way to write it.

    What is shorter than `SHORTEST_SECRET` is no secret, and a message without its every "2" would say nothing.
    """
    found = {api_key or ""}
    for part in url.query.decode("ascii").split("&"):
        name, equals, value = part.partition("=")
        written = value if equals else name
        for meant in (unquote(written), unquote_plus(written)):
            found |= {written, meant, percent(meant), percent(meant, safe=""), quote_plus(meant)}
    return sorted((secret for secret in found if len(secret) >= SHORTEST_SECRET), key=len, reverse=True)
