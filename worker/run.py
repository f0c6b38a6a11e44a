"""One attempt of a job, from the claim to what becomes of it."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from logging import getLogger
from time import monotonic, sleep
from typing import Any

from sqlalchemy.exc import DBAPIError

from jobs import transitions
from jobs.channel import encode_batch, encode_done, encode_job, encode_queued
from jobs.database import AWAY, Database, cause_of, is_passing
from jobs.lease import Claimed, claim, claim_together, note_continued
from jobs.records import Job
from jobs.settings import Settings
from jobs.settle import settle_batch
from jobs.status import JobStatus
from jobs.tokens import Tokenizers
from jobs.transitions import Fault, Written
from worker.continuation import continue_request
from worker.event_loop import EventLoop
from worker.measure import NOTHING_WRITTEN, Outcome, measure
from worker.recorder import Recorder
from worker.running import Running, RunningAttempts, StopReason
from worker.together import Together
from worker.upstream import Upstream
from worker.upstream.ending import Ending
from worker.upstream.errors import EmptyCompletion, RateLimited, UpstreamError

log = getLogger(__name__)

DATABASE_PATIENCE_SECONDS = 600.0
"""How long the end of an attempt is tried to be stored while the database is away."""


class InternalError(UpstreamError):
    """Longhand's own failure, stored as the job's error like one of the upstream's."""

    code = "internal_error"


class Runner:
    """Runs attempts, each in the thread that calls `run`. The parts are the process's own."""

    def __init__(
        self,
        *,
        database: Database,
        loop: EventLoop,
        upstream: Upstream,
        recorder: Recorder,
        tokenizers: Tokenizers,
        running: RunningAttempts,
        worker: str,
        settings: Settings,
    ) -> None:
        self._database = database
        self._loop = loop
        self._upstream = upstream
        self._recorder = recorder
        self._tokenizers = tokenizers
        self._attempts = running
        self._worker = worker
        self._settings = settings
        self._claims = Together(self._claim_alone, self._claim_together)
        self._finishes = Together(self._finish_alone, self._finish_together)

    def run(self, job_id: str) -> bool:
        """Run a job if it is due and nobody else has it; returns when the attempt is over. False: not run."""
        with self._attempts.reserve(job_id) as free:
            claimed = self._store(self._claim, job_id) if free else None
            if claimed is None:
                return False
            log.info("claim", extra={"job_id": job_id, "attempt": claimed.attempt})
            self._tell_batch(claimed.job, claimed.attempt, JobStatus.IN_PROGRESS)
            with self._attempts.run(claimed) as running:
                running.text = self._find_text(claimed)
                request = self._request_of(running)
                outcome = self._loop.run(self._stream(running, request))
                written = measure(running, outcome, self._tokenizers)
                try:
                    self._leave(running, outcome, written)
                except DBAPIError as error:  # the database will not take this text, however often it is tried
                    refused = InternalError(f"the text could not be stored: {cause_of(error)}")
                    self._leave(running, refused, NOTHING_WRITTEN)
            self._settle(claimed.job.batch_id)
            return True

    def _claim(self, _database: Database, job_id: str) -> Claimed | None:
        return self._claims.ask(job_id)

    def _claim_alone(self, job_id: str) -> Claimed | None:
        allowed = self._attempts.most_crashes()
        return claim(self._database, job_id, self._worker, self._settings.lease_seconds, most_crashes=allowed)

    def _claim_together(self, job_ids: Sequence[str]) -> list[Claimed | None]:
        return claim_together(self._database, job_ids, self._worker, self._settings.lease_seconds)

    def _finish(self, _database: Database, job_id: str, attempt: int, written: Written) -> bool:
        return self._finishes.ask((job_id, attempt, written))

    def _finish_alone(self, finished: tuple[str, int, Written]) -> bool:
        return transitions.finish(self._database, *finished)

    def _finish_together(self, finished: Sequence[tuple[str, int, Written]]) -> list[bool | None]:
        return transitions.finish_together(self._database, finished)

    def _find_text(self, claimed: Claimed) -> str:
        """The text that this attempt goes on with: the last tail, which has all that watchers saw, or the checkpoint.

        The row says how long it is before anybody is told of the attempt, so that watchers know whether to reset.
        """
        if claimed.job.on_interrupt != "continue" or claimed.attempt == 1:
            return ""
        text = ""
        if self._settings.upstream_prefix != "none":
            tail = self._loop.run(self._recorder.read_tail(claimed.job.id, claimed.attempt - 1))
            text = tail if len(tail) > len(claimed.text) else claimed.text
        self._store(note_continued, claimed.job.id, claimed.attempt, len(text.encode()))
        return text

    def _request_of(self, running: Running) -> Mapping[str, Any]:
        """The body to send. Made in the job's own thread: counting may load a tokenizer, and the loop is for all."""
        job = running.job
        request = job.request or {}
        if not running.text:
            return request
        running.text_tokens = self._tokenizers.count_text(job.model, running.text).tokens
        return continue_request(request, running.text, running.text_tokens, self._settings.upstream_prefix)

    async def _stream(self, running: Running, request: Mapping[str, Any]) -> Outcome:
        """Stream and record the completion; how that ended."""
        job = running.job
        recording = self._recorder.open(job.id, running.attempt, running.text)
        running.attach(recording)
        try:
            return await self._upstream.stream(request, recording.add, idempotency_key=f"{job.id}-{running.attempt}")
        except EmptyCompletion as error:
            # A text that goes on may have been whole already.
            whole = running.text and error.ending is not None and error.ending.finish_reason is not None
            return error.ending if whole and error.ending else error
        except UpstreamError as error:
            return error
        except asyncio.CancelledError:
            if running.stop_reason is None:
                raise
            return running.stop_reason
        except Exception as error:
            # Else the job would wait for its lease to run out, and after three times end as if its workers had died.
            log.exception("stream failed", extra={"job_id": job.id, "attempt": running.attempt})
            return InternalError(f"Longhand itself failed with {type(error).__name__}; the worker's log says how")

    def _leave(self, running: Running, outcome: Outcome, written: Written) -> None:
        """Store what became of the attempt, and only then tell it."""
        job, attempt = running.job, running.attempt
        status = JobStatus.QUEUED
        if isinstance(outcome, Ending):
            status = JobStatus.COMPLETED
            verb, kept = "finish", self._store(self._finish, job.id, attempt, written)
        elif isinstance(outcome, RateLimited):
            verb, kept = "wait", self._wait_for_limit(running, outcome, written)
        elif isinstance(outcome, UpstreamError):
            fault = Fault(outcome.code, outcome.message, outcome.status)
            if outcome.retryable and job.failures + 1 < job.max_attempts:
                due_at = self._database.now() + timedelta(seconds=self._backoff(job.failures, outcome))
                verb, kept = "retry", self._store(transitions.retry, job.id, attempt, written, fault, due_at)
            else:
                status = JobStatus.FAILED
                verb, kept = "fail", self._store(transitions.fail, job.id, attempt, written, fault)
        elif outcome is StopReason.CANCEL:
            status = JobStatus.CANCELLED
            verb, kept = "cancel", self._store(transitions.cancel_running, job.id, attempt, written)
        elif outcome is StopReason.EXPIRE:
            status = JobStatus.EXPIRED
            verb, kept = "expire", self._store(transitions.expire_running, job.id, attempt, written)
        elif outcome is StopReason.DRAIN:
            verb, kept = "release", self._store(transitions.release, job.id, attempt, written)
        else:
            verb, kept = "lose", False
        why = f": {outcome.code}: {outcome.message}" if isinstance(outcome, UpstreamError) else ""
        lost = "" if kept else " (the lease was lost)"
        log.info("%s%s%s", verb, why, lost, extra={"job_id": job.id, "attempt": attempt})
        if kept:
            self._tell(running, status, written)

    def _tell(self, running: Running, status: JobStatus, written: Written) -> None:
        final = status is not JobStatus.QUEUED
        attempt = running.attempt
        message = encode_done(attempt, status, written.bytes, written.sha256) if final else encode_queued(attempt)
        self._loop.call(self._say, running, message)
        self._tell_batch(running.job, attempt, status)

    def _settle(self, batch_id: str | None) -> None:
        """End the batch if that was its last job. While another one of it runs here it cannot be: that one will ask."""
        if batch_id is None or self._attempts.has_batch(batch_id):
            return
        if self._store(settle_batch, batch_id):
            self._loop.call(self._recorder.say, batch_id, encode_batch())

    def _tell_batch(self, job: Job, attempt: int, status: JobStatus) -> None:
        if job.batch_id is not None:
            self._loop.call(self._recorder.say, job.batch_id, encode_job(job.id, attempt, status))

    def _say(self, running: Running, message: bytes) -> None:
        if running.recording is not None:
            running.recording.finish(message)

    def _wait_for_limit(self, running: Running, error: RateLimited, written: Written) -> bool:
        """Let all workers wait as long as the upstream asked, and this job a little longer: not all at once."""
        job = running.job
        seconds = error.retry_after_seconds
        if seconds is None:
            seconds = self._settings.retry_base_seconds * 2 ** min(job.rate_limits, 6)
        until_at = self._database.now() + timedelta(seconds=seconds)
        self._store(transitions.pause, job.model, until_at)
        due_at = until_at + timedelta(seconds=random.uniform(0, max(1.0, seconds / 4)))
        fault = Fault(error.code, error.message, error.status)
        return bool(self._store(transitions.wait_for_limit, job.id, running.attempt, written, fault, due_at))

    def _backoff(self, failures: int, error: UpstreamError) -> float:
        """Exponential with full jitter, and never sooner than the upstream asked for."""
        ceiling = min(self._settings.retry_cap_seconds, self._settings.retry_base_seconds * 2**failures)
        return (error.retry_after_seconds or 0.0) + random.uniform(0, ceiling)

    def _store(self, transition: Callable[..., Any], *arguments: Any) -> Any:
        """Carry out a transition, again and again while the database is away: what was written has been paid for.

        Every transition may be tried twice: it finds its own outcome when a commit that reported an error was made.
        """
        give_up_at = monotonic() + DATABASE_PATIENCE_SECONDS
        wait = 0.1
        while True:
            try:
                return transition(self._database, *arguments)
            except AWAY as error:
                if monotonic() > give_up_at or not is_passing(error):
                    raise
                if transition == self._claim and self._attempts.draining:
                    return None
                if wait == 0.1:  # once: with hundreds of streams each try would be a flood
                    log.warning("the database is away, trying again: %s", cause_of(error))
            sleep(wait)
            wait = min(wait * 2, 2.0)
