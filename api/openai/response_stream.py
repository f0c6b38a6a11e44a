"""A Response as a stream of server-sent events, from any number on, while it is written and afterwards."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing

from api.http.errors import ApiError, error_body
from api.openai.job_events import JobEvent, JobStream
from api.openai.response_events import Event, ResponseEvents
from api.services import Services
from api.watching.frames import COMMENT
from jobs.lifecycle.responses import StoredResponse, read_response
from jobs.live.follower import Reasoning, ResetMessage, Text
from jobs.store.queries import StoredResult, read_attempts
from jobs.strict_json import dump_json


class ResponseStream(JobStream):
    """The events of one Response for one client. `after` is the number of the last event that the client has, and
    `at_end` is called when all of them have been sent.
    """

    def __init__(
        self,
        services: Services,
        asked: StoredResponse,
        after: int = -1,
        *,
        at_end: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        # From the first byte, whatever the client has: one way for every client, and most texts are short.
        super().__init__(services, asked.job.id)
        self._asked = asked
        self._at_end = at_end
        self._events = ResponseEvents(asked, after)

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """The events as they go over the wire. Ends after the last one, or after an error that is not an event of the
        Response, as when this server goes down.
        """
        yield _frames(self._events.created()) or COMMENT
        async with aclosing(self._watch.values()) as values:
            async for events in values:
                frames = b"".join([await self._format(event) for event in events])
                yield frames or COMMENT
                if events and isinstance(events[-1], StoredResult):
                    if self._at_end is not None:
                        await self._at_end()  # the client has been sent all of it
                    return
        yield self._interrupted()

    async def _format(self, event: JobEvent) -> bytes:
        if isinstance(event, Text):
            frames = await self._switch_attempt(event.attempt)
            return frames + _frames(self._events.text(event))
        if isinstance(event, Reasoning):
            frames = await self._switch_attempt(event.attempt)
            return frames + _frames(self._events.reasoning(event))
        if isinstance(event, ResetMessage):
            return await self._switch_attempt(event.attempt, anew=True)
        if isinstance(event, StoredResult):
            database, project = self._services.database, self._asked.job.project
            ended = await self._services.reads.run(read_response, database, self._asked.id, project=project)
            if ended is None or ended.text is None:
                return self._interrupted()
            frames = await self._switch_attempt(ended.job.attempt)
            return frames + _frames(self._events.end(ended))
        return _frames(self._events.begun()) if event.attempt > 0 else b""

    async def _switch_attempt(self, attempt: int, *, anew: bool = False) -> bytes:
        if attempt == 0 or (attempt == self._events.attempt and not anew):
            return b""
        attempts = []
        if attempt > 1:
            attempts = await self._services.reads.run(read_attempts, self._services.database, self._asked.job.id)
        begun = _frames(self._events.begun())
        return begun + _frames(self._events.switch_attempt(attempt, attempts, anew=anew))

    def _interrupted(self) -> bytes:
        """Not an event of the Response: without a number, and the SDK raises it."""
        response_id, number = self._asked.id, self._events.last_number
        if self._services.hub.closed:
            come_back = f"retrieve it with stream=true and starting_after={number}"
            error = ApiError(503, "shutting_down", f"this server is going down; {response_id} goes on: {come_back}")
        elif self._watch.stopped:
            error = ApiError(401, "invalid_api_key", "this API key was revoked")
        else:
            error = ApiError(410, "deleted", f"{response_id} was deleted or run again while it was watched")
        return b"event: error\ndata: %b\n\n" % dump_json(error_body(error)).encode("ascii")


def _frames(events: Iterable[Event]) -> bytes:
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), dump_json(event).encode("ascii")) for event in events
    )
