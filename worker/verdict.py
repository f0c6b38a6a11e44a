"""Decides who is at fault when an attempt fails: its job, which is then charged, or its upstream."""

from dataclasses import dataclass
from typing import Literal

from jobs.dispatch.failure import Reason
from worker.upstream.errors import (
    Aborted,
    Cause,
    CutMidStream,
    EmptyCompletion,
    EndedWithoutEnd,
    ErrorInStream,
    MalformedChunk,
    NoFirstDelta,
    NotAStream,
    RepeatedText,
    ServerError,
    UpstreamError,
)

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


def find_fault(error: UpstreamError, *, has_written: bool = False) -> Verdict:
    """What kind of failure this is, from the error alone; `has_written`: text or reasoning had come, and is paid."""
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
        # Before its first word nothing is lost, and a prompt that crashes its server looks so.
        return Verdict("cut", by_status=False) if has_written else Verdict("failing", by_status=True)
    if isinstance(error, NotAStream):
        return Verdict("url" if error.is_of_url else "odd", by_status=True)
    if _is_odd(error):
        return Verdict(odd_reason(has_written=has_written), by_status=True)
    if isinstance(error, NoFirstDelta):
        return Verdict("queue", by_status=False)
    if error.cause is Cause.AWAY and status not in _OWN:
        if status is None and not isinstance(error, ServerError):
            return Verdict("away", by_status=False)
        return Verdict("away" if status in AWAY_STATUSES else "failing", by_status=True)
    return Verdict("job", by_status=True)


def odd_reason(*, has_written: bool) -> Literal["broken", "odd"]:
    """Of an answer that no well upstream gives, though one request's own fault may be behind it."""
    return "broken" if has_written else "odd"


def _is_odd(error: UpstreamError) -> bool:
    if isinstance(error, ErrorInStream):
        return error.retryable and error.status is None
    if isinstance(error, EmptyCompletion):
        # A model that says nothing gives its reason, or counts its tokens.
        ending = error.ending
        return error.retryable and (ending is None or (ending.finish_reason is None and ending.usage is None))
    return isinstance(error, EndedWithoutEnd | Aborted | MalformedChunk) and not isinstance(error, RepeatedText)
