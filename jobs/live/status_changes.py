"""Status changes from outside the job's attempt, and the messages about them to watchers."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from jobs.live.channel import encode_batch, encode_done, encode_job, encode_queued
from jobs.model.status import FINAL, JobStatus

EMPTY_SHA256 = sha256(b"").hexdigest()

MOST_NAMED = 500
"""When more jobs of one batch have changed together, the message to the batch is to look at all of its rows."""


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A job whose status was changed from outside its attempt, as it was committed."""

    id: str
    batch_id: str | None
    attempt: int
    status: JobStatus
    bytes: int = 0
    """The length of the text that an ended job keeps."""
    sha256: str = EMPTY_SHA256
    reasoning_bytes: int = 0
    reasoning_sha256: str = ""


def notifications(changes: Sequence[StatusChange], *, batches_changed: bool = False) -> Iterator[tuple[str, bytes]]:
    """What to publish once the changes are committed: the id of the job or batch whose channel it is for, and the
    message.

    `batches_changed` says that the rows of their batches have changed too. Nothing is read again: a row that has
    changed since would make `done` untrue.
    """
    by_batch = Counter(change.batch_id for change in changes if change.batch_id is not None)
    for change in changes:
        if change.status in FINAL:
            proof = (change.bytes, change.sha256, change.reasoning_bytes, change.reasoning_sha256)
            yield change.id, encode_done(change.attempt, change.status, *proof)
        elif change.status is JobStatus.QUEUED:
            yield change.id, encode_queued(change.attempt)
        # One that still runs was asked to end, and its worker publishes what becomes of it.
        if change.batch_id is not None and by_batch[change.batch_id] <= MOST_NAMED:
            yield change.batch_id, encode_job(change.id, change.attempt, change.status)
    for batch_id, count in by_batch.items():
        if batches_changed or count > MOST_NAMED:
            yield batch_id, encode_batch()
