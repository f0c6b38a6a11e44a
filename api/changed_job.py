"""The answer to a change of a job: a submission, a retry or a cancel."""

from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.access.large_answers import PIECE, SHORTER
from api.forms.jobs import short_job_json, stored_job_json
from api.http.errors import JsonAnswer
from jobs.store.whole_jobs import StoredJob


class ChangedJob(JsonAnswer):
    """The job as it is now; where there is no room for all of it, without what is long. The change was made, and a
    client that is refused the answer would ask for it again.
    """

    def __init__(self, stored: StoredJob, status: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(stored_job_json(stored), status, headers=headers)
        self._shorter: Response | None = None
        if len(self.body) > PIECE:  # made now: the answer would hold the job until a slow reader has it
            self._shorter = JsonAnswer(short_job_json(stored), status, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[SHORTER] = self._shorter
        await super().__call__(scope, receive, send)
