"""One connection to the simulator: HTTP on a bare asyncio protocol, because a framework costs more than the work."""

import asyncio
import secrets
import time
from http import HTTPStatus
from typing import Any, cast

import httptools

from longhand.simulator.orders import ChatRequest, Orders, RequestError, read_request
from longhand.simulator.script import Completion, Finale, Steps, to_json
from longhand.simulator.stats import Stats
from longhand.simulator.stream import Pace, Stream, Wheel

LARGEST_REQUEST_BYTES = 64 * 1024 * 1024

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "invalid_request_error",
    429: "requests",
}
_ERROR_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
_HTML = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body><h1>Please sign in</h1></body></html>"
_BODIES = {
    "json_error": (
        b"application/json",
        to_json({"error": {"message": "Something went wrong.", "type": "server_error"}}),
    ),
    "html": (b"text/html; charset=utf-8", _HTML),
    "bare_done": (b"text/event-stream; charset=utf-8", b"data: [DONE]\n\n"),
    "empty": (b"text/event-stream; charset=utf-8", b""),
}


class Connection(asyncio.Protocol):
    """Reads one request after another and answers each; a response at its pace is left to a `Stream`."""

    def __init__(self, pace: Pace, wheel: Wheel, stats: Stats, connections: "set[Connection]") -> None:
        self._pace = pace
        self._wheel = wheel
        self._stats = stats
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._stream: Stream | None = None
        self._clear()

    def _clear(self) -> None:
        self._path = b""
        self._simulate: bytes | None = None
        self._expects_continue = False
        self._body = bytearray()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        if self._stream is not None:
            self._stream.client_gone()

    def pause_writing(self) -> None:
        if self._stream is not None:
            self._stream.pause()

    def resume_writing(self) -> None:
        if self._stream is not None:
            self._stream.resume()

    def data_received(self, data: bytes) -> None:
        # Reading continues while a stream runs, or a client that left would not be noticed. A second request at that
        # time is pipelining, which is not supported.
        if self._stream is not None and not self._stream.over:
            self._transport.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._refuse(RequestError(f"This is not HTTP: {error}"), close=True)

    def abort(self) -> None:
        self._transport.abort()

    # What the parser calls.

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"x-simulate":
            self._simulate = value
        elif name == b"expect":
            self._expects_continue = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        if self._expects_continue:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        # A body that is too large is read and discarded, so that the answer is not lost in a reset.
        if len(self._body) <= LARGEST_REQUEST_BYTES:
            self._body += body

    def on_message_complete(self) -> None:
        path = self._path.partition(b"?")[0].decode("latin-1")
        try:
            self._answer(self._parser.get_method().decode("latin-1"), path)
        except RequestError as error:
            self._refuse(error)
        self._clear()

    # The answers.

    def _answer(self, method: str, path: str) -> None:
        if len(self._body) > LARGEST_REQUEST_BYTES:
            raise RequestError("The request body is too large.", status=413)
        match (method, path):
            case ("POST", "/v1/chat/completions"):
                self._complete()
            case ("GET", "/v1/models"):
                model = {"id": "simulator", "object": "model", "created": 1_700_000_000, "owned_by": "longhand"}
                self._send_json({"object": "list", "data": [model]})
            case ("GET", "/stats"):
                self._send_json(self._stats.snapshot())
            case ("POST", "/stats/reset"):
                self._stats.reset()
                self._send_json(self._stats.snapshot())
            case (_, "/v1/chat/completions" | "/v1/models" | "/stats" | "/stats/reset"):
                raise RequestError(f"Not allowed to {method} on {path}.", status=405)
            case _:
                raise RequestError(f"Unknown request URL: {method} {path}.", status=404, code="unknown_url")

    def _complete(self) -> None:
        request, orders, seed = read_request(bytes(self._body), self._simulate)
        key = orders.key or seed
        count = self._stats.begin(key)
        if orders.times is not None and count > orders.times:
            orders = orders.healthy()
        if orders.headers:
            self._stats.fault("headers", key)
        if orders.status is not None or orders.body is not None:
            self._answer_with_fault(orders, key)
            return
        completion = Completion(request, orders, seed, lambda name: self._stats.fault(name, key))
        if request.stream:
            self._start(completion.steps(), 0, completion, request, orders, key)
            return
        body, deltas = completion.whole()
        head = self._head(HTTPStatus.OK, b"application/json", len(body), orders.headers)
        self._start(_whole(head + body), deltas, completion, request, orders, key)

    def _start(
        self, steps: Steps, wait_deltas: int, completion: Completion, request: ChatRequest, orders: Orders, key: str
    ) -> None:
        """Start the stream; a response in one piece comes when the last of its deltas would have come."""
        pace = Pace(
            self._pace.deltas_per_second if orders.deltas_per_second is None else orders.deltas_per_second,
            self._pace.first_delta_seconds if orders.first_delta_seconds is None else orders.first_delta_seconds,
        )
        if orders.bytes_per_write is not None:
            self._stats.fault("bytes_per_write", key)
        keep_alive = self._parser.should_keep_alive()
        self._stream = Stream(
            steps,
            comment=completion.comment(),
            transport=self._transport,
            wheel=self._wheel,
            stats=self._stats,
            key=key,
            counted=orders.long_line is None,
            first_due=time.monotonic() + pace.first_delta_seconds + wait_deltas * pace.interval_seconds,
            interval_seconds=0.0 if orders.long_line is not None else pace.interval_seconds,
            bytes_per_write=orders.bytes_per_write,
            on_end=(lambda: None) if keep_alive else self._transport.close,
        )
        streamed = b"text/event-stream; charset=utf-8"
        self._stream.begin(self._head(HTTPStatus.OK, streamed, None, orders.headers) if request.stream else b"")

    def _answer_with_fault(self, orders: Orders, key: str) -> None:
        if orders.status is not None:
            self._stats.fault("status", key)
            headers = dict(orders.headers)
            if orders.retry_after is not None:
                headers["retry-after"] = f"{orders.retry_after:g}"
            error = {
                "message": f"The simulator was ordered to answer {orders.status}.",
                "type": _ERROR_TYPES.get(orders.status, "server_error"),
                "param": None,
                "code": _ERROR_CODES.get(orders.status),
            }
            self._send(orders.status, b"application/json", to_json({"error": error}), headers)
        elif orders.body is not None:
            self._stats.fault("body", key)
            self._send(HTTPStatus.OK, *_BODIES[orders.body], orders.headers)
        self._stats.end("refused", key)

    def _refuse(self, error: RequestError, *, close: bool = False) -> None:
        body = {"message": error.message, "type": "invalid_request_error", "param": error.param, "code": error.code}
        self._send(error.status, b"application/json", to_json({"error": body}), {})
        if close:
            self._transport.close()

    def _send_json(self, content: Any) -> None:
        self._send(HTTPStatus.OK, b"application/json", to_json(content), {})

    def _send(self, status: int, content_type: bytes, body: bytes, headers: dict[str, str]) -> None:
        self._transport.write(self._head(status, content_type, len(body), headers) + body)
        if not self._parser.should_keep_alive():
            self._transport.close()

    def _head(self, status: int, content_type: bytes, length: int | None, headers: dict[str, str]) -> bytes:
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "Ordered"
        lines = [
            b"HTTP/1.1 %d %b" % (status, phrase.encode()),
            b"content-type: " + content_type,
            b"cache-control: no-cache",
            b"x-request-id: req_" + secrets.token_hex(16).encode(),
            b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length,
            *(f"{name}: {value}".encode("ascii") for name, value in headers.items()),
        ]
        if not self._parser.should_keep_alive():
            lines.append(b"connection: close")
        return b"\r\n".join(lines) + b"\r\n\r\n"


def _whole(response: bytes) -> Steps:
    """A stream without deltas: its last bytes are the whole response."""
    yield from ()
    return Finale(response, "end")
