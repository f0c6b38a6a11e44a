"""A watch as an HTTP response that ends cleanly, whichever side ends it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, aclosing
from typing import Any, Protocol, runtime_checkable

from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.http.gone import at_hang_up

_HEADERS = {
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # nginx would collect events until its buffer is full
}

STREAM = "longhand.stream"
"""The key of the scope under which an `EventStream` waits to be sent."""


class Streamed(Protocol):
    """What can be sent: the watch of a job or of a batch, or a job's text in another form."""

    @property
    def stopped(self) -> bool:
        """Whether it was told to end before what it watches has."""

    def stop(self) -> None:
        """End soon: the client is gone."""

    def frames(self) -> AsyncGenerator[bytes, None]:
        """What to send, as it goes over the wire."""


def nothing() -> None:
    """What a stream calls when it is open, if nobody waits for that."""


@runtime_checkable
class Immediate(Streamed, Protocol):
    """A stream that can send an event at once, without waking a task."""

    def send_through(self, send: Callable[[bytes], bool]) -> None:
        """Let it use `send`, which takes an event, and returns False when the client is slow: the next has to wait."""


@runtime_checkable
class Opening(Streamed, Protocol):
    """A stream that is worked for while it opens, and then only when something happens."""

    on_open: Callable[[], None]
    """What it calls when it is open; more than once, if it likes."""


class EventStream(Response):
    """Sends the events of a watch until it ends or the client is gone.

    Starlette's own streaming response runs a task group beside the stream, and leaves the stream unclosed when it ends
    early. Here it ends in order as soon as the client hangs up. While it streams it holds a watch
    slot (`api/access/watch_limiter.py`).

    As a response it only asks to be sent: `Envelope` does that once all layers below it have returned. What they would
    hold until the end of the stream is a quarter of all that a watcher takes.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        watch: Streamed,
        headers: Mapping[str, str] | None = None,
        *,
        slot: AbstractContextManager[object],
    ) -> None:
        self.watch = watch
        self.opened: Callable[[], None] = nothing
        """What is called when it has opened, or will not."""
        self._slot = slot
        self._held_up: _HeldUp | None = None
        self._is_gone = False
        self.status_code = 200
        self.background: BackgroundTask | None = None
        self.init_headers({**_HEADERS, **(headers or {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        taken = ExitStack()
        taken.enter_context(self._slot)  # here, where a refusal can still be answered
        self._slot = taken
        scope[STREAM] = self

    async def send(self, receive: Receive, send: Send) -> None:
        """Send all of it."""
        if isinstance(self.watch, Opening):
            self.watch.on_open = self.opened
        try:
            with self._slot:  # until here the slot is given back when this is collected
                await self._stream(receive, send)
        finally:
            self.opened()

    async def _stream(self, receive: Receive, send: Send) -> None:
        listening = asyncio.create_task(at_hang_up(receive, self._hang_up))
        try:
            await self._send_all(send)
        except asyncio.CancelledError:
            if not self.watch.stopped:
                raise
            # The server goes down and this client does not read: it gets no end, and will come back.
        finally:
            listening.cancel()

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if isinstance(self.watch, Immediate):
            self.watch.send_through(lambda frame: self._send_at_once(send, frame))
        async with aclosing(self.watch.frames()) as frames:
            async for frame in frames:
                await self._catch_up()
                if frame:
                    await send({"type": "http.response.body", "body": frame, "more_body": True})
                if self._is_gone:  # it would read a long text to its end, for nobody
                    return
        await self._catch_up()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _send_at_once(self, send: Send, frame: bytes) -> bool:
        """Send from outside our task. The server takes what is sent at once, unless the client is slow to read."""
        sending = send({"type": "http.response.body", "body": frame, "more_body": True}).__await__()
        try:
            waits_for = next(sending)
        except StopIteration:
            return True
        self._held_up = _HeldUp(sending, waits_for)
        return False

    async def _catch_up(self) -> None:
        """Wait until what was sent at once is gone."""
        held_up, self._held_up = self._held_up, None
        if held_up is not None:
            await held_up

    def _hang_up(self) -> None:
        self._is_gone = True
        self.watch.stop()


class _HeldUp:
    """A send that was begun outside any task and has to wait: to be awaited, once."""

    def __init__(self, sending: Generator[Any, Any, None], waits_for: Any) -> None:
        self._sending = sending
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        yield self._waits_for
        yield from self._sending
