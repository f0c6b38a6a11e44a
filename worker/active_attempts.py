"""The attempts that run in this process: what the heartbeat renews, what a cancel finds, what a drain gives back."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from time import monotonic
from typing import Any

from jobs.lifecycle.lease import Checkpoint, Claimed
from jobs.model.endings import MAX_CRASHES
from jobs.model.records import Job
from jobs.model.segments import Segment
from worker.recording import Recording
from worker.repair import request_of
from worker.reports import Sent, Used
from worker.seam import Seam

CRASH_ROOM = {2: 1}
"""Of the jobs that have this many crashes behind them, how many one process runs at once. One crash is not limited: it
was probably the process's own end, and such jobs must run again within seconds."""


class StopReason(StrEnum):
    """Why a stream was cut by this process, rather than by the upstream."""

    CANCEL = "cancel"
    EXPIRE = "expire"
    DRAIN = "drain"
    RELEASE = "release"
    """Somebody paused it and wants it given back."""
    LOST = "lost"
    """The lease is gone: another worker has the job, and nothing of this attempt may be stored."""


class ActiveAttempt:
    """One attempt that this process runs."""

    def __init__(self, claimed: Claimed) -> None:
        self.job: Job = claimed.job
        self.attempt = claimed.attempt
        self.claimed = claimed
        self.request = request_of(claimed)
        """The body that it asks with, unless it goes on with a text."""
        self.text = claimed.text
        """What is continued; once the text goes on at the token limit, all that earlier requests wrote."""
        self.reasoning = claimed.reasoning
        self.sent: Sent | None = None
        """What reports to its lane; None before it is sent, and once its end is reported."""
        self.used = Used()
        """What its requests have used of its lane's limits so far."""
        self.text_tokens = 0
        """Of `text`."""
        self.segments: tuple[Segment, ...] = ()
        """What earlier requests wrote of `text`, if the text went on at the token limit."""
        self.notes: dict[str, list[Any]] = {}
        """What stood beside the text of those of this attempt."""
        self.is_noted = False
        """Whether the last request is among them already."""
        self.seam: Seam | None = None
        """Where the request that runs was asked for the rest in a new message."""
        self.incomplete: str | None = None
        """Why no further part of the text was asked for, where its finish reason does not say it."""
        self.recording: Recording | None = None
        self.stop_reason: StopReason | None = None
        self.traceparent = claimed.job.traceparent
        """The header that its requests are sent with."""
        self.waits_for_check = False
        """Whether it has left its stream and its thread, and its text waits for its check."""
        self.is_lost = False
        """Whether its end was not stored, because it had no lease any more."""
        self.counted = False
        """Whether `worker/counts.py` has what it received."""
        self.stored_at = monotonic()
        """When its text was stored last, or its beginning."""
        self.earlier_bytes: int | None = None if claimed.attempt > 1 else 0
        """How much of earlier attempts is stored: its first checkpoint copies that, or its end deletes it. None: nobody
        has looked yet."""
        self._checkpointed = (0, 0)
        self._looked_at_bytes = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[object] | None = None

    @property
    def deltas(self) -> int:
        """How many it has received so far."""
        return self.recording.deltas if self.recording is not None else 0

    @property
    def has_new(self) -> bool:
        """Whether the request that runs has brought anything: text, also held back or cut at its seam, or reasoning."""
        if self.recording is None:
            return False
        begun = self.seam is not None and self.seam.has_begun
        text, reasoning = len(self.text.encode()), len(self.reasoning.encode())
        return begun or len(self.recording.text) > text or len(self.recording.reasoning) > reasoning

    @property
    def received_bytes(self) -> int:
        """How many bytes of text and reasoning it has received so far, without those that it continues."""
        return self.recording.received_bytes if self.recording is not None else 0

    def has_grown(self) -> bool:
        """Whether it has got text since it was last asked this."""
        received, before = self.received_bytes, self._looked_at_bytes
        self._looked_at_bytes = received
        return received > before

    def attach(self, recording: Recording) -> None:
        """Called on the event loop, in the stream's own task, when the stream begins. A stop before now has cancelled
        nothing: the caller looks at `stop_reason` after this.
        """
        self.recording = recording
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()

    def end_request(self, outcome: object, *, refused: bool = False, is_own: bool = False) -> None:
        """Its request is over, and its lane is to know now, before the attempt has ended: as in `Sent.end`."""
        if self.sent is not None:
            self.sent.end(outcome, refused=refused, is_own=is_own)
            self.sent = None

    def stop(self, reason: StopReason) -> None:
        """Cut the stream, from any thread. The first reason stands, but for a release: a text that waits for its check
        takes no notice of that, and must of others.
        """
        is_first = self.stop_reason is None
        if is_first or self.stop_reason is StopReason.RELEASE:
            self.stop_reason = reason
        if is_first and self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)

    def checkpoint(self) -> Checkpoint:
        """Text and reasoning so far, when one has grown since the last one that was stored."""
        deltas = self.deltas  # read first: it is still being written
        # The reasoning first: what is continued needs no text that is older than its reasoning.
        reasoning = bytes(self.recording.reasoning) if self.recording is not None else b""
        text = bytes(self.recording.text) if self.recording is not None else b""
        if (len(text), len(reasoning)) == self._checkpointed:
            return Checkpoint(self.job.id, self.attempt, None)
        return Checkpoint(self.job.id, self.attempt, text.decode(), deltas, reasoning.decode())

    def unstored_bytes(self) -> int:
        """How much the next checkpoint writes: all that there is, if it has grown, and at the first one what earlier
        attempts have left.
        """
        if self.recording is None:
            return 0
        lengths = len(self.recording.text), len(self.recording.reasoning)
        if lengths == self._checkpointed:
            return 0
        return sum(lengths) + (0 if any(self._checkpointed) else self.earlier_bytes or 0)

    def note_stored(self, text: str, reasoning: str = "") -> None:
        """A checkpoint was committed with this text and this reasoning."""
        self._checkpointed = len(text.encode()), len(reasoning.encode())
        self.stored_at = monotonic()


class ActiveAttempts:
    """All of them, by job id. Used by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reserved: set[str] = set()
        self._running: dict[str, ActiveAttempt] = {}
        self._draining = False

    @contextmanager
    def reserve(self, job_id: str) -> Iterator[bool]:
        """Keep other threads of this process from the same job; False: one has it already, or the process drains."""
        with self._lock:
            free = job_id not in self._reserved and not self._draining
            if free:
                self._reserved.add(job_id)
        try:
            yield free
        finally:
            if free:
                with self._lock:
                    self._reserved.discard(job_id)

    def most_crashes(self) -> int:
        """How many crashes a job may have behind it to be run here now.

        When a process dies, all its jobs are suspects. The more often a job was there, the fewer others it runs with,
        so that a poison job is found without its neighbours ending as `worker_lost` beside it.
        """
        with self._lock:
            allowed = [crashes for crashes, room in CRASH_ROOM.items() if self._count(crashes) >= room]
        return min(allowed) - 1 if allowed else MAX_CRASHES

    @contextmanager
    def run(self, claimed: Claimed) -> Iterator[ActiveAttempt]:
        """Hold an attempt here while it runs."""
        running = ActiveAttempt(claimed)
        crashes = claimed.job.crashes
        with self._lock:
            self._running[running.job.id] = running
            crowded = crashes in CRASH_ROOM and self._count(crashes) > CRASH_ROOM[crashes]
            draining = self._draining
        if draining or crowded:
            running.stop(StopReason.DRAIN)
        try:
            yield running
        finally:
            with self._lock:
                del self._running[running.job.id]

    def _count(self, crashes: int) -> int:
        return sum(running.job.crashes == crashes for running in self._running.values())

    def has_batch(self, batch_id: str) -> bool:
        return any(running.job.batch_id == batch_id for running in self.all())

    def __len__(self) -> int:
        return len(self._running)

    @property
    def streams(self) -> int:
        """How many of the process's streams they take: not those whose texts wait for their checks."""
        return sum(not running.waits_for_check for running in self.all())

    def all(self) -> list[ActiveAttempt]:
        with self._lock:
            return list(self._running.values())

    def stop(self, job_id: str, reason: StopReason) -> None:
        """Cut the stream of a job, if it runs here."""
        with self._lock:
            running = self._running.get(job_id)
        if running is not None:
            running.stop(reason)

    @property
    def draining(self) -> bool:
        """Whether this process is ending and takes no more jobs."""
        return self._draining

    def drain(self) -> None:
        """Take no more jobs, and cut every stream that runs; each is checkpointed and released by its own thread."""
        with self._lock:
            self._draining = True
            running = list(self._running.values())
        for attempt in running:
            attempt.stop(StopReason.DRAIN)
