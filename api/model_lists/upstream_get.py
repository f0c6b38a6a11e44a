"""One GET to an upstream: what is read of its answer is bounded, on the wire and unpacked."""

import os
import socket
import ssl
from dataclasses import dataclass

import httpcore
import httpx

from api.model_lists.bounded_body import BodyError, BoundedBody
from jobs.bounded_stream import BoundedBackend, BoundedStream
from jobs.upstreams import UpstreamSpec

_LONGEST_HEAD = 64 << 10
"""In bytes, with the hints before it."""

LONGEST_LIST = 2 << 20
"""In bytes; the longest list known, with prices and descriptions of 400 models, has half of one million."""


NO_ANSWER = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    OSError,
    AttributeError,  # anyio asks a socket that is gone for its peer
)
"""What a read raises when there is no answer, but those that say that it takes too long."""


@dataclass(frozen=True, slots=True)
class UpstreamAnswer:
    """What the upstream answered. `retry_after` is that header. `body` is None if it is too long, or not what its
    encoding says.
    """

    status: int
    retry_after: str | None
    body: bytes | None


class UpstreamGet:
    """Sends GET requests to one upstream, with the workers' proxy and certificates. Each one opens a new connection."""

    def __init__(self, spec: UpstreamSpec) -> None:
        self.spec = spec
        # Uncompressed is asked for, and some compress unasked.
        self._headers = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "longhand"}
        self._headers |= {name.lower(): value.get_secret_value() for name, value in spec.headers.items()}
        if spec.api_key:
            self._headers["authorization"] = f"Bearer {spec.api_key.get_secret_value()}"
        trusted = httpx.create_ssl_context()
        if spec.ca_file:
            trusted.load_verify_locations(spec.ca_file)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trusted,
            proxy=_proxy(spec),
            max_connections=None,
            max_keepalive_connections=0,
            network_backend=BoundedBackend(_LONGEST_HEAD),
        )

    async def read(self, path: str, longest: int) -> UpstreamAnswer:
        """Ask for this path beside `/chat/completions`. Raises what httpcore raises."""
        url = httpx.URL(self.spec.url)  # as for the completions: a query in it is kept
        base = url.path.rstrip("/").removesuffix("/chat/completions")
        asked = str(url.copy_with(path=base + path, fragment=None))
        async with self._pool.stream("GET", asked, headers=list(self._headers.items())) as answer:
            headers = httpx.Headers(answer.headers)
            stream: BoundedStream = answer.extensions["network_stream"]
            stream.allow(longest + longest // 8)  # chunks have heads, which may be long
            try:
                body = BoundedBody(headers.get("content-encoding", ""), longest)
                async for piece in answer.aiter_stream():
                    body.add(piece)
                whole = body.whole()
            except BodyError:
                return UpstreamAnswer(answer.status, headers.get("retry-after"), None)
        return UpstreamAnswer(answer.status, headers.get("retry-after"), whole)

    async def close(self) -> None:
        """Give up every connection."""
        await self._pool.aclose()


def why_unreached(error: BaseException) -> str:
    """Why there was no answer, in the system's words: what httpcore says of it has the reason as its cause."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError | socket.gaierror):
        return os.strerror(error.errno)
    return str(getattr(error, "verify_message", "") or getattr(error, "strerror", "") or error) or type(error).__name__


def _proxy(spec: UpstreamSpec) -> httpcore.Proxy | None:
    if spec.proxy is None:
        return None
    headers = [("Proxy-Authorization", spec.proxy.authorization)] if spec.proxy.authorization else []
    host = f"[{spec.proxy.host}]" if ":" in spec.proxy.host else spec.proxy.host
    return httpcore.Proxy(f"http://{host}:{spec.proxy.port}", headers=headers)
