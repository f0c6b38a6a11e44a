"""The gate that watches pass while they open: a few at a time, so that running watches and all other requests go on.

It is passed by the projects in turn, as soon as the key is known and before any other layer has worked for the request:
that alone would keep a thousand of them busy for seconds, and a watch of a large batch takes long to open. A request
without a good key does not come here. It is refused as any other is.
"""

import asyncio
from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.callers.caller import CALLER, Caller
from api.callers.watch_tokens import is_watch
from api.http.errors import ApiError, error_answer
from api.http.event_stream import STREAM, EventStream
from jobs.model.project_turns import ProjectTurns

OPENING_AT_ONCE = 4
LONGEST_SECONDS = 0.5
"""How long one watch keeps the next from opening, however long its text, its reader or the database takes."""

MOST_WAITING = 2_000
"""Of one project: each is kept with its head, which may have 32 KiB."""
_RETRY_SECONDS = 2


class OpeningGate:
    """Lets in `OPENING_AT_ONCE` at most: the projects in turn, and those of one in the order of their coming."""

    def __init__(self) -> None:
        self._free = OPENING_AT_ONCE
        self._waiting: ProjectTurns[asyncio.Future[None]] = ProjectTurns()

    @property
    def waiting(self) -> int:
        """How many wait to be let in."""
        return len(self._waiting)

    async def enter(self, project: str) -> "Place":
        """Wait for a place. It has to be released, and is by itself after `LONGEST_SECONDS`. Raises `ApiError` (503)
        where too many of this project wait.
        """
        loop = asyncio.get_running_loop()
        if self._free > 0:
            self._free -= 1
        else:
            if self._waiting.count(project) >= MOST_WAITING:
                message = f"{MOST_WAITING} watches of your project are opening on this server: open this one shortly"
                raise ApiError(503, "too_many_openings", message, headers={"Retry-After": str(_RETRY_SECONDS)})
            turn: asyncio.Future[None] = loop.create_future()
            self._waiting.add(project, turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._leave(project)  # it was let in at that moment
                raise
        return Place(lambda: self._leave(project), loop)

    def _leave(self, project: str) -> None:
        while (turn := self._waiting.next(project)) is not None:
            if not turn.done():
                turn.set_result(None)  # the place goes over to the next
                return
        self._free += 1


class Place:
    """A place in a gate."""

    __slots__ = ("_leave", "_timer")

    def __init__(self, leave: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        self._leave: Callable[[], None] | None = leave
        self._timer = loop.call_later(LONGEST_SECONDS, self.release)

    def release(self) -> None:
        """Let the next one in. Safe to call twice."""
        leave, self._leave = self._leave, None
        if leave is not None:
            self._timer.cancel()
            leave()


class WatchGate:
    """ASGI middleware: the gate before all requests for a watch whose caller is known."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._gate = OpeningGate()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller: Caller | None = scope.get(CALLER)
        if caller is None or not is_watch(scope):
            await self._app(scope, receive, send)
            return
        try:
            place = await self._gate.enter(caller.project)
        except ApiError as refused:
            await error_answer(refused)(scope, receive, send)
            return
        try:
            await self._open(scope, receive, send, place)
        finally:
            stream: EventStream | None = scope.get(STREAM)
            if stream is None:
                place.release()
            else:
                stream.opened = place.release

    async def _open(self, scope: Scope, receive: Receive, send: Send, place: Place) -> None:
        """Let the layers below answer. Raises `ClientDisconnect` if the client did not wait for its turn."""
        taken = [await receive()]
        if taken[0]["type"] == "http.disconnect":
            raise ClientDisconnect

        async def receive_again() -> Message:
            return taken.pop() if taken else await receive()

        async def send_on(message: Message) -> None:
            place.release()  # this is a refusal: all the work is done, and nobody may be reading
            await send(message)

        await self._app(scope, receive_again, send_on)
