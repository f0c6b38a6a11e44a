"""A Response as a stream of server-sent events, from any number on, while it is written and afterwards."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import replace

from api.access.budget import Account
from api.access.large_answers import PIECE
from api.finding import turns_by_size
from api.http.errors import ApiError, error_body
from api.http.json_lines import ascii_json
from api.openai.job_events import JobEvent, JobStream
from api.openai.response_events import Event, ResponseEvents
from api.services import LARGE_BODY, Services
from api.watching.frames import COMMENT
from jobs.lifecycle.responses import StoredResponse, read_response
from jobs.live.follower import Reasoning, ResetMessage, Text
from jobs.store.queries import StoredResult, read_attempts
from jobs.strict_json import dump_json

_Part = tuple[Iterable[Event], int]
"""Events that come next, and how many bytes they are made of."""


class ResponseStream(JobStream):
    """The events of one Response for one client. `after` is the number of the last event that the client has, and
    `at_end` is called when all of them have been sent.
    """

    def __init__(
        self,
        services: Services,
        stored: StoredResponse,
        account: Account,
        after: int = -1,
        *,
        at_end: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        # From the first byte, whatever the client has: one way for every client, and most texts are short.
        super().__init__(services, stored.job.id, account, ends_reasoning=True)
        self._id = stored.id
        self._job_id = stored.job.id
        self._project = stored.job.project
        # Its texts are read again when they are sent: nobody counts what a stream holds while it waits.
        self._stored: StoredResponse | None = replace(_without_messages(stored), text=None, reasoning="")
        self._at_end = at_end
        self._events = ResponseEvents(stored.job.id, after)

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """The events as they go over the wire. Ends after the last one, or after an error that is not an event of the
        Response, as when this server goes down, or when it holds too many large answers already.
        """
        try:
            budget = self._services.answer_budget
            with budget.open(self._account) as thoughts:
                async with aclosing(self._parts()) as parts:
                    async for events, size in parts:
                        if size > LARGE_BODY:
                            thoughts.release()  # `size` has them, and is counted
                        async with aclosing(self._write(_frames(events), size)) as pieces:
                            async for piece in pieces:
                                yield piece or COMMENT
                        if self._events.thought_bytes > PIECE:
                            thoughts.hold(min(self._events.thought_bytes, budget.most_of_one))
                        else:
                            thoughts.release()
        except ApiError as error:
            if error.code == self._services.answer_budget.code:
                error.message += f"; {self._come_back()}"
            # Not an event of the Response: without a number, and the SDK raises it.
            yield b"event: error\ndata: %b\n\n" % dump_json(error_body(error)).encode("ascii")

    async def _parts(self) -> AsyncGenerator[_Part, None]:
        if self._stored is not None:
            yield self._events.created(self._stored), self._stored.request_size
            if self._stored.request_size > LARGE_BODY:
                self._stored = None
        async with aclosing(self._watch.values()) as values:
            async for events in values:
                if not events:
                    yield (), 0
                for event in events:
                    for part in await self._parts_of(event):
                        yield part
                if events and isinstance(events[-1], StoredResult):
                    if self._at_end is not None:
                        await self._at_end()  # the client has been sent all of it
                    return
        raise self._interruption()

    async def _parts_of(self, event: JobEvent) -> list[_Part]:
        kept = self._events.thought_bytes
        if isinstance(event, Text):
            begun = await self._switch_attempt(event.attempt)
            return [*begun, (self._events.text(event), len(event.text) + kept)]
        if isinstance(event, Reasoning):
            begun = await self._switch_attempt(event.attempt)
            return [*begun, (self._events.reasoning(event), len(event.text))]
        if isinstance(event, ResetMessage):
            return await self._switch_attempt(event.attempt, anew=True)
        if isinstance(event, StoredResult):
            ended = await self._read()
            if ended.text is None:
                raise self._interruption()
            begun = await self._switch_attempt(ended.job.attempt)
            return [*begun, (self._events.end(ended), ended.size + kept)]
        return await self._begun() if event.attempt > 0 else []

    async def _switch_attempt(self, attempt: int, *, anew: bool = False) -> list[_Part]:
        if attempt == 0 or (attempt == self._events.attempt and not anew):
            return []
        attempts = []
        if attempt > 1:
            attempts = await self._services.reads.run(read_attempts, self._services.database, self._job_id)
        return [*await self._begun(), (self._events.switch_attempt(attempt, attempts, anew=anew), 0)]

    async def _begun(self) -> list[_Part]:
        if self._events.has_begun:
            return []
        stored = self._stored or await self._read()
        return [(self._events.begun(stored), stored.request_size)]

    async def _read(self) -> StoredResponse:
        """The Response as it is now. Raises `ApiError` when it was deleted."""
        turns = await turns_by_size(self._services, [self._job_id])
        stored = await turns.run(read_response, self._services.database, self._id, project=self._project)
        if stored is None:
            raise self._interruption()
        return _without_messages(stored)

    def _come_back(self) -> str:
        number = self._events.last_number
        return f"{self._id} goes on: retrieve it with stream=true and starting_after={number}"

    def _interruption(self) -> ApiError:
        if self._services.hub.closed:
            return ApiError(503, "shutting_down", f"this server is going down; {self._come_back()}")
        if self._watch.stopped:
            return ApiError(401, "invalid_api_key", "this API key was revoked")
        return ApiError(410, "deleted", f"{self._id} was deleted or run again while it was watched")


def _without_messages(stored: StoredResponse) -> StoredResponse:
    """Without the conversation, which no event shows."""
    return replace(stored, job=replace(stored.job, request=None))


def _frames(events: Iterable[Event]) -> Iterator[bytes]:
    for event in events:
        yield b"event: %b\ndata: " % event["type"].encode()
        yield from ascii_json(event)
        yield b"\n\n"
