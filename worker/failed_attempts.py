"""What becomes of a job whose attempt failed: it is charged, goes back uncharged, waits for a limit, or ends."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from logging import getLogger
from time import sleep

from jobs.dispatch.failure import Failure, Judgement, Reason
from jobs.dispatch.outages import forgive_if_held, judge
from jobs.dispatch.refusals import LaneRefusals, LimitRefusal, note_refusal
from jobs.lifecycle import transitions
from jobs.model.endings import AttemptResult, JobError
from jobs.model.records import Job
from jobs.model.status import JobStatus
from jobs.settings import Settings
from jobs.store.database import Database
from worker.active_attempts import ActiveAttempt, ActiveAttempts
from worker.answer_check import NotAccepted
from worker.db_retry import retry_unless_draining, retry_until_stored
from worker.reports import Sent
from worker.upstream.errors import Interrupted, UpstreamError
from worker.verdict import Verdict, find_fault, odd_reason

log = getLogger(__name__)

COMPANY_SECONDS = 0.3
"""How long a stream that broke off waits for company, before it ends its job."""

MOST_REFUSALS, FEW_REFUSALS = 8, 2
"""A job that its upstream refused so often while it took others ends with the upstream's words; one that it refused a
few times has met a limit of its own.
"""

Stored = tuple[JobStatus, str, bool]
"""The job's new status, the verb for the log, and whether it was stored."""


class FailedAttempts:
    """Stores failed attempts, each in its job's own thread. `publish_batch` tells the watchers of a batch."""

    def __init__(
        self,
        database: Database,
        attempts: ActiveAttempts,
        settings: Settings,
        publish_batch: Callable[[str], None],
    ) -> None:
        self._database = database
        self._attempts = attempts
        self._settings = settings
        self._publish_batch = publish_batch

    def store(self, running: ActiveAttempt, error: UpstreamError, written: AttemptResult) -> Stored:
        """Queue the job again or end it, as the fault was its own or its upstream's."""
        if isinstance(error, NotAccepted):
            return self._reject(running, error, written)
        sent = running.sent
        verdict = find_fault(error, has_written=_has_written(sent))
        if verdict.fault == "job" or sent is None:
            return self._charge(running, error, written)
        if verdict.fault == "limit" or verdict.fault == "queue":  # noqa: PLR1714 - mypy narrows only this
            return self._wait(running, sent, error, written, verdict)
        return self._hold_or_charge(running, sent, error, written, verdict.fault, by_status=verdict.by_status)

    def _hold_or_charge(
        self,
        running: ActiveAttempt,
        sent: Sent,
        error: UpstreamError,
        written: AttemptResult,
        reason: Reason,
        *,
        by_status: bool,
    ) -> Stored:
        """It may be the upstream's fault: what the others got says."""
        job = running.job
        new_bytes = written.bytes - len(running.text.encode())
        failure = Failure(
            *sent.key, job.id, sent.sent_at, reason, error.code, error.message, by_status, job.refusals,
            refused_at=job.refused_at, written_bytes=max(0, new_bytes), address_mark=sent.address_mark,
        )  # fmt: skip
        judged = retry_unless_draining(self._attempts, judge, self._database, failure)
        if judged is not None and judged.suspect and is_last(job, error) and len(self._attempts) > 1:
            # It would end for good. If the upstream has gone away, the other streams break off at this moment, too.
            sleep(COMPANY_SECONDS)
            judged = retry_unless_draining(self._attempts, judge, self._database, failure)
        if judged is None:  # the database is away and this process drains: the lease will be rescued
            return JobStatus.QUEUED, "lose", False
        self._tell_held(sent, judged, error)
        if judged.charged:
            forgive = partial(forgive_if_held, upstream=sent.key[0], job_id=job.id, sent_at=sent.sent_at)
            return self._charge(running, error, written, forgive if judged.suspect else None)
        due_at = self._database.now() + timedelta(seconds=self._backoff(job.refusals, error) if judged.alone else 0.0)
        hold_back = partial(transitions.hold_back, refused=judged.alone)
        return JobStatus.QUEUED, "hold back", self._keep(running, hold_back, written, error, due_at)

    def _reject(self, running: ActiveAttempt, error: NotAccepted, written: AttemptResult) -> Stored:
        """Have the text repaired or written anew, or end the job, as the job says."""
        job = running.job
        if job.on_reject == "repair" and (job.repairs or 0) < (job.max_repairs or 0):
            return JobStatus.QUEUED, "repair", self._keep(running, transitions.ask_for_repair, written, error)
        error.retryable = job.on_reject == "retry"
        return self._charge(running, error, written)

    def _charge(
        self,
        running: ActiveAttempt,
        error: UpstreamError,
        written: AttemptResult,
        forgive: Callable[..., object] | None = None,
    ) -> Stored:
        job = running.job
        if not is_last(job, error):
            now = self._database.now()
            due_at = now + timedelta(seconds=self._backoff(job.failures, error))
            retry = partial(transitions.retry, last=partial(forgive, now=now)) if forgive else transitions.retry
            return JobStatus.QUEUED, "retry", self._keep(running, retry, written, error, due_at)
        return JobStatus.FAILED, "fail", self._keep(running, transitions.fail, written, error)

    def _wait(
        self, running: ActiveAttempt, sent: Sent, error: UpstreamError, written: AttemptResult, verdict: Verdict
    ) -> Stored:
        """Queue a job again that was one too many; nothing is charged.

        The lane slows down for all, but not for a project that is refused while others are not, nor for jobs that are
        refused again and again while others are accepted: these wait longer each time. A single such job ends when it
        was refused too often.
        """
        job = running.job
        is_limit = verdict.fault == "limit" and not isinstance(error, Interrupted)
        refusal = LimitRefusal(*sent.key, job.id, error.message, error.retry_after_seconds or 0.0, is_limit)
        before = retry_unless_draining(self._attempts, note_refusal, self._database, refusal) or LaneRefusals()
        self._tell_held(sent, before, error)
        others = before.accepted_at is not None and before.accepted_at > (job.refused_at or sent.sent_at)
        if verdict.fault == "queue" and not (others or sent.in_flight > 1):
            return self._charge(running, error, written)
        # A server that drops its only request has been paid for nothing, and would be without end.
        if isinstance(error, Interrupted) and sent.most_in_flight <= 1:
            reason = odd_reason(has_written=_has_written(sent))
            return self._hold_or_charge(running, sent, error, written, reason, by_status=True)
        again = others and job.refused_at is not None
        alone = again and before.refused_before == job.id
        # A limit that all share refuses others as well. Five jobs that each met one of their own stopped a lane.
        own = sent.note_refusal() or alone or (again and job.rate_limits >= FEW_REFUSALS)
        if alone and job.refusals + 1 >= MOST_REFUSALS:
            return JobStatus.FAILED, "fail", self._keep(running, transitions.fail, written, error)
        running.end_request(error, refused=True, is_own=own)
        seconds = self._seconds_to_wait(job, error, own=own, alone=alone)
        due_at = self._database.now() + timedelta(seconds=seconds)
        waits = partial(transitions.wait_for_limit, alone=alone)
        return JobStatus.QUEUED, "wait", self._keep(running, waits, written, error, due_at)

    def _keep(
        self,
        running: ActiveAttempt,
        transition: Callable[..., bool],
        written: AttemptResult,
        error: UpstreamError,
        *due_at: datetime,
    ) -> bool:
        """Store this transition, however long the database takes. False: the lease was lost."""
        rejections = error.rejections if isinstance(error, NotAccepted) else ()
        fault = JobError(error.code, error.message, error.status, rejections)
        own = (self._database, running.job.id, running.attempt)
        return retry_until_stored(running, transition, *own, written, fault, *due_at)

    def _tell_held(self, sent: Sent, judged: Judgement | LaneRefusals, error: UpstreamError) -> None:
        for batch_id in judged.batch_ids:
            self._publish_batch(batch_id)
        if judged.began:
            log.warning("hold the upstream %s: %s", sent.key[0], error.code)

    def _seconds_to_wait(self, job: Job, error: UpstreamError, *, own: bool, alone: bool) -> float:
        base = self._settings.retry_base_seconds
        seconds, longer = error.retry_after_seconds, base * 2 ** min(job.rate_limits, 6)
        if seconds is None or seconds < base:  # less than our own shortest wait tells nothing
            seconds = longer
        if own:
            seconds = max(seconds, longer)
        if alone:
            seconds = max(seconds, base * 2**job.refusals)
        return seconds + random.uniform(0, base)

    def _backoff(self, failures: int, error: UpstreamError) -> float:
        """Exponential with full jitter, and never sooner than the upstream asked for."""
        ceiling = min(self._settings.retry_cap_seconds, self._settings.retry_base_seconds * 2**failures)
        return (error.retry_after_seconds or 0.0) + random.uniform(0, ceiling)


def is_last(job: Job, error: UpstreamError) -> bool:
    """Whether the job ends with this failure, if it is charged."""
    return not error.retryable or job.failures + 1 >= job.max_attempts


def _has_written(sent: Sent | None) -> bool:
    """Whether anything has come that must be paid for."""
    return sent is not None and sent.accepted_at is not None
