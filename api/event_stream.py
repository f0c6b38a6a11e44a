"""A watch as an HTTP response that ends in order, whoever ends it."""

import asyncio
from contextlib import aclosing

from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.batch_watch import BatchWatch
from api.watch import Watch

_HEADERS = {
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # nginx would collect events until its buffer is full
}


class EventStream(Response):
    """Sends the events of a watch until it ends or the client is gone.

    Starlette's own streaming response runs a task group beside the stream, and leaves the stream unclosed when it ends
    early. Here it ends in order as soon as the client hangs up.
    """

    media_type = "text/event-stream"

    def __init__(self, watch: Watch | BatchWatch) -> None:
        self.watch = watch
        self.status_code = 200
        self.background: BackgroundTask | None = None
        self.init_headers(_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        listening = asyncio.create_task(self._stop_at_hang_up(receive))
        try:
            # In a task of its own: every event would else wake through the 20 coroutines of the layers around us.
            await asyncio.create_task(self._send_all(send))
        except asyncio.CancelledError:
            if not self.watch.stopped:
                raise
            # The server goes down and this client does not read: it gets no end, and will come back.
        finally:
            listening.cancel()

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with aclosing(self.watch.frames()) as frames:
            async for frame in frames:
                await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _stop_at_hang_up(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.watch.stop()
