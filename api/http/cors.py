"""Lets the pages of other origins ask, if they are named: browsers send a preflight, and want headers in the answer.

A key is sent in a header and never a cookie, so nothing here lets a browser send what its user has not given the page.
"""

from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ANY = "*"

_METHODS = b"GET, HEAD, POST, DELETE"
_EXPOSED = b"x-request-id, x-job-id, idempotent-replayed, location, retry-after, x-should-retry"
_PREFLIGHT_SECONDS = b"600"


class Cors:
    """ASGI middleware: answers preflights, and adds the headers to every answer to a page of a named origin."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._any = ANY in origins
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        origin: bytes | None = headers.get(b"origin")
        if origin is None:
            await self._app(scope, receive, send)
            return
        shared = self._shared(origin)
        asked = headers.get(b"access-control-request-method")
        if scope["method"] == "OPTIONS" and asked is not None and shared:
            await _answer_preflight(shared, headers.get(b"access-control-request-headers"), send)
            return

        async def send_shared(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *(shared or [(b"vary", b"origin")])]
            await send(message)

        await self._app(scope, receive, send_shared)

    def _shared(self, origin: bytes) -> list[tuple[bytes, bytes]]:
        """The headers of an answer that a page of this origin may read; none for another origin."""
        if not self._any and origin not in self._origins:
            return []
        allowed = ANY.encode() if self._any else origin
        vary = [] if self._any else [(b"vary", b"origin")]
        return [(b"access-control-allow-origin", allowed), (b"access-control-expose-headers", _EXPOSED), *vary]


async def _answer_preflight(shared: list[tuple[bytes, bytes]], wanted: bytes | None, send: Send) -> None:
    allowed = [(b"access-control-allow-methods", _METHODS), (b"access-control-max-age", _PREFLIGHT_SECONDS)]
    if wanted is not None:
        # SDKs send headers of their own (x-stainless-...); none of them says more than the key does.
        allowed.append((b"access-control-allow-headers", wanted))
    await send({"type": "http.response.start", "status": 204, "headers": [*shared, *allowed]})
    await send({"type": "http.response.body", "body": b""})
