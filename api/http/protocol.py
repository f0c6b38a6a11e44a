"""uvicorn's HTTP/1.1, with bounds: uvicorn itself takes a head, a body or a trailer of any length in any time."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from uvicorn._types import ASGI3Application, HTTPScope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from api.http.body_bounds import LEAST_READ, MOST_READ, find_body_fault
from api.http.connections import CONNECTION, Connections
from api.http.errors import ApiError, whole_answer
from api.http.gone import FollowedTransport, has_gone
from api.http.heads import MOST_HEAD_BYTES, MOST_HEADERS, PIPELINED_BYTES, find_fault, may_wait, too_large
from api.http.lingering import LINGER_BYTES, LINGER_SECONDS, LingeringTransport
from api.http.request_turns import Asker, Beginning, RequestTurns
from api.http.upgrades import WithoutUpgrades

HEAD_SECONDS = 20.0
"""How long a connection may be without a whole head of a request that is not answered yet."""

BODY_SECONDS, LEAST_BODY_BYTES = 20.0, 4096
"""So much of a body must come in each `BODY_SECONDS`, or the rest of it."""


class BoundedProtocol(WithoutUpgrades):
    """One connection. What the parser has been given and keeps to itself is counted, and never more than a head.

    One timer runs whenever the client owes something: a head, or the rest of a body. Its requests are begun in `turns`,
    each in the one of `asker_of`.
    """

    _kept_bytes = _raw_bytes = _body_bytes = _window_bytes = _chunks = 0
    given_up = _in_body = _keep_alive = False
    _linger_left: int | None = None
    _timer: asyncio.TimerHandle | None = None
    answering: RequestResponseCycle | None = None
    _beginning: Beginning | None = None

    def __init__(
        self, room: Connections, turns: RequestTurns, asker_of: Callable[[HTTPScope], Asker], **uvicorns: Any
    ) -> None:
        super().__init__(**uvicorns)
        self._room = room
        self._turns = turns
        self._asker_of = asker_of
        self._pieces: list[bytes] = []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._await_head()
        self._room.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._room.remove(self)
        if self.scope is not None:
            self.scope.pop(CONNECTION, None)  # type: ignore[misc]  # a key of ours; each would hold the other
        if self.answering is not None and not self.answering.response_complete:
            # uvicorn tells the newest request only, and the one that is being answered may be followed by others.
            self.answering.disconnected = True
            self.answering.message_event.set()
        if self._beginning is not None:
            self._turns.leave(self._beginning)
        self.pipeline.clear()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # uvicorn leaves its timer, and so all of this, when a client resets
        # Each holds this connection: hundreds a second, with 32 kB of headers, would wait for the garbage collector.
        self._beginning = self.answering = self.cycle = None  # type: ignore[assignment]  # nobody asks a lost one

    def data_received(self, data: bytes) -> None:
        if self._linger_left is not None:
            self._linger_left -= len(data)
            if self._linger_left < 0:
                self.transport.close()
            return
        if self.transport.is_closing():
            return
        self._kept_bytes += len(data)
        self._raw_bytes += len(data)
        super().data_received(data)
        self._give_body()
        if self.pipeline and self._body_bytes > PIPELINED_BYTES:
            self.transport.close()  # nobody asks for it, or counts it, while others are answered before it
        if self.transport.is_closing() or self._linger_left is not None:
            return
        if self._kept_bytes > MOST_HEAD_BYTES:
            self._refuse(too_large())
        elif self._in_body:
            fault = find_body_fault(self.parser.get_method(), self._raw_bytes, self._body_bytes, self._chunks)
            if fault is not None:
                self._refuse(fault)

    def end_read(self) -> int:
        """After each read: take no more of a body until its endpoint asks for it. Returns how much may be read now."""
        if not self._in_body or self._linger_left is not None:
            return LEAST_READ
        if self.cycle.body:  # what is only framing wakes nobody who would ask for more
            self.flow.pause_reading()
        return max(LEAST_READ, min(MOST_READ, self._body_bytes))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body or self.transport.is_closing() or self._linger_left is not None:
            return  # a trailer, which no proxy has judged; or what the parser was given at once with the one too many
        super().on_header(name, value)
        if len(self.headers) > MOST_HEADERS:  # now, and not at the end of the head: each takes a hundred bytes
            self._refuse(too_large())

    def on_headers_complete(self) -> None:
        if self.asks_for_upgrade():
            return
        self._stop_timer()
        self._kept_bytes = 0
        if (fault := find_fault(self.parser, self.url, self.headers)) is not None:
            self._refuse(fault)
            return
        if self.cycle is not None and not self.cycle.response_complete:
            others = [cycle.scope["headers"] for cycle, _ in self.pipeline]
            if not may_wait([*others, self.headers], self.url):
                self.transport.close()
        if self.transport.is_closing():
            return  # what the parser was given at once with that
        self.scope[CONNECTION] = self  # type: ignore[literal-required]  # a key of ours
        super().on_headers_complete()
        # Until the body is whole, an answer is the last one on this connection, and says so.
        self._in_body = True
        self._keep_alive, self.cycle.keep_alive = self.cycle.keep_alive, False
        self.cycle.transport = cast("asyncio.Transport", LingeringTransport(self.transport, self.linger))
        self._raw_bytes = self._body_bytes = self._chunks = 0
        self._await_body()

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def _give_body(self) -> None:
        """What has come at once is one piece for the endpoint: uvicorn copies the whole body for each."""
        if not (pieces := self._pieces):
            return
        self._pieces = []
        body = b"".join(pieces)
        self._kept_bytes = 0
        self._body_bytes += len(body)
        self._chunks += len(pieces)
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.asks_for_upgrade():
            return
        self._give_body()
        self._kept_bytes = 0
        self._in_body = False
        self._stop_timer()
        if not self.transport.is_closing():
            self.cycle.transport = self.transport
            if not self.cycle.response_started:
                self.cycle.keep_alive = self._keep_alive
            super().on_message_complete()

    def on_response_complete(self) -> None:
        if self.answering is not None and isinstance(self.answering.transport, FollowedTransport):
            self.answering.transport.end()
        if self._linger_left is not None:
            self.server_state.total_requests += 1
            self.flow.resume_reading()
            return
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self.pipeline:
            self.flow.pause_reading()  # uvicorn reads on after each answer, and more would wait each time
        if self.cycle.response_complete:
            self._await_head()  # uvicorn's own timer for idle connections ends with any byte, also with an empty line
            # One that rests keeps nothing of what was asked: thousands may, and a head has 32 kB.
            if self.scope is self.cycle.scope:  # else the next head has begun
                self.scope, self.headers = None, []  # type: ignore[assignment]  # as before the first one
            self.answering = self.cycle = None  # type: ignore[assignment]  # as before the first one
            self._room.rest(self)

    def belongs_to(self, project: str) -> None:
        """The request that is being answered is of this project. Raises as `Connections.keep`."""
        if not self.transport.is_closing():
            self._room.keep(self, project)

    def give_up(self) -> None:
        """Close it at once, without an answer."""
        self.given_up = True
        if self.answering is not None:
            self.answering.disconnected = True
        self.transport.abort()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self.answering = cycle
        self._beginning = Beginning(self._asker_of(cycle.scope), partial(self._begin, cycle, app))
        self._turns.take(self._beginning)

    def _begin(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._beginning = None
        if self._in_body and has_gone(cycle.scope):  # type: ignore[arg-type]  # it is a Scope
            self.transport.abort()  # we do not read, and so nobody tells us
        elif not cycle.disconnected:  # else nobody waits for the answer
            super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        self._refuse(ApiError(400, "invalid_http", msg))

    def linger(self) -> None:
        """Close after an answer whose request is still being sent: take a little more, so that it can be read."""
        if self._linger_left is None:
            self._linger_left = LINGER_BYTES
            if self.transport.can_write_eof():
                self.transport.write_eof()
            self._start_timer(LINGER_SECONDS, self.transport.close)

    def _refuse(self, error: ApiError) -> None:
        if self._linger_left is not None:  # it is refused
            return
        cycle = self.cycle
        unanswered = self._in_body and cycle is not None and not cycle.response_started and not self.pipeline
        # Else the refusal would stand in the middle of another answer.
        if cycle is None or cycle.response_complete or unanswered:
            self.transport.write(whole_answer(error))
        if not unanswered:
            self.transport.close()
            return
        cycle.disconnected = True  # for the endpoint, which waits for the rest of the body
        cycle.message_event.set()
        self.linger()
        self.flow.resume_reading()

    def _await_head(self) -> None:
        self._start_timer(HEAD_SECONDS, self.transport.close)

    def _await_body(self) -> None:
        # One that begins while we do not read is let off: it may be nearly over when we read on.
        self._window_bytes = self._body_bytes - LEAST_BODY_BYTES * self.flow.read_paused
        self._start_timer(BODY_SECONDS, self._check_body)

    def _check_body(self) -> None:
        """The body must go on, unless it is we who do not read it."""
        if self.flow.read_paused or self._body_bytes - self._window_bytes >= LEAST_BODY_BYTES:
            self._await_body()
            return
        message = f"the body came too slowly: less than {LEAST_BODY_BYTES} bytes in {BODY_SECONDS:g} s"
        self._refuse(ApiError(408, "body_too_slow", message))

    def _start_timer(self, seconds: float, expired: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, expired)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
