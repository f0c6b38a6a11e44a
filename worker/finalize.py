"""Ends an attempt: stores what becomes of it, and only then publishes it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from logging import getLogger
from time import sleep

from sqlalchemy.exc import DataError

from jobs.dispatch.outages import Failure, end_probe_now, forgive_if_held, judge, note_refusal
from jobs.lifecycle import transitions
from jobs.lifecycle.close_batch import close_batch
from jobs.live.channel import encode_batch, encode_done, encode_job, encode_queued
from jobs.model.endings import AttemptResult, JobError
from jobs.model.records import Job
from jobs.model.status import JobStatus
from jobs.settings import Settings
from jobs.store.database import Database, driver_message
from jobs.store.stored_texts import StoredText, read_stored
from worker.active_attempts import ActiveAttempt, ActiveAttempts, StopReason
from worker.db_retry import retry_unless_draining, retry_until_stored
from worker.event_loop import EventLoop
from worker.group_commit import GroupCommit
from worker.measure import NOTHING_WRITTEN, Outcome
from worker.recorder import Recorder
from worker.reports import Sent
from worker.upstream.ending import Ending
from worker.upstream.errors import Interrupted, UpstreamError
from worker.verdict import Verdict, find_fault

log = getLogger(__name__)

COMPANY_SECONDS = 0.3
"""How long a stream that broke off waits for company, before it ends its job."""

MOST_REFUSALS = 8
"""A job that its upstream refused so often while it took others ends with the upstream's words."""


class InternalError(UpstreamError):
    """Longhand's own failure, stored as the job's error like one of the upstream's."""

    code = "internal_error"


class NotStoredError(InternalError):
    """The database refuses the text. Not retryable: another one would be paid for and most likely refused, too."""

    code = "text_not_stored"
    retryable = False


class Finalizer:
    """Ends attempts, each in its job's own thread. The parts are the process's own."""

    def __init__(
        self, database: Database, loop: EventLoop, recorder: Recorder, attempts: ActiveAttempts, settings: Settings
    ) -> None:
        self._database = database
        self._loop = loop
        self._recorder = recorder
        self._attempts = attempts
        self._settings = settings
        self._finishes = GroupCommit(self._finish_one, self._finish_many)

    def finalize(self, running: ActiveAttempt, outcome: Outcome, written: AttemptResult) -> None:
        """Store what became of the attempt, and only then tell it and its lane."""
        try:
            self._store(running, outcome, written)
        except DataError as error:  # the database will not take this text, however often it is tried
            self._leave_without_text(running, outcome, written, driver_message(error))
        finally:
            sent = running.sent
            if sent is not None:
                sent.end(outcome)
                if sent.probes and not isinstance(outcome, Ending):
                    retry_unless_draining(self._attempts, end_probe_now, self._database, sent.key[0], running.job.id)

    def _finish_one(self, finished: tuple[str, int, AttemptResult]) -> bool:
        return transitions.finish(self._database, *finished)

    def _finish_many(self, finished: Sequence[tuple[str, int, AttemptResult]]) -> list[bool | None]:
        return transitions.finish_many(self._database, finished)

    def _store(self, running: ActiveAttempt, outcome: Outcome, written: AttemptResult) -> None:
        job, attempt = running.job, running.attempt
        end = (self._database, job.id, attempt, written)
        status = JobStatus.QUEUED
        if isinstance(outcome, Ending):
            status = JobStatus.COMPLETED
            verb, kept = "finish", retry_until_stored(running, self._finishes.submit, (job.id, attempt, written))
        elif isinstance(outcome, UpstreamError):
            status, verb, kept = self._fail(running, outcome, written)
        elif outcome is StopReason.CANCEL:
            status = JobStatus.CANCELLED
            verb, kept = "cancel", retry_until_stored(running, transitions.cancel_running, *end)
        elif outcome is StopReason.EXPIRE:
            status = JobStatus.EXPIRED
            verb, kept = "expire", retry_until_stored(running, transitions.expire_running, *end)
        elif outcome in (StopReason.DRAIN, StopReason.RELEASE):
            verb, kept = "release", retry_until_stored(running, transitions.release, *end)
        else:
            verb, kept = "lose", False
        # The message is in the row. It may quote what the upstream said, so the model's text or the prompt.
        why = f": {outcome.code}" if isinstance(outcome, UpstreamError) else ""
        why += f" (HTTP {outcome.status})" if isinstance(outcome, UpstreamError) and outcome.status else ""
        lost = "" if kept else " (the lease was lost)"
        log.info("%s%s%s", verb, why, lost, extra={"job_id": job.id, "attempt": attempt})
        if kept:
            self._publish_status(running, status, written)

    def _leave_without_text(self, running: ActiveAttempt, outcome: Outcome, written: AttemptResult, cause: str) -> None:
        """Store the end of an attempt whose text the database refuses, with all that is known of what it cost."""
        if isinstance(outcome, Ending):
            outcome = NotStoredError(f"the text could not be stored: {cause}")
        paid = replace(
            NOTHING_WRITTEN, usage=written.usage, deltas=written.deltas, first_delta_at=written.first_delta_at
        )
        self._store(running, outcome, paid)

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
        return encode_done(attempt, status, stored.bytes, stored.sha256) if stored else None

    def close_batch(self, batch_id: str | None) -> None:
        """End the batch if that was its last job. While another one of it runs here it cannot be: that one will ask."""
        if batch_id is None or self._attempts.has_batch(batch_id):
            return
        if retry_unless_draining(self._attempts, close_batch, self._database, batch_id):
            self._loop.call(self._recorder.publish, batch_id, encode_batch())

    def publish_batch_event(self, job: Job, attempt: int, status: JobStatus) -> None:
        if job.batch_id is not None:
            self._loop.call(self._recorder.publish, job.batch_id, encode_job(job.id, attempt, status))

    def _publish(self, running: ActiveAttempt, message: bytes) -> None:
        if running.recording is not None:
            running.recording.finish(message)

    def _fail(
        self, running: ActiveAttempt, error: UpstreamError, written: AttemptResult
    ) -> tuple[JobStatus, str, bool]:
        """Queue the job again or end it, as the fault was its own or its upstream's; the verb is for the log."""
        verdict = find_fault(error)
        sent = running.sent
        if verdict.fault == "job" or sent is None:
            return self._charge(running, error, written)
        if verdict.fault == "limit" or verdict.fault == "queue":  # noqa: PLR1714 - mypy narrows only this
            return self._wait(running, sent, error, written, verdict)
        job = running.job
        failure = Failure(
            *sent.key, job.id, sent.sent_at, verdict.fault, error.code, error.message, verdict.by_status, job.refusals
        )
        judged = retry_unless_draining(self._attempts, judge, self._database, failure)
        if judged is not None and judged.suspect and self._is_last(job, error) and len(self._attempts) > 1:
            # It would end for good. If the upstream has gone away, the other streams break off at this moment, too.
            sleep(COMPANY_SECONDS)
            judged = retry_unless_draining(self._attempts, judge, self._database, failure)
        if judged is None:  # the database is away and this process drains: the lease will be rescued
            return JobStatus.QUEUED, "lose", False
        for batch_id in judged.batch_ids:
            self._loop.call(self._recorder.publish, batch_id, encode_batch())
        if judged.batch_ids:
            log.warning("hold the upstream %s: %s", sent.key[0], error.code)
        if judged.charged:
            forgive = partial(forgive_if_held, upstream=sent.key[0], job_id=job.id, sent_at=sent.sent_at)
            return self._charge(running, error, written, forgive if judged.suspect else None)
        due_at = self._database.now() + timedelta(seconds=self._backoff(job.refusals, error) if judged.alone else 0.0)
        fault = JobError(error.code, error.message, error.status)
        hold_back = partial(transitions.hold_back, refused=judged.alone)
        kept = retry_until_stored(running, hold_back, self._database, job.id, running.attempt, written, fault, due_at)
        return JobStatus.QUEUED, "hold back", kept

    def _is_last(self, job: Job, error: UpstreamError) -> bool:
        return not error.retryable or job.failures + 1 >= job.max_attempts

    def _charge(
        self,
        running: ActiveAttempt,
        error: UpstreamError,
        written: AttemptResult,
        forgive: Callable[..., object] | None = None,
    ) -> tuple[JobStatus, str, bool]:
        job = running.job
        fault = JobError(error.code, error.message, error.status)
        end = (self._database, job.id, running.attempt, written)
        if not self._is_last(job, error):
            now = self._database.now()
            due_at = now + timedelta(seconds=self._backoff(job.failures, error))
            retry = partial(transitions.retry, last=partial(forgive, now=now)) if forgive else transitions.retry
            return JobStatus.QUEUED, "retry", retry_until_stored(running, retry, *end, fault, due_at)
        return JobStatus.FAILED, "fail", retry_until_stored(running, transitions.fail, *end, fault)

    def _wait(
        self, running: ActiveAttempt, sent: Sent, error: UpstreamError, written: AttemptResult, verdict: Verdict
    ) -> tuple[JobStatus, str, bool]:
        """Queue a job again that was one too many; nothing is charged.

        The lane slows down for all, but not for one job that is refused while others are accepted: that one waits
        longer each time, and ends when it was refused too often.
        """
        job = running.job
        noted = retry_unless_draining(self._attempts, note_refusal, self._database, sent.key, job.id)
        accepted_at, refused_before = noted or (None, None)
        others = accepted_at is not None and accepted_at > (job.refused_at or sent.sent_at)
        if verdict.fault == "queue" and not (others or sent.in_flight > 1):
            return self._charge(running, error, written)
        # A server that drops its only request has been paid for nothing, and would be without end.
        if isinstance(error, Interrupted) and sent.most_in_flight <= 1:
            return self._charge(running, error, written)
        alone = others and job.refused_at is not None and refused_before == job.id
        if alone and job.refusals + 1 >= MOST_REFUSALS:
            fault = JobError(error.code, error.message, error.status)
            end = (self._database, job.id, running.attempt, written)
            return JobStatus.FAILED, "fail", retry_until_stored(running, transitions.fail, *end, fault)
        sent.end(error, refused=not alone)
        running.sent = None
        base = self._settings.retry_base_seconds
        seconds = error.retry_after_seconds
        if seconds is None or seconds < base:  # less than our own shortest wait tells nothing
            seconds = base * 2 ** min(job.rate_limits, 6)
        if alone:
            seconds = max(seconds, base * 2**job.refusals)
        due_at = self._database.now() + timedelta(seconds=seconds + random.uniform(0, base))
        fault = JobError(error.code, error.message, error.status)
        waits = partial(transitions.wait_for_limit, alone=alone)
        kept = retry_until_stored(running, waits, self._database, job.id, running.attempt, written, fault, due_at)
        return JobStatus.QUEUED, "wait", kept

    def _backoff(self, failures: int, error: UpstreamError) -> float:
        """Exponential with full jitter, and never sooner than the upstream asked for."""
        ceiling = min(self._settings.retry_cap_seconds, self._settings.retry_base_seconds * 2**failures)
        return (error.retry_after_seconds or 0.0) + random.uniform(0, ceiling)
