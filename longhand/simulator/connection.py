"""One connection to the simulator: HTTP on a bare asyncio protocol, because a framework costs more than the work."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

import httptools

from longhand.simulator.answers import BODIES, JSON, Refusal, error_body, make_head, ordered_error
from longhand.simulator.control import PATHS, Control
from longhand.simulator.gate import Gate
from longhand.simulator.orders import Orders, RequestError, read_request
from longhand.simulator.provider import orders_by
from longhand.simulator.script import Completion, in_one_piece
from longhand.simulator.serving import Serving
from longhand.simulator.slots import Slots
from longhand.simulator.stats import Stats
from longhand.simulator.stream import Pace, Stream, Wheel
from longhand.simulator.wire_form import to_json

LARGEST_REQUEST_BYTES = 64 * 1024 * 1024


@dataclass
class Shared:
    """What all connections of a simulator share."""

    pace: Pace
    wheel: Wheel
    stats: Stats
    gate: Gate
    slots: Slots
    control: Control
    connections: "set[Connection]" = field(default_factory=set)


class Connection(asyncio.Protocol):
    """Reads one request after another and answers each; a response at its pace is left to a `Stream`."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._stats = shared.stats
        self._parser = httptools.HttpRequestParser(self)
        self._serving: Serving | None = None
        self._stream: Stream | None = None
        self._clear()

    def _clear(self) -> None:
        self._path = b""
        self._key = ""
        self._billed_as = ""
        self._simulate: bytes | None = None
        self._expects_continue = False
        self._body = bytearray()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._shared.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._shared.connections.discard(self)
        self._give_up("client_gone")

    def pause_writing(self) -> None:
        if self._stream is not None:
            self._stream.pause()

    def resume_writing(self) -> None:
        if self._stream is not None:
            self._stream.resume()

    def data_received(self, data: bytes) -> None:
        # Reading continues while a request is served, or a client that left would not be noticed. A second request at
        # that time is pipelining, which is not supported.
        if self._serving is not None and not self._serving.over:
            self._transport.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(RequestError("This asks for another protocol, and there is only HTTP/1.1."), close=True)
        except httptools.HttpParserError as error:
            self._refuse(RequestError(f"This is not HTTP: {error}"), close=True)

    def cut(self) -> None:
        """The server goes away. Where nothing runs the connection is closed in order: an answer may be on its way."""
        if self._serving is None or self._serving.over:
            self._transport.close()
            return
        self._give_up("cut")
        self._transport.abort()

    def _give_up(self, event: str) -> None:
        if self._stream is not None and not self._stream.over:
            self._stream.give_up(event)
        elif self._serving is not None:
            self._serving.end(event, 0)

    # What the parser calls.

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"x-simulate":
            self._simulate = value
        elif name == b"authorization":
            self._key = value.decode("latin-1").removeprefix("Bearer ").strip()
        elif name == b"idempotency-key":
            self._billed_as = value.decode("latin-1")
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
                self._list_models()
            case ("GET", "/stats"):
                self._send_json(self._stats.snapshot())
            case ("POST", "/stats/reset"):
                self._stats.reset()
                self._send_json(self._stats.snapshot())
            case ("POST", path) if path in PATHS:
                self._send_json(self._shared.control.post(path, bytes(self._body)))
            case (_, path) if path in ("/v1/chat/completions", "/v1/models", "/stats", "/stats/reset", *PATHS):
                raise RequestError(f"Not allowed to {method} on {path}.", status=405)
            case _:
                raise RequestError(f"Unknown request URL: {method} {path}.", status=404, code="unknown_url")

    def _list_models(self) -> None:
        if refusal := self._shared.gate.check(self._key):
            self._send(refusal.status, refusal.content_type, refusal.body)
            return
        model = {"id": "simulator", "object": "model", "created": 1_700_000_000, "owned_by": "longhand"}
        self._send_json({"object": "list", "data": [model]})

    def _complete(self) -> None:
        shared = self._shared
        request, orders, seed = read_request(bytes(self._body), self._simulate)
        key = orders.key or seed
        count = self._stats.begin(key, request.model)
        if orders.times is not None and count > orders.times:
            orders = orders.healthy()
        now = time.monotonic()
        ticket = shared.gate.admit(request, self._key, now)
        if isinstance(ticket, Refusal):
            self._stats.refuse(ticket.kind, key, request.model)
            headers = shared.gate.headers(request.model, ticket, now)
            self._send(ticket.status, ticket.content_type, ticket.body, headers)
            return
        if orders.headers:
            self._stats.fault("headers", key)
        if orders.status is not None or orders.body is not None:
            shared.gate.end(ticket, 0, now, completed=False)
            self._stats.refuse("ordered", key, request.model)
            self._answer_with_fault(orders, key)
            return
        provider = shared.gate.provider
        orders = orders_by(provider, orders, may_loop=count == 1 and bool(request.stream))
        completion = Completion(request, orders, seed, lambda name: self._stats.fault(name, key), provider)
        headers = [*orders.headers.items(), *shared.gate.headers(request.model, None, now)]
        own = (ticket, key, request.model, self._billed_as)
        serving = self._serving = Serving(shared.gate, shared.slots, self._stats, *own)
        serving.start(lambda: self._begin(serving, completion, key, headers))

    def _begin(self, serving: Serving, completion: Completion, key: str, headers: Iterable[tuple[str, str]]) -> None:
        """Begin to write; a response in one piece comes when the last of its deltas would have come."""
        orders, keep_alive = completion.orders, self._parser.should_keep_alive()
        pace = self._shared.pace.ordered(orders.deltas_per_second, orders.first_delta_seconds)
        first_due = time.monotonic() + pace.first_delta_seconds
        if completion.request.stream:
            head = self._head(HTTPStatus.OK, b"text/event-stream; charset=utf-8", None, headers)
            steps = completion.steps()
        else:
            body, deltas = completion.whole()
            head, steps = b"", in_one_piece(self._head(HTTPStatus.OK, JSON, len(body), headers) + body)
            first_due += deltas * pace.interval_seconds
        if orders.bytes_per_write is not None:
            self._stats.fault("bytes_per_write", key)
        self._stream = Stream(
            steps,
            comment=completion.comment(),
            transport=self._transport,
            wheel=self._shared.wheel,
            stats=self._stats,
            counted=orders.long_line is None,
            first_due=first_due,
            interval_seconds=0.0 if orders.long_line is not None else pace.interval_seconds,
            bytes_per_write=orders.bytes_per_write,
            on_over=lambda event: serving.end(event, completion.sent + completion.thought),
            on_end=(lambda: None) if keep_alive else self._transport.close,
        )
        self._stream.begin(head)

    def _answer_with_fault(self, orders: Orders, key: str) -> None:
        headers = dict(orders.headers)
        if orders.status is not None:
            self._stats.fault("status", key)
            if orders.retry_after is not None:
                headers["retry-after"] = f"{orders.retry_after:g}"
            self._send(orders.status, JSON, ordered_error(orders.status), headers.items())
        elif orders.body is not None:
            self._stats.fault("body", key)
            self._send(HTTPStatus.OK, *BODIES[orders.body], headers.items())

    def _refuse(self, error: RequestError, *, close: bool = False) -> None:
        body = error_body(error.message, "invalid_request_error", error.code, error.param)
        self._send(error.status, JSON, body)
        if close:
            self._transport.close()

    def _send_json(self, content: Any) -> None:
        self._send(HTTPStatus.OK, JSON, to_json(content))

    def _send(self, status: int, content_type: bytes, body: bytes, headers: Iterable[tuple[str, str]] = ()) -> None:
        self._transport.write(self._head(status, content_type, len(body), headers) + body)
        if not self._parser.should_keep_alive():
            self._transport.close()

    def _head(self, status: int, content_type: bytes, length: int | None, headers: Iterable[tuple[str, str]]) -> bytes:
        return make_head(status, content_type, length, headers, keep_alive=self._parser.should_keep_alive())
