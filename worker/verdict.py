"""Decides who is at fault when an attempt fails: its job, which is then charged, or its upstream."""

from dataclasses import dataclass
from typing import Literal

from jobs.dispatch.outages import Reason
from worker.upstream.errors import Cause, CutMidStream, ErrorInStream, NoFirstDelta, ServerError, UpstreamError

AWAY_STATUSES = frozenset((502, 503, 504, 520, 521, 522, 523, 524, 530))
"""Said by what stands before a server that does not answer, or by one that is still loading its model."""

OVERLOADED = 529

_OWN = frozenset((408, 409, 425))
"""Of the server's failures, those that are about this one request."""

Fault = Literal["limit", "queue", "job"] | Reason


@dataclass(frozen=True, slots=True)
class Verdict:
    """`limit`: one request too many; `queue`: it waited in the upstream's own queue until the clock ran out; `job`: the
    job's own; the others may be the upstream's, which `jobs/dispatch/outages.py` judges.
    """

    fault: Fault
    by_status: bool


def find_fault(error: UpstreamError) -> Verdict:
    """What kind of failure this is, from the error alone."""
    status = error.status
    # A 503 that says for how long is no outage. One that names the load is `Overloaded`.
    if error.cause is Cause.LIMIT or status == OVERLOADED or (status == 503 and error.retry_after_seconds is not None):
        return Verdict("limit", by_status=True)
    if error.cause is Cause.CREDIT:
        return Verdict("credit", by_status=True)
    if error.cause is Cause.KEY:
        return Verdict("key", by_status=True)
    # A server that fails inside its answer breaks it off, whether it finds words for that or not.
    if isinstance(error, CutMidStream) or (isinstance(error, ErrorInStream) and (status or 0) >= 500):
        return Verdict("cut", by_status=False)
    if isinstance(error, NoFirstDelta):
        return Verdict("queue", by_status=False)
    if error.cause is Cause.AWAY and status not in _OWN:
        if status is None and not isinstance(error, ServerError):
            return Verdict("away", by_status=False)
        return Verdict("away" if status in AWAY_STATUSES else "failing", by_status=True)
    return Verdict("job", by_status=True)
