"""What every request goes through: an id, one line in the log, and an answer also when the code fails."""

import secrets
import time
from collections import Counter
from logging import getLogger

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.connections import CONNECTION
from api.http.errors import ApiError, error_answer
from api.http.event_stream import STREAM, EventStream
from jobs.metrics.counts import ModelLabels
from jobs.trace_context import HEADER, TRACEPARENT, read_traceparent

log = getLogger("api.access")

_METHOD = {method: method for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")}
"""Those that are labels of a metric: a client may send any word."""

_MOST_LOGGED = 200
"""Bytes of a path in the log: anybody may ask for paths of 16 KiB, 700 times a second."""

_NOSNIFF = (b"x-content-type-options", b"nosniff")
"""No browser may take a stored text for a page, whatever it begins with."""


class ApiCounts:
    """What an API process counts for its metrics, on the event loop alone."""

    def __init__(self) -> None:
        self.models = ModelLabels()
        self.requests: Counter[tuple[str, str]] = Counter()
        """By method and status."""
        self.sent_bytes = 0


class Envelope:
    """ASGI middleware: `x-request-id` and `nosniff` on every response, one line in the log, and 500 in the one form.

    The line has no query string and no header: both may carry what is nobody's business.
    """

    def __init__(self, app: ASGIApp, counts: ApiCounts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = f"req_{secrets.token_hex(12)}"
        scope["request_id"] = request_id
        status, counts = 0, self._counts
        TRACEPARENT.set(_traceparent_of(scope))

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode()), _NOSNIFF]
            else:
                counts.sent_bytes += len(message.get("body", b""))
            await send(message)

        started = time.perf_counter()
        try:
            stream = await self._answer(scope, receive, send_named)
            if stream is not None:
                await stream.send(receive, send_named)
        except ClientDisconnect:
            status = 499  # nobody is there to be answered; the number is nginx's
            if (connection := scope.get(CONNECTION)) is not None:
                # A client that has closed only its own half can still read: send it nothing, not uvicorn's own 500.
                connection.give_up()
        except Exception:
            log.exception("unexpected error in %s", request_id)
            if status == 0:
                refused = ApiError(500, "internal_error", f"unexpected error; the log names it as {request_id}")
                await error_answer(refused)(scope, receive, send_named)
            # Otherwise the response stays without its end, and the client can tell that it is not whole.
        finally:
            # The path as it came, percent-encoded: a decoded one could forge a line of its own.
            path = scope["raw_path"][:_MOST_LOGGED].decode("ascii", "replace")
            counts.requests[_METHOD.get(scope["method"], "other"), str(status)] += 1
            took_ms = (time.perf_counter() - started) * 1000
            log.info("%s %s %d %.1f ms %s", scope["method"], path, status, took_ms, request_id)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> EventStream | None:
        """Let the layers below answer; the stream that is still to be sent, if they have left one."""
        # In a copy: the layers leave the request and their exit stacks in it, and a stream would hold them.
        scope = dict(scope)
        await self._app(scope, receive, send)
        stream: EventStream | None = scope.get(STREAM)
        return stream


def _traceparent_of(scope: Scope) -> str | None:
    """The trace that the caller says it is in."""
    name = HEADER.encode()
    return next((read_traceparent(value.decode("latin-1")) for key, value in scope["headers"] if key == name), None)
