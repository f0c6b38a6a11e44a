"""What a queued job waits for, and what holds a batch, as the API shows them."""

from collections.abc import Sequence
from typing import Any

from api.parts import Parts
from jobs.holds import read_holds
from jobs.records import Batch, Job
from jobs.routes import DEFAULT, Route, routes_of
from jobs.status import BatchStatus, JobStatus
from jobs.waiting import find_hold, find_upstream_hold, find_why_waiting


def waiting_json(parts: Parts, job: Job) -> dict[str, Any]:
    """`hold`, `limited_by` and `limited_by_message` of a job; all null unless it is queued and waits."""
    waiting = None
    if job.status is JobStatus.QUEUED:
        hint_seconds = parts.settings.hint_seconds
        waiting = find_why_waiting(parts.database, [job.id], _routes(parts), hint_seconds).get(job.id)
    if waiting is None:
        return {"hold": None, "limited_by": None, "limited_by_message": None}
    return {"hold": waiting.hold.as_json() if waiting.hold else None, **waiting.as_json()}


def hold_json(parts: Parts, batch: Batch, project: str) -> dict[str, Any] | None:
    """What keeps all the jobs of a batch from starting."""
    if batch.status is not BatchStatus.IN_PROGRESS:
        return None
    holds = read_holds(parts.database)
    if not holds:
        return None
    hold = find_hold(holds, batch_id=batch.id, project=project, model=batch.model)
    hold = hold or find_upstream_hold(holds, batch.model, _routes(parts))
    return hold.as_json() if hold else None


def _routes(parts: Parts) -> Sequence[Route]:
    """The upstreams. An API that was given none takes it that the workers have the one that needs no file."""
    return routes_of(parts.upstreams.current()) or [DEFAULT]
