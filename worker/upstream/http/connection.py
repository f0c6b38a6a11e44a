"""One request and its answer, over one connection.

A bare asyncio protocol, with llhttp for the syntax. A piece of the body goes from the socket's callback straight to
its reader: to wake a task for each delta would cost as much as all the rest of reading it.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

import httptools

from worker.upstream.errors import CutMidStream, UpstreamError, quote

MAX_BARE_BYTES = 1 << 16
"""How many bytes may come in a row without any of the body: heads, trailers and chunk headers end somewhere."""

MOST_WAITING_BYTES = 1 << 20
"""When more of the body waits for the one who reads it, no more is read from the socket until then: what unpacks a
thousandfold, or what is sent faster than a worker takes it."""

MOST_WAITING_BYTES_TLS = 1 << 24
"""The same over TLS, where uvloop loses what waits in a connection whose reading is paused when the server hangs up."""

AT_ONCE_BYTES = 1 << 14
"""How much is given to the reader in one turn of the event loop. One socket may have 8 MB for one turn, and while it
was taken, all other streams would stand still."""


class Connection(asyncio.Protocol):
    """Serves one request. `where` is the upstream's address as people may see it.

    On one that were kept for the next request, a POST could cross with the server's close, and then nobody would know
    whether it was run and must be paid.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        # As other clients read them. An answer that is refused for its form must be paid again, and what is dangerous
        # is to take one answer for two, on a connection that serves many.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_chunked_length=True,
            lenient_keep_alive=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._in_head = True
        self.is_delimited = False
        """Whether the answer says where it ends. If not, it ends with its connection, and a crash looks like an end."""
        self._bare_bytes = 0
        self._pieces: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._most_waiting = MOST_WAITING_BYTES
        self._is_paused = False
        self._take: Callable[[bytes], bool] | None = None
        self._enough = False
        self._whole = False
        self._failure: Exception | None = None
        self._woken: asyncio.Future[None] | None = None

    async def ask(self, *request: bytes) -> None:
        """Send the request and wait for the head of the answer: `status` and `headers`. Raises `CutMidStream`."""
        if self._transport is not None:
            self._transport.writelines(request)
        while self._in_head:
            if self._failure is not None:
                raise self._failure
            await self._wait()

    async def receive(self) -> bytes:
        """The next piece of the body; empty at its end. Raises `CutMidStream` when the rest is not to come.

        Call it until then, or `close`: the socket is read on, until `MOST_WAITING_BYTES` wait.
        """
        while not self._pieces:
            if self._failure is not None:
                raise self._failure
            if self._whole:
                return b""
            await self._wait()
        return self._take_next()

    async def relay(self, take: Callable[[bytes], bool]) -> None:
        """Give every piece of the body to `take` as it comes, until that returns False or the body is whole. What comes
        at once is given in several turns of the event loop, if it is much.

        Raises what `take` raises, and `CutMidStream`.
        """
        self._take = take
        while not self._enough:
            if self._pieces:
                self._give(self._take_next())
                await asyncio.sleep(0)
            elif self._failure is not None:
                raise self._failure
            elif self._whole:
                return
            else:
                await self._wait()

    def close(self) -> None:
        """Hang up at once. Nothing is taken any more: what comes after a cancel must not get into a stored text."""
        self._enough = True
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        if transport.get_extra_info("ssl_object") is not None:
            self._most_waiting = MOST_WAITING_BYTES_TLS

    def data_received(self, data: bytes) -> None:
        if self._whole or self._enough or self._failure is not None:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(self._error("it changes to another protocol"))
        except httptools.HttpParserError as error:
            self._fail(self._error(str(error)))
        if self._pieces:
            self._bare_bytes = 0
            if self._take is not None and self._waiting_bytes <= AT_ONCE_BYTES:
                self._give(self._take_all())
                return
            self._pause_when_full()
        else:
            self._bare_bytes += len(data)
            if self._bare_bytes > MAX_BARE_BYTES:
                self._fail(self._error(f"more than {MAX_BARE_BYTES} bytes of headers"))
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if exc is None and not self._in_head and not self.is_delimited:
            self._whole = True  # such a body ends with its connection
        elif not self._whole and self._failure is None:
            self._failure = self._error(str(exc or "") or "it was closed")
        self._wake()

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # else it is a trailer
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._whole:  # another answer, which nobody asked for, in the bytes that ended this one
            return
        self.status = self._parser.get_status_code()
        if self.status < 200:
            self.headers.clear()  # only an interim answer: the real one follows
            return
        self._in_head = False
        for name, value in self.headers:
            lowered = name.lower()
            if lowered == b"content-length" or (lowered == b"transfer-encoding" and b"chunked" in value.lower()):
                self.is_delimited = True

    def on_body(self, piece: bytes) -> None:
        if not (self._in_head or self._whole):  # else it is an interim answer's, or of one that nobody asked for
            self._waiting_bytes += len(piece)
            if len(piece) <= AT_ONCE_BYTES:
                self._pieces.append(piece)
                return
            for start in range(0, len(piece), AT_ONCE_BYTES):
                self._pieces.append(piece[start : start + AT_ONCE_BYTES])

    def on_message_complete(self) -> None:
        self._whole = not self._in_head

    def _take_all(self) -> bytes:
        """What waits, where it may be taken at once: nearly all deltas come here."""
        self._waiting_bytes = 0
        piece = self._pieces.popleft()
        if self._pieces:
            piece += b"".join(self._pieces)
            self._pieces.clear()
        return piece

    def _take_next(self) -> bytes:
        """What waits: all of it, or about as much as may be taken at once."""
        taken, size = [self._pieces.popleft()], 0
        while self._pieces and (size := size + len(taken[-1])) + len(self._pieces[0]) <= AT_ONCE_BYTES:
            taken.append(self._pieces.popleft())
        piece = taken[0] if len(taken) == 1 else b"".join(taken)
        self._waiting_bytes -= len(piece)
        if self._is_paused and 2 * self._waiting_bytes <= self._most_waiting:
            self._is_paused = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()
        return piece

    def _pause_when_full(self) -> None:
        is_full = self._waiting_bytes > self._most_waiting and not self._is_paused
        if is_full and self._transport is not None and not self._transport.is_closing():
            self._is_paused = True
            self._transport.pause_reading()

    def _give(self, piece: bytes) -> None:
        try:
            self._enough = self._take is not None and not self._take(piece)
        except Exception as error:  # it belongs to the task that waits in `relay`
            self._failure = error
            self._pieces.clear()
        if self._enough or self._whole or self._failure is not None:
            self._wake()

    def _fail(self, error: UpstreamError) -> None:
        if self._whole:  # after the end of the body nothing matters
            return
        self._failure = error
        if self._transport is not None:
            self._transport.abort()

    def _error(self, reason: str) -> UpstreamError:
        if self._in_head:
            return CutMidStream(f"No valid answer from {self._where}: {quote(reason)}")
        return CutMidStream(f"The upstream's connection broke before its answer was whole: {quote(reason)}")

    async def _wait(self) -> None:
        self._woken = self._loop.create_future()
        try:
            await self._woken
        finally:
            self._woken = None

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)
