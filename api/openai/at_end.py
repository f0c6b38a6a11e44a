"""Waits for a job's end, for answers that are sent only then."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from logging import getLogger

from sqlalchemy.exc import SQLAlchemyError
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.access.watch_limiter import WatchSlot
from api.http.errors import ApiError, error_answer
from api.services import Services
from api.watching.hub import Watcher
from jobs.model.status import FINAL
from jobs.store.database import driver_message
from jobs.store.queries import StoredResult, read_result, read_status

_QUIET_SECONDS = 3.0
_LONGEST_QUIET_SECONDS = 12.0

log = getLogger(__name__)


class Wait(Watcher):
    """Waits for the end of one job. The channel wakes it; the row decides."""

    def __init__(self, services: Services, job_id: str) -> None:
        super().__init__(services.hub)
        self._services = services
        self._job_id = job_id

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
                result = await self._services.reads.run(
                    read_result, self._services.database, self._job_id, project=None
                )
        except SQLAlchemyError as error:
            log.warning("wait for %s: the database does not answer: %s", self._job_id, driver_message(error))
            return None
        if state is None:
            raise ApiError(410, "deleted", "the job was deleted while this waited for it")
        return result if result is not None and result.job.is_final else None


class Interruption:
    """Why a client that waits for the job of its POST is not told the end of it. The job goes on."""

    def __init__(
        self, services: Services, job_id: str, slot: WatchSlot, headers: Mapping[str, str], *, has_key: bool
    ) -> None:
        self._services = services
        self._job_id = job_id
        self._seat = slot
        self._headers = headers
        self._has_key = has_key

    def error(self) -> ApiError:
        """The refusal, with the headers of the accepted submission.

        The SDK repeats a POST after 503. Without an `Idempotency-Key` that would be a second job, so it is told not to.
        """
        goes_on = f"the job {self._job_id} goes on, its text is at /v1/jobs/{self._job_id}/text"
        retry = {"x-should-retry": "false"}
        if self._services.hub.closed:
            advice = "do not send it again"
            if self._has_key:
                advice, retry = "send the same request with the same Idempotency-Key again", {"Retry-After": "1"}
            status, code, message = 503, "shutting_down", f"this server is shutting down; {goes_on}: {advice}"
        elif self._seat.revoked:
            status, code, message = 401, "invalid_api_key", f"this API key was revoked; {goes_on}"
        else:
            status, code, message = 410, "deleted", f"the job {self._job_id} was deleted meanwhile"
        return ApiError(status, code, message, headers={**self._headers, **retry})


class AnswerAtEnd(Response):
    """Answers when the job has ended. A client that hangs up frees its place at once; the job goes on.

    `answer` makes the response of the ended job, or raises `ApiError`. While it waits it holds a watch slot
    (`api/access/watch_limiter.py`).
    """

    def __init__(
        self,
        wait: Wait,
        answer: Callable[[StoredResult], Awaitable[Response]],
        interruption: Interruption,
        headers: Mapping[str, str],
        *,
        slot: AbstractContextManager[object],
    ) -> None:
        self.wait = wait
        self._seat = slot
        self.status_code = 200
        self.background: BackgroundTask | None = None
        self._answer = answer
        self._interruption = interruption
        self._more_headers = headers
        self._hung_up = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        listening = asyncio.create_task(self._stop_at_hang_up(receive))
        try:
            with self._seat:
                response = await self._respond()
        finally:
            listening.cancel()
        for name, value in self._more_headers.items():
            response.headers.setdefault(name, value)
        await response(scope, receive, send)

    async def _respond(self) -> Response:
        try:
            result = await self.wait.until_end()
            if result is None and self._hung_up:
                raise ClientDisconnect
            if result is None:
                raise self._interruption.error()
            return await self._answer(result)
        except ApiError as error:
            return error_answer(error)

    async def _stop_at_hang_up(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._hung_up = True
        self.wait.stop()
