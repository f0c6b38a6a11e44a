"""For the tests of watching: a job to watch, and a worker that is played by the test."""

import random
import threading
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import redis

from jobs.intake.submission import NewJob, submit_job
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.lease import note_continued
from jobs.lifecycle.transitions import fail, finish, retry
from jobs.live.channel import (
    RECORD_SCRIPT,
    TextKind,
    channel_name,
    encode_batch,
    encode_delta,
    encode_done,
    encode_job,
    encode_queued,
    encode_reasoning,
    encode_started,
    reasoning_key,
    tail_key,
)
from jobs.model.endings import AttemptResult, JobError
from jobs.model.status import JobStatus
from jobs.store.database import Database
from jobs.store.stored_texts import read_stored
from tests.store.reserving import claim_now

PATIENCE_SECONDS = 60.0
"""How long tests wait for what must happen; nothing is measured with it."""

REQUEST = {"model": "played", "messages": [{"role": "user", "content": "Write."}]}


class Writer:
    """Plays a worker: one attempt at one job, recorded as the real recorder does it."""

    thinks = False
    """Whether each piece is written to the reasoning, too, before it is written to the text (`both_texts`)."""

    def __init__(self, database: Database, client: redis.Redis, job_id: str, *, continued: str = "") -> None:
        claimed = claim_now(database, job_id, "played", lease_seconds=600)
        assert claimed is not None
        self.database = database
        self.redis = client
        self.job_id = job_id
        self.batch_id = claimed.job.batch_id
        self.attempt = claimed.attempt
        self.text = continued
        self.reasoning = ""
        self.broken = 0
        self._script = client.register_script(RECORD_SCRIPT)
        self.tell_batch(JobStatus.IN_PROGRESS)
        if claimed.job.on_interrupt == "continue":
            note_continued(database, job_id, self.attempt, len(continued.encode()))
        if continued:
            self._rewrite()
        self.say(encode_started(self.attempt, len(continued.encode())))

    def write(self, *pieces: str) -> None:
        """Record each piece: append it to the tail, publish it; a tail that is gone is written anew, with a nudge."""
        for piece in pieces:
            if self.thinks:
                self.think(piece)
            offset = len(self.text.encode())
            self.text += piece
            if self._record(offset, piece, encode_delta(self.attempt, offset, piece)):
                self.broken += 1
                self._rewrite()

    def think(self, piece: str) -> None:
        """Record a piece of the reasoning."""
        offset = len(self.reasoning.encode())
        self.reasoning += piece
        if self._record(offset, piece, encode_reasoning(self.attempt, offset, piece), "reasoning"):
            self.broken += 1
            self._rewrite()

    def say(self, message: bytes) -> None:
        """Publish an event."""
        self.redis.publish(channel_name(self.job_id), message)

    def finish(self, **told: Any) -> str:
        """End the job as completed, then tell it; the text."""
        assert finish(self.database, self.job_id, self.attempt, replace(self.written(), **told))
        self.say(self.done(JobStatus.COMPLETED))
        self.tell_batch(JobStatus.COMPLETED)
        return self.text

    def fail(self) -> str:
        """End the job as failed, then tell it; the text that is kept."""
        assert fail(self.database, self.job_id, self.attempt, self.written(), JobError("upstream_error", "played"))
        self.say(self.done(JobStatus.FAILED))
        self.tell_batch(JobStatus.FAILED)
        return self.text

    def retry(self) -> None:
        """Give the job back for another attempt, and tell it."""
        again = JobError("upstream_cut", "played")
        assert retry(self.database, self.job_id, self.attempt, self.written(), again, self.database.now())
        self.say(encode_queued(self.attempt))
        self.tell_batch(JobStatus.QUEUED)

    def tell_batch(self, status: JobStatus) -> None:
        """Publish to the batch, if there is one, where the job is now; end the batch when this was its last job."""
        if self.batch_id is None:
            return
        self.redis.publish(channel_name(self.batch_id), encode_job(self.job_id, self.attempt, status))
        if status not in (JobStatus.IN_PROGRESS, JobStatus.QUEUED) and close_batch(self.database, self.batch_id):
            self.redis.publish(channel_name(self.batch_id), encode_batch())

    def written(self) -> AttemptResult:
        """What a worker stores at the end."""
        encoded = self.text.encode()
        thought = self.reasoning.encode()
        return AttemptResult(
            self.text,
            len(encoded),
            sha256(encoded).hexdigest(),
            deltas=1,
            first_delta_at=None,
            finish_reason="stop",
            reasoning=self.reasoning,
            reasoning_bytes=len(thought),
            reasoning_sha256=sha256(thought).hexdigest() if thought else None,
        )

    def done(self, status: JobStatus) -> bytes:
        """The message that the job has ended, with the proof of the text that it is stored with."""
        stored = read_stored(self.database, self.job_id, self.attempt)
        assert stored is not None
        return encode_done(self.attempt, status, stored.bytes, stored.sha256)

    def _rewrite(self) -> None:
        nudge = encode_delta(self.attempt, len(self.text.encode()), "")
        if self.reasoning:
            thought = encode_reasoning(self.attempt, len(self.reasoning.encode()), "")
            assert not self._record(-1, self.reasoning, thought, "reasoning")
        if self.text:
            assert not self._record(-1, self.text, nudge)

    def _record(self, offset: int, text: str, message: bytes, kind: TextKind = "text") -> list[int]:
        values: list[Any] = [3600, offset, text, channel_name(self.job_id), 1, message]
        key_of = tail_key if kind == "text" else reasoning_key
        broken: list[int] = self._script(keys=[key_of(self.job_id, self.attempt)], args=values)
        return broken


_WORDS = ["pencil ", "graphite ", "铅笔", "é", "👩‍👩‍👧 ", "\n", '"quoted" ', "\u2028 \u0085", "a" * 50]


def pieces(count: int, seed: int) -> list[str]:
    """Deltas such as come, and such as should not."""
    chance = random.Random(seed)
    return [chance.choice(_WORDS) for _ in range(count)]


def submit(database: Database, **fields: Any) -> str:
    """A new job to write for; its id."""
    return submit_job(database, NewJob(request=REQUEST, **fields)).id


def wait_until(met: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for a condition that nobody signals."""
    waiting = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if met():
            return
        waiting.wait(0.01)
    raise AssertionError(f"not so after {seconds} s")
