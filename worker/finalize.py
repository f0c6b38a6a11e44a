"""Ends an attempt: stores what becomes of it, and only then publishes it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from logging import getLogger
from time import monotonic
from typing import NamedTuple

from sqlalchemy.exc import DataError

from jobs.dispatch.upstream_holds import end_probe_now
from jobs.lifecycle import transitions
from jobs.lifecycle.close_batch import close_batch
from jobs.live.channel import encode_batch, encode_done, encode_job, encode_queued
from jobs.model.endings import AttemptResult
from jobs.model.records import Job
from jobs.model.status import JobStatus
from jobs.settings import Settings
from jobs.store.database import Database, driver_message
from jobs.store.stored_texts import StoredText, read_stored
from jobs.store.text_bytes import read_text_bytes
from worker.active_attempts import ActiveAttempt, ActiveAttempts, StopReason
from worker.answer_check import NotAccepted
from worker.counts import WorkerCounts
from worker.db_retry import retry_unless_draining, retry_until_stored
from worker.event_loop import EventLoop
from worker.failed_attempts import FailedAttempts
from worker.group_commit import GroupCommit
from worker.measure import NOTHING_WRITTEN, StreamEnd
from worker.recorder import Recorder
from worker.upstream.ending import Ending
from worker.upstream.errors import UpstreamError

log = getLogger(__name__)


class InternalError(UpstreamError):
    """Longhand's own failure, stored as the job's error like one of the upstream's."""

    code = "internal_error"

    @classmethod
    def of(cls, fault: Exception) -> "InternalError":
        return cls(f"Longhand itself failed with {type(fault).__name__}; the worker's log says how")


class CheckFailed(InternalError):  # noqa: N818  # as the other errors of an answer
    """The text was whole and could not be checked, so that nobody knows whether it is right. It is written anew."""

    code = "check_failed"


class NotStoredError(InternalError):
    """The database refuses the text. Not retryable: another one would be paid for and most likely refused, too."""

    code = "text_not_stored"
    retryable = False


_REFUSED = (DataError, OverflowError)
"""What a database raises for a value that it cannot hold. SQLite's driver raises the second one for a number."""


_STOPPED: Mapping[StopReason, tuple[str, JobStatus, Callable[..., bool]]] = {
    StopReason.CANCEL: ("cancel", JobStatus.CANCELLED, transitions.cancel_running),
    StopReason.EXPIRE: ("expire", JobStatus.EXPIRED, transitions.expire_running),
    StopReason.DRAIN: ("release", JobStatus.QUEUED, transitions.release),
    StopReason.RELEASE: ("release", JobStatus.QUEUED, transitions.release),
    StopReason.LOST: ("lose", JobStatus.QUEUED, lambda *_: False),
}
"""What becomes of an attempt that was stopped: the verb of its log line, the status of its job, and what stores it."""


class _Finished(NamedTuple):
    """A job that completes: its id, its attempt and what that has written."""

    end: tuple[str, int, AttemptResult]
    size: int
    """How many bytes are written or deleted with it."""


class Finalizer:
    """Ends attempts, each in its job's own thread. The parts are the process's own."""

    def __init__(
        self,
        database: Database,
        loop: EventLoop,
        recorder: Recorder,
        attempts: ActiveAttempts,
        settings: Settings,
        counts: WorkerCounts,
    ) -> None:
        self._database = database
        self._loop = loop
        self._recorder = recorder
        self._attempts = attempts
        self._settings = settings
        self._counts = counts
        self._finishes = GroupCommit(self._finish_one, self._finish_many, lambda finished: finished.size)
        self._failed = FailedAttempts(database, attempts, settings, self._publish_batch)

    def finalize(self, running: ActiveAttempt, outcome: StreamEnd, written: AttemptResult) -> None:
        """Store what became of the attempt, and only then tell it and its lane."""
        began, request = monotonic(), running.sent
        try:
            self._store_what_it_takes(running, outcome, written)
        finally:
            output_tokens = written.usage.output_tokens if written.usage else None
            self._counts.add_finish(running, request, outcome, output_tokens, monotonic() - began)
            sent = running.sent
            if sent is not None:
                sent.end(outcome)
                if sent.probes and not isinstance(outcome, Ending):
                    retry_unless_draining(self._attempts, end_probe_now, self._database, sent.key[0], running.job.id)

    def _finish(self, running: ActiveAttempt, written: AttemptResult) -> bool:
        job_id = running.job.id
        if running.earlier_bytes is None:  # it ends before its first heartbeat
            running.earlier_bytes = read_text_bytes(self._database, [job_id]).get(job_id, 0)
        size = written.bytes + written.reasoning_bytes + running.earlier_bytes
        return self._finishes.submit(_Finished((job_id, running.attempt, written), size))

    def _finish_one(self, finished: _Finished) -> bool:
        return transitions.finish(self._database, *finished.end)

    def _finish_many(self, finished: Sequence[_Finished]) -> list[bool | None]:
        return transitions.finish_many(self._database, [one.end for one in finished])

    def _store(self, running: ActiveAttempt, outcome: StreamEnd, written: AttemptResult) -> None:
        if isinstance(outcome, Ending):
            status = JobStatus.COMPLETED
            verb, kept = "finish", retry_until_stored(running, self._finish, running, written)
        elif isinstance(outcome, UpstreamError):
            status, verb, kept = self._failed.store(running, outcome, written)
        else:
            verb, status, transition = _STOPPED[outcome]
            own = (self._database, running.job.id, running.attempt)
            kept = retry_until_stored(running, transition, *own, written)
        running.is_lost = not kept
        action = verb if kept else "lose"
        rejected = kept and isinstance(outcome, NotAccepted)
        self._counts.add_end(running, "reject" if rejected else action, written)
        _log_end(running, action, verb, outcome, status)
        if kept:
            self._publish_status(running, status, written)

    def _store_what_it_takes(self, running: ActiveAttempt, outcome: StreamEnd, written: AttemptResult) -> None:
        """Store the end of an attempt. What the database refuses, it refuses however often it is tried, so ever less is
        stored. The text goes last: it was paid for.
        """
        try:
            self._store(running, outcome, written)
        except _REFUSED as error:
            cause = driver_message(error)
            log.warning("the database refuses the end of job %s: %s", running.job.id, cause)
            for less_outcome, less in _ever_less(outcome, written, cause):
                with suppress(*_REFUSED):
                    self._store(running, less_outcome, less)
                    return
            raise

    def _publish_status(self, running: ActiveAttempt, status: JobStatus, written: AttemptResult) -> None:
        attempt = running.attempt
        message = encode_queued(attempt) if status is JobStatus.QUEUED else self._done_of(running, status, written)
        if message is not None:
            self._loop.call(self._publish, running, message)
        self.publish_batch_event(running.job, attempt, status)

    def _done_of(self, running: ActiveAttempt, status: JobStatus, written: AttemptResult) -> bytes | None:
        """The message that the job has ended, with the proof of what it is stored with.

        After a failure that may be the longer text of an earlier attempt: then the row says so. A row that runs again
        by now has an end no more, and a database that is away is asked by the watchers themselves.
        """
        attempt = running.attempt
        stored: AttemptResult | StoredText | None = written
        if attempt > 1 and status is not JobStatus.COMPLETED:
            stored = retry_unless_draining(self._attempts, read_stored, self._database, running.job.id, attempt)
        if stored is None:
            return None
        proof = (stored.bytes, stored.sha256, stored.reasoning_bytes, stored.reasoning_sha256 or "")
        return encode_done(attempt, status, *proof)

    def close_batch(self, batch_id: str | None) -> None:
        """End the batch if that was its last job. While another one of it runs here it cannot be: that one will ask."""
        if batch_id is None or self._attempts.has_batch(batch_id):
            return
        if retry_unless_draining(self._attempts, close_batch, self._database, batch_id):
            log.info("close batch", extra={"action": "close batch", "batch_id": batch_id})
            self._publish_batch(batch_id)

    def publish_batch_event(self, job: Job, attempt: int, status: JobStatus) -> None:
        if job.batch_id is not None:
            self._loop.call(self._recorder.publish, job.batch_id, encode_job(job.id, attempt, status))

    def _publish_batch(self, batch_id: str) -> None:
        self._loop.call(self._recorder.publish, batch_id, encode_batch())

    def _publish(self, running: ActiveAttempt, message: bytes) -> None:
        if running.recording is not None:
            running.recording.finish(message)


def _ever_less(outcome: StreamEnd, written: AttemptResult, cause: str) -> Iterator[tuple[StreamEnd, AttemptResult]]:
    """An end without its counts, one without its text, and one with nothing but what became of it."""
    yield outcome, replace(written, usage=None, cost=None, segments=())
    if isinstance(outcome, Ending):
        outcome = NotStoredError(f"the text could not be stored: {cause}")
    paid = {name: getattr(written, name) for name in ("usage", "cost", "deltas", "first_delta_at")}
    yield outcome, replace(NOTHING_WRITTEN, **paid)
    yield outcome, NOTHING_WRITTEN


def _log_end(running: ActiveAttempt, action: str, verb: str, outcome: StreamEnd, status: JobStatus) -> None:
    """One line. The error's message is in the row: it may quote what the upstream said, so the model's text or the
    prompt.
    """
    error = outcome if isinstance(outcome, UpstreamError) else None
    why = f": {error.code}" if error else ""
    why += f" (HTTP {error.status})" if error and error.status else ""
    lost = " (the lease was lost)" if action == "lose" else ""
    job, claimed = running.job, running.claimed
    ids = {"job_id": job.id, "attempt": running.attempt, "batch_id": job.batch_id}
    lane = {"upstream": claimed.upstream, "model": job.model, "error_code": error.code if error else None}
    log.info("%s%s%s", verb, why, lost, extra={"action": action, "status": status.value, **ids, **lane})
