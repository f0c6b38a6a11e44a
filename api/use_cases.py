"""Submit, cancel and retry: each change to the rows with what must follow it, once for all surfaces.

The order is the same everywhere: the rows first, in one transaction. After the commit the workers are woken, and the
watchers told. Whatever of the latter is lost delays and costs nothing: workers and watchers look at the rows anyway.
"""

from collections.abc import Iterable, Mapping, Sequence
from logging import getLogger
from typing import Any

from api.http.errors import ApiError
from api.idempotency import key_reused
from api.services import Services
from jobs.intake.drafts import DraftLostError, store_batch
from jobs.intake.idempotency import IdempotencyKey, KeyReusedError, find_key
from jobs.intake.submission import Accepted, BatchOptions, NewJob, submit_job
from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.rescue import cancel_job
from jobs.lifecycle.retry import BatchCancellingError, retry_batch, retry_job
from jobs.live.status_changes import StatusChange
from jobs.model.status import JobStatus

log = getLogger(__name__)


def find_submitted(services: Services, project: str, key: IdempotencyKey | None) -> Accepted | None:
    """What an earlier submission made with this key. Raises `ApiError` when the key stands for another request."""
    try:
        known = find_key(services.database, project, key) if key is not None else None
    except KeyReusedError:
        raise key_reused() from None
    return Accepted(known, repeated=True) if known is not None else None


def submit_one_job(
    services: Services,
    project: str,
    job: NewJob,
    key: IdempotencyKey | None,
    response: Mapping[str, Any] | None = None,
) -> Accepted:
    """Store a job, with its Response if it is one. Raises `ApiError` when the key stands for another request."""
    try:
        accepted = submit_job(services.database, job, project=project, idempotency_key=key, response=response)
    except KeyReusedError:
        raise key_reused() from None
    wake_for(services, accepted)
    return accepted


def submit_one_batch(
    services: Services, jobs: Sequence[NewJob], options: BatchOptions, warnings: list[dict[str, Any]]
) -> Accepted:
    """Store a batch with all its jobs. Raises `KeyReusedError` and `ApiError`."""
    try:
        accepted = store_batch(services.database, jobs, options, warnings=warnings)
    except DraftLostError:
        raise interrupted() from None
    wake_for(services, accepted)
    return accepted


def interrupted() -> ApiError:
    """What is said when somebody else cleared a draft away while it was stored."""
    said = "the service was stopped for too long while it stored the batch, and nothing of it was kept; send it again"
    return ApiError(503, "interrupted", said, headers={"Retry-After": "2"})


def wake_for(services: Services, accepted: Accepted) -> None:
    """Wake the workers for what is new; a repeated submission made nothing."""
    if not accepted.repeated:
        name = "batch_id" if accepted.id.startswith("batch_") else "job_id"
        log.info("submit", extra={"action": "submit", name: accepted.id})
        services.waker.wake()


def cancel_one_job(services: Services, job_id: str) -> StatusChange | None:
    """Cancel a job that has not ended. None: it had ended. One that runs ends when its worker has closed the stream."""
    change = cancel_job(services.database, job_id)
    if change is not None:
        if change.batch_id is not None and change.status is JobStatus.CANCELLED:
            close_batch(services.database, change.batch_id)
        _log_changes("cancel", [change])
        services.status_publisher.publish([change])
    return change


def cancel_one_batch(services: Services, batch_id: str) -> None:
    """Cancel every job of a batch that has not ended."""
    changes = cancel_batch(services.database, batch_id)
    _log_changes("cancel", changes)
    services.status_publisher.publish(changes)


def retry_one_job(services: Services, job_id: str, batch_id: str | None) -> bool:
    """Queue a job again that ended without a whole text. False: it did not. Raises `ApiError`."""
    try:
        change = retry_job(services.database, job_id, batch_id)
    except BatchCancellingError:
        raise _cancelling() from None
    return bool(_requeued(services, [] if change is None else [change]))


def retry_jobs_of_batch(services: Services, batch_id: str, statuses: Sequence[JobStatus], *, incomplete: bool) -> int:
    """Queue the jobs of a batch again that ended so. Returns how many these are. Raises `ApiError`."""
    try:
        changes = retry_batch(services.database, batch_id, statuses, incomplete=incomplete)
    except BatchCancellingError:
        raise _cancelling() from None
    return _requeued(services, changes)


def _requeued(services: Services, changes: Iterable[StatusChange]) -> int:
    queued = list(changes)
    if queued:
        _log_changes("retry by hand", queued)
        services.status_publisher.publish(queued)
        services.waker.wake()
    return len(queued)


def _log_changes(action: str, changes: Iterable[StatusChange]) -> None:
    """One line for each. A running job that is to be cancelled gets its end from its worker."""
    for change in changes:
        ids = {"job_id": change.id, "attempt": change.attempt, "batch_id": change.batch_id}
        log.info(action, extra={"action": action, "status": change.status.value, **ids})


def _cancelling() -> ApiError:
    return ApiError(409, "batch_cancelling", "the batch is being cancelled: retry when it is `cancelled`")
