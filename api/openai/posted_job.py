"""Waits for the text or the end of a job, for the client that has posted it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from logging import getLogger
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.access.large_answers import REFUSED, made_without_room
from api.access.turns import Turns
from api.callers.caller import Caller
from api.finding import turns_by_size
from api.http.errors import ApiError, error_answer
from api.http.event_stream import EventStream, Streamed
from api.http.gone import at_hang_up
from api.idempotency import replayed
from api.services import Services
from api.watching.hub import Watcher
from jobs.intake.idempotency import IdempotencyKey
from jobs.intake.submission import Accepted
from jobs.model.status import FINAL
from jobs.store.database import driver_message
from jobs.store.queries import StoredResult, read_result, read_status

T = TypeVar("T")

Answer = Callable[[StoredResult, Turns], Awaitable[Response]]

FIRST_SECONDS = 3.0
"""How long the head of a streamed answer waits for the first text. What fails until then, which is most of what fails
at all, is answered with its own HTTP status, and the SDK raises its typed error."""
_QUIET_SECONDS = 3.0
_LONGEST_QUIET_SECONDS = 12.0

log = getLogger(__name__)


def job_path(job_id: str) -> str:
    """Where a job can be read."""
    return f"/v1/jobs/{job_id}"


class Wait(Watcher):
    """Waits for the end of one job. The channel wakes it; the row decides."""

    def __init__(self, services: Services, job_id: str) -> None:
        super().__init__(services.hub)
        self._services = services
        self._job_id = job_id
        self.turns = services.reads
        """Where the job that has ended was read, and is written out."""

    async def until_end(self, *, seconds: float = float("inf"), or_text: bool = False) -> StoredResult | None:
        """The job as it has ended. None when stopped, when the time is over, or, with `or_text`, at the next text or
        reasoning.

        Raises `ApiError` when the job was erased.
        """
        now = asyncio.get_running_loop().time
        deadline, quiet, look_at = now() + seconds, _QUIET_SECONDS, 0.0
        async with self._hub.watch(self._job_id) as inbox:
            self._inbox = inbox
            while not self.stopped:
                if now() >= look_at:
                    inbox.resync = False
                    result = await self._read()
                    if result is not None:
                        return result
                    look_at = now() + quiet
                    quiet = min(quiet * 2, _LONGEST_QUIET_SECONDS)
                if now() >= deadline:
                    return None
                inbox.alarm_at = min(look_at, deadline)
                received = await inbox.take()
                if or_text and any(item.message.text or item.message.reasoning for item in received):
                    return None
                if inbox.resync or any(item.message.event == "done" for item in received):
                    look_at = 0.0
        return None

    async def _read(self) -> StoredResult | None:
        try:
            state = await self._services.reads.run(read_status, self._services.database, self._job_id)
            result = None
            if state is not None and state[0] in FINAL:
                self.turns = await turns_by_size(self._services, [self._job_id])
                result = await self.turns.run(read_result, self._services.database, self._job_id, project=None)
        except SQLAlchemyError as error:
            log.warning("wait for %s: the database does not answer: %s", self._job_id, driver_message(error))
            return None
        if state is None:
            raise ApiError(410, "deleted", "the job was deleted while this waited for it")
        return result if result is not None and result.job.is_final else None


class PostedJob:
    """A job whose client waits for it with its POST, and holds a watch slot (`api/access/watch_limiter.py`) meanwhile.

    Use it as a context manager around the submission. The slot is taken before the job is stored: a client that is
    refused one sends its request again. The response that is made here holds it from then on.
    """

    def __init__(self, services: Services, caller: Caller, key: IdempotencyKey | None) -> None:
        self.headers: Mapping[str, str] = {}
        """Those of every answer to the accepted submission, errors too."""
        self.account = caller.account
        self._services = services
        self._caller = caller
        self._has_key = key is not None
        self._held = ExitStack()

    def __enter__(self) -> "PostedJob":
        taken = self._services.watch_limiter.take(self._caller.project, self._caller.key_id)
        self._slot = self._held.enter_context(taken)
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    async def submit(
        self, turns: Turns, submit: Callable[[], tuple[Accepted, T]], path: Callable[[str], str] = job_path
    ) -> T:
        """Store the job, and begin to wait for it. `path` is where it can be read."""
        accepted, stored = await turns.run(submit)
        self.headers = accepted_headers(accepted, path(accepted.id))
        self._job_id = accepted.id
        self._wait = Wait(self._services, accepted.id)
        self._slot.hold(self._wait)
        return stored

    def at_end(self, answer: Answer, when_sent: Callable[[], Awaitable[None]] | None) -> Response:
        """The response that answers at the end of the job. `when_sent` is called when a good answer was sent."""
        return AnswerAtEnd(self, self._wait, answer, when_sent, slot=self._held.pop_all())

    async def until_text(self, refuse: Callable[[StoredResult], None]) -> None:
        """Wait a little for the first text. `refuse` raises `ApiError` for a job that has ended without one."""
        try:
            result = await self._wait.until_end(seconds=FIRST_SECONDS, or_text=True)
            if result is not None:
                refuse(result)
        except ApiError as error:
            error.headers = {**(error.headers or {}), **self.headers}
            raise

    def stream(self, streamed: Streamed) -> Response:
        """The response that sends this. Raises `ApiError` if the client is to be told nothing more."""
        if self._wait.stopped:
            raise self.interruption()
        self._slot.hold(streamed)
        return EventStream(streamed, self.headers, slot=self._held.pop_all())

    def without_room(self, refused: ApiError) -> ApiError:
        """This refusal of what is large of the answer, with the job that has written it."""
        return made_without_room(refused, self.headers, has_key=self._has_key)

    def interruption(self) -> ApiError:
        """Why the client is not told the end of the job, which goes on.

        The SDK repeats a POST after 503. Without an `Idempotency-Key` that would be a second job, so it is told not to.
        """
        goes_on = f"the job {self._job_id} goes on, its text is at /v1/jobs/{self._job_id}/text"
        retry = {"x-should-retry": "false"}
        if self._services.hub.closed:
            advice = "do not send it again"
            if self._has_key:
                advice, retry = "send the same request with the same Idempotency-Key again", {"Retry-After": "1"}
            status, code, message = 503, "shutting_down", f"this server is shutting down; {goes_on}: {advice}"
        elif self._slot.revoked:
            status, code, message = 401, "invalid_api_key", f"this API key was revoked; {goes_on}"
        else:
            status, code, message = 410, "deleted", f"the job {self._job_id} was deleted meanwhile"
        return ApiError(status, code, message, headers={**self.headers, **retry})


class AnswerAtEnd(Response):
    """Answers when the job has ended. A client that hangs up frees its slot at once; the job goes on.

    `answer` makes the response of the ended job, in these turns if it is large, or raises `ApiError`.
    """

    def __init__(
        self,
        posted: PostedJob,
        wait: Wait,
        answer: Answer,
        when_sent: Callable[[], Awaitable[None]] | None,
        *,
        slot: AbstractContextManager[object],
    ) -> None:
        self.status_code = 200
        self.background: BackgroundTask | None = None
        self._posted = posted
        self._wait = wait
        self._answer = answer
        self._when_sent = when_sent
        self._slot = slot
        self._hung_up = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        listening = asyncio.create_task(at_hang_up(receive, self._hang_up))
        try:
            with self._slot:
                response = await self._respond()
        finally:
            listening.cancel()
        for name, value in self._posted.headers.items():
            response.headers.setdefault(name, value)
        await response(scope, receive, send)
        is_good = response.status_code == 200 and REFUSED not in scope
        del response  # its text may be long
        if is_good and self._when_sent is not None:
            await self._when_sent()

    async def _respond(self) -> Response:
        try:
            result = await self._wait.until_end()
            if result is None and self._hung_up:
                raise ClientDisconnect
            if result is None:
                raise self._posted.interruption()
            return await self._answer(result, self._wait.turns)
        except ApiError as error:
            return error_answer(error)

    def _hang_up(self) -> None:
        self._hung_up = True
        self._wait.stop()


def accepted_headers(accepted: Accepted, path: str) -> dict[str, str]:
    """The headers of every answer to an accepted submission, errors too."""
    return {"x-job-id": accepted.id, "location": path, **replayed(accepted)}
