"""One attempt of a job, from the claim on."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from logging import getLogger
from time import monotonic
from typing import Any

from jobs.dispatch.reservation import LEAD_SECONDS
from jobs.lifecycle.lease import Claimed, claim, claim_many, note_continued
from jobs.model.status import JobStatus
from jobs.settings import Settings
from jobs.store.database import Database
from jobs.tokens import Tokenizers
from jobs.upstreams import UpstreamSpec
from worker.active_attempts import ActiveAttempt, ActiveAttempts, StopReason
from worker.answer_check import AnswerCheck
from worker.attempt_ends import AttemptEnds
from worker.counts import WorkerCounts
from worker.db_retry import retry_unless_draining, retry_until_stored
from worker.event_loop import EventLoop
from worker.failed_attempts import is_last
from worker.finalize import Finalizer, InternalError
from worker.group_commit import GroupCommit
from worker.loop_guard import adders
from worker.measure import StreamEnd, measure
from worker.parts import Part, Parts
from worker.recorder import Recorder
from worker.recording import Recording
from worker.registry import UpstreamRegistry
from worker.reports import LaneReporter
from worker.traces import Tracing
from worker.upstream.errors import EmptyCompletion, UpstreamError
from worker.waiting_checks import WaitingChecks

log = getLogger(__name__)

LOOK_SECONDS = 0.5
"""How often, at least, a part that waits looks whether there is a place for it."""

_Wanted = tuple[str, list[datetime]]
"""A job to claim, and when that was tried already: a claim may be made although the database reports an error."""


class AttemptRunner:
    """Runs attempts, each in the thread that calls `run`. The parts are the process's own."""

    def __init__(
        self,
        *,
        database: Database,
        loop: EventLoop,
        upstreams: UpstreamRegistry,
        recorder: Recorder,
        tokenizers: Tokenizers,
        running: ActiveAttempts,
        reporter: LaneReporter,
        worker: str,
        settings: Settings,
        answer_check: AnswerCheck | None = None,
        on_free: Callable[[], None] = lambda: None,
        counts: WorkerCounts | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        """`on_free` is called when a stream is free again, and when an attempt has ended that had left its stream."""
        self._database = database
        self._loop = loop
        self._upstreams = upstreams
        self._recorder = recorder
        self._tokenizers = tokenizers
        self._attempts = running
        self._reporter = reporter
        self._worker = worker
        self._settings = settings
        self._claims = GroupCommit(self._claim_one, self._claim_many)
        self._on_free = on_free
        self._parts = Parts(database, tokenizers, settings)
        self._counts = counts or WorkerCounts()
        self._tracing = tracing or Tracing()
        self._finalizer = Finalizer(database, loop, recorder, running, settings, self._counts)
        self._ends = AttemptEnds(
            database, answer_check or AnswerCheck(), WaitingChecks(settings.streams), self._finalizer, on_free
        )

    def close(self) -> None:
        self._ends.close()

    def run(self, job_id: str) -> bool:
        """Run a job if it is due and nobody else has it; returns when its stream is free. False: not run."""
        began, began_at = monotonic(), self._reporter.now()
        with ExitStack() as held:
            free = held.enter_context(self._attempts.reserve(job_id))
            claimed = retry_unless_draining(self._attempts, self._claims.submit, (job_id, [])) if free else None
            if claimed is None:
                return False
            self._counts.add_claim(monotonic() - began)
            lane = {"upstream": claimed.upstream, "model": claimed.job.model, "batch_id": claimed.job.batch_id}
            log.info("claim", extra={"action": "claim", "job_id": job_id, "attempt": claimed.attempt, **lane})
            self._finalizer.publish_batch_event(claimed.job, claimed.attempt, JobStatus.IN_PROGRESS)
            running = held.enter_context(self._attempts.run(claimed))
            held.enter_context(self._reporter.running(claimed))
            spec = self._upstreams.find(claimed.upstream)
            trace = self._tracing.begin(running)
            running.traceparent = trace.traceparent
            running.text, running.reasoning = self._find_text(running, claimed, spec)
            self._parts.resume(running, claimed, spec)
            outcome = self._loop.run(self._stream(running, self._request_of(running, spec), spec))
            if running.sent is None:
                self._reporter.give_back(claimed)
            outcome = self._parts.write_on(running, outcome, spec, partial(self._write_part, running))
            written = measure(running, outcome, self._tokenizers, spec)
            self._ends.check_and_end(running, outcome, written, trace, held)
            if not running.is_lost:  # for how long a process was frozen says nothing of what a text takes
                self._reporter.end_turn(claimed, running.used, began_at, monotonic() - began)
        # A refused hint frees no stream. Woken by it, dispatch would hint the same job again at once, and so on.
        self._on_free()
        return True

    def _claim_one(self, wanted: _Wanted) -> Claimed | None:
        job_id, tried_at = wanted
        return claim(
            self._database,
            job_id,
            self._worker,
            self._settings.lease_seconds,
            most_crashes=self._attempts.most_crashes(),
            tried_at=tried_at,
        )

    def _claim_many(self, wanted: Sequence[_Wanted]) -> list[Claimed | None]:
        job_ids, tried_at = zip(*wanted, strict=True)
        return claim_many(self._database, job_ids, self._worker, self._settings.lease_seconds, tried_at)

    def _find_text(self, running: ActiveAttempt, claimed: Claimed, spec: UpstreamSpec | None) -> tuple[str, str]:
        """The text to continue, and the reasoning that belongs to it: the last tails, which have all that watchers saw,
        or the checkpoint.

        The row says how long it is before the attempt is published, so that watchers know whether to reset.
        """
        job, attempt = running.job, running.attempt
        if not claimed.continues:
            return "", ""
        text = reasoning = ""
        # If the upstream has left the file, the text is kept for the next attempt, at whatever upstream.
        if spec is None or spec.prefix != "none" or claimed.segments:
            tails = self._loop.run(self._recorder.read_tails(job.id, attempt - 1))
            checkpoints = (claimed.text, claimed.reasoning)
            text, reasoning = (max(pair, key=len) for pair in zip(checkpoints, tails, strict=True))
        retry_until_stored(running, note_continued, self._database, job.id, attempt, len(text.encode()))
        return text, reasoning if text else ""

    def _request_of(self, running: ActiveAttempt, spec: UpstreamSpec | None) -> Mapping[str, Any]:
        """The body to send. Made in the job's own thread: counting may load a tokenizer, and the loop is for all."""
        if spec is None or not running.text:
            return running.request
        return self._parts.request_for_rest(running, spec)

    async def _wait_until(self, send_at: datetime | None) -> None:
        """The pace may have planned the request for a moment later."""
        if send_at is not None:
            seconds = (send_at - self._reporter.now()).total_seconds()
            if seconds > 0:
                await asyncio.sleep(min(seconds, LEAD_SECONDS))

    async def _wait_for_part(self, running: ActiveAttempt, tokens: int) -> None:
        """Until there is a place for it in the limits of its lane."""
        claimed = running.claimed
        with self._reporter.waiting(claimed, running.used, tokens) as part:
            while not (place := self._reporter.book(part)).is_booked:  # noqa: ASYNC110  # nothing says it
                await asyncio.sleep(min(place.seconds, LOOK_SECONDS))
        try:
            if place.seconds > 0:
                await asyncio.sleep(place.seconds)
        except asyncio.CancelledError:
            self._reporter.give_place_back(claimed, tokens)
            raise

    async def _stream(
        self,
        running: ActiveAttempt,
        request: Mapping[str, Any],
        spec: UpstreamSpec | None,
        part: Part | None = None,
    ) -> StreamEnd:
        """Stream and record the completion, or the next part of its text; how that ended."""
        recording = running.recording
        if recording is None:
            recording = self._recorder.open(running.job.id, running.attempt, running.text, running.reasoning)
        running.attach(recording)
        if running.stop_reason is not None:
            return running.stop_reason
        if spec is None:  # it was taken out of the file after the job was reserved: the job goes to another one
            return StopReason.DRAIN
        return await self._send(running, recording, request, spec, part)

    def _write_part(self, running: ActiveAttempt, spec: UpstreamSpec, part: Part) -> StreamEnd:
        return self._loop.run(self._stream(running, part.request, spec, part))

    async def _send(
        self,
        running: ActiveAttempt,
        recording: Recording,
        request: Mapping[str, Any],
        spec: UpstreamSpec,
        part: Part | None,
    ) -> StreamEnd:
        job, seam = running.job, running.seam
        key = f"{job.id}-{running.attempt}" + (f"-{part.number + 1}" if part is not None else "")
        try:
            if part is None:
                await self._wait_until(running.claimed.send_at)
            else:
                await self._wait_for_part(running, part.estimated_tokens)
            async with self._upstreams.use(spec) as upstream:
                tokens = None if part is None else part.estimated_tokens
                running.sent = sent = self._reporter.send(running.claimed, running.used, tokens, spec.address_mark)
                if sent.proof_bytes is not None:
                    recording.call_after(sent.proof_bytes, sent.prove)
                write = seam.feed if seam is not None else recording.add
                add, add_reasoning = adders(recording, write, guarded=spec.loop_guard)
                try:
                    ending = await upstream.stream(
                        request,
                        add,
                        on_reasoning=add_reasoning,
                        idempotency_key=key,
                        on_accepted=sent.accept,
                        traceparent=running.traceparent,
                    )
                finally:
                    sent.close()
            if seam is not None:
                seam.close(is_early=ending.is_cut_short)
        except EmptyCompletion as error:
            # A text that is continued may have been whole already.
            whole = running.text and error.ending is not None and error.ending.finish_reason is not None
            return error.ending if whole and error.ending else error
        except UpstreamError as error:
            return _keep_what_is_held(running, error)
        except asyncio.CancelledError:
            if running.stop_reason is None:
                raise
            return _keep_what_is_held(running, running.stop_reason)
        except Exception as error:
            # Else the job would wait for its lease to run out, and after three times end as if its workers had died.
            log.exception("stream failed", extra={"job_id": job.id, "attempt": running.attempt})
            return _keep_what_is_held(running, InternalError.of(error))
        else:
            return ending


def _keep_what_is_held(running: ActiveAttempt, outcome: UpstreamError | StopReason) -> UpstreamError | StopReason:
    """If the job ends with this, its text gets what its seam holds back. Else the next attempt asks for that again."""
    failed = isinstance(outcome, UpstreamError) and is_last(running.job, outcome)
    if (failed or outcome in (StopReason.CANCEL, StopReason.EXPIRE)) and running.seam and running.seam.has_begun:
        running.seam.close(is_early=True)
    return outcome
