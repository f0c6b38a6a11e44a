"""The cursor, which is the id of every event: `attempt:offset`, or with reasoning `attempt:offset:reasoning offset`.
That of `done` also has the status. Clients echo it and never compute it.
"""

import re
from dataclasses import dataclass

from api.http.errors import ApiError
from jobs.live.follower import Follower
from jobs.model.records import Job
from jobs.model.status import FINAL

LONGEST_OFFSET = 2**31 - 2
"""No text is longer, and PostgreSQL reads from no later byte."""

_CURSOR = re.compile(rf"([0-9]{{1,9}}):([0-9]{{1,10}})(?::([0-9]{{1,10}}))?(?::({'|'.join(sorted(FINAL))}))?")


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a watcher has come in the text of `attempt` and in its reasoning, and which end it was sent, if any."""

    attempt: int = 0
    offset: int = 0
    reasoning_offset: int = 0
    ended: str | None = None

    def tells_end_of(self, job: Job) -> bool:
        """Whether this client was sent how the job has ended. A retry and a cancel change only the status."""
        shown = (self.ended, self.attempt, self.offset, self.reasoning_offset)
        return job.is_final and shown == (job.status, job.attempt, job.bytes or 0, job.reasoning_bytes or 0)


def read_cursor(text: str | None) -> Cursor:
    """The cursor that a client sent; none is the beginning. Refuses what was never an event's id."""
    if not text:
        return Cursor()
    match = _CURSOR.fullmatch(text)
    if match is None or max(int(match[2]), int(match[3] or 0)) > LONGEST_OFFSET:
        raise ApiError(
            400,
            "invalid_value",
            f"Last-Event-ID: must be the id of an event, such as 1:1840, not {text[:60]!r}",
            param="Last-Event-ID",
        )
    return Cursor(int(match[1]), int(match[2]), int(match[3] or 0), match[4])


def cursor_of(follower: Follower) -> str:
    """The id of an event after which a watcher is where this follower is. Without reasoning it is as it always was."""
    reasoning = f":{follower.reasoning_offset}" if follower.reasoning_offset else ""
    return f"{follower.attempt}:{follower.offset}{reasoning}"
