"""What becomes of an attempt that is over: it is stored, and only then told."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from logging import getLogger

from sqlalchemy.exc import DataError

from jobs import transitions
from jobs.channel import encode_batch, encode_done, encode_job, encode_queued
from jobs.database import Database, cause_of
from jobs.records import Job
from jobs.settings import Settings
from jobs.settle import settle_batch
from jobs.status import JobStatus
from jobs.stored_texts import StoredText, read_stored
from jobs.transitions import Fault, Written
from worker.event_loop import EventLoop
from worker.insist import ask, keep
from worker.measure import NOTHING_WRITTEN, Outcome
from worker.recorder import Recorder
from worker.running import Running, RunningAttempts, StopReason
from worker.together import Together
from worker.upstream.ending import Ending
from worker.upstream.errors import RateLimited, UpstreamError

log = getLogger(__name__)


class InternalError(UpstreamError):
    """Longhand's own failure, stored as the job's error like one of the upstream's."""

    code = "internal_error"


class NotStoredError(InternalError):
    """The database refuses the text. Not retryable: another one would be paid for and most likely refused, too."""

    code = "text_not_stored"
    retryable = False


class Leaver:
    """Ends attempts, each in its job's own thread. The parts are the process's own."""

    def __init__(
        self, database: Database, loop: EventLoop, recorder: Recorder, attempts: RunningAttempts, settings: Settings
    ) -> None:
        self._database = database
        self._loop = loop
        self._recorder = recorder
        self._attempts = attempts
        self._settings = settings
        self._finishes = Together(self._finish_alone, self._finish_together)

    def leave(self, running: Running, outcome: Outcome, written: Written) -> None:
        """Store what became of the attempt, and only then tell it."""
        try:
            self._store(running, outcome, written)
        except DataError as error:  # the database will not take this text, however often it is tried
            self._leave_without_text(running, outcome, written, cause_of(error))

    def _finish_alone(self, finished: tuple[str, int, Written]) -> bool:
        return transitions.finish(self._database, *finished)

    def _finish_together(self, finished: Sequence[tuple[str, int, Written]]) -> list[bool | None]:
        return transitions.finish_together(self._database, finished)

    def _store(self, running: Running, outcome: Outcome, written: Written) -> None:
        job, attempt = running.job, running.attempt
        end = (self._database, job.id, attempt, written)
        status = JobStatus.QUEUED
        if isinstance(outcome, Ending):
            status = JobStatus.COMPLETED
            verb, kept = "finish", keep(running, self._finishes.ask, (job.id, attempt, written))
        elif isinstance(outcome, RateLimited):
            verb, kept = "wait", self._wait_for_limit(running, outcome, written)
        elif isinstance(outcome, UpstreamError):
            fault = Fault(outcome.code, outcome.message, outcome.status)
            if outcome.retryable and job.failures + 1 < job.max_attempts:
                due_at = self._database.now() + timedelta(seconds=self._backoff(job.failures, outcome))
                verb, kept = "retry", keep(running, transitions.retry, *end, fault, due_at)
            else:
                status = JobStatus.FAILED
                verb, kept = "fail", keep(running, transitions.fail, *end, fault)
        elif outcome is StopReason.CANCEL:
            status = JobStatus.CANCELLED
            verb, kept = "cancel", keep(running, transitions.cancel_running, *end)
        elif outcome is StopReason.EXPIRE:
            status = JobStatus.EXPIRED
            verb, kept = "expire", keep(running, transitions.expire_running, *end)
        elif outcome is StopReason.DRAIN:
            verb, kept = "release", keep(running, transitions.release, *end)
        else:
            verb, kept = "lose", False
        # The message is in the row. It may quote what the upstream said, so the model's text or the prompt.
        why = f": {outcome.code}" if isinstance(outcome, UpstreamError) else ""
        why += f" (HTTP {outcome.status})" if isinstance(outcome, UpstreamError) and outcome.status else ""
        lost = "" if kept else " (the lease was lost)"
        log.info("%s%s%s", verb, why, lost, extra={"job_id": job.id, "attempt": attempt})
        if kept:
            self._tell(running, status, written)

    def _leave_without_text(self, running: Running, outcome: Outcome, written: Written, cause: str) -> None:
        """Store the end of an attempt whose text the database refuses, with all that is known of what it cost."""
        if isinstance(outcome, Ending):
            outcome = NotStoredError(f"the text could not be stored: {cause}")
        paid = replace(
            NOTHING_WRITTEN, usage=written.usage, deltas=written.deltas, first_delta_at=written.first_delta_at
        )
        self._store(running, outcome, paid)

    def _tell(self, running: Running, status: JobStatus, written: Written) -> None:
        attempt = running.attempt
        message = encode_queued(attempt) if status is JobStatus.QUEUED else self._done_of(running, status, written)
        if message is not None:
            self._loop.call(self._say, running, message)
        self.tell_batch(running.job, attempt, status)

    def _done_of(self, running: Running, status: JobStatus, written: Written) -> bytes | None:
        """The message that the job has ended, with the proof of what it is stored with.

        After a failure that may be the longer text of an earlier attempt: then the row says so. A row that runs again
        by now has an end no more, and a database that is away is asked by the watchers themselves.
        """
        attempt = running.attempt
        stored: Written | StoredText | None = written
        if attempt > 1 and status is not JobStatus.COMPLETED:
            stored = ask(self._attempts, read_stored, self._database, running.job.id, attempt)
        return encode_done(attempt, status, stored.bytes, stored.sha256) if stored else None

    def settle(self, batch_id: str | None) -> None:
        """End the batch if that was its last job. While another one of it runs here it cannot be: that one will ask."""
        if batch_id is None or self._attempts.has_batch(batch_id):
            return
        if ask(self._attempts, settle_batch, self._database, batch_id):
            self._loop.call(self._recorder.say, batch_id, encode_batch())

    def tell_batch(self, job: Job, attempt: int, status: JobStatus) -> None:
        if job.batch_id is not None:
            self._loop.call(self._recorder.say, job.batch_id, encode_job(job.id, attempt, status))

    def _say(self, running: Running, message: bytes) -> None:
        if running.recording is not None:
            running.recording.finish(message)

    def _wait_for_limit(self, running: Running, error: RateLimited, written: Written) -> bool:
        """Let all workers wait as long as the upstream asked, and this job a little longer: not all at once.

        An upstream that names less than our own shortest wait, such as 0 or a time in the past, has not told how long.
        """
        job = running.job
        base = self._settings.retry_base_seconds
        seconds = error.retry_after_seconds
        if seconds is None or seconds < base:
            seconds = base * 2 ** min(job.rate_limits, 6)
        until_at = self._database.now() + timedelta(seconds=seconds)
        keep(running, transitions.pause, self._database, job.model, until_at)
        due_at = until_at + timedelta(seconds=random.uniform(0, max(1.0, seconds / 4)))
        fault = Fault(error.code, error.message, error.status)
        end = (self._database, job.id, running.attempt, written)
        return keep(running, transitions.wait_for_limit, *end, fault, due_at)

    def _backoff(self, failures: int, error: UpstreamError) -> float:
        """Exponential with full jitter, and never sooner than the upstream asked for."""
        ceiling = min(self._settings.retry_cap_seconds, self._settings.retry_base_seconds * 2**failures)
        return (error.retry_after_seconds or 0.0) + random.uniform(0, ceiling)
