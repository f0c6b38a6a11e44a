"""The statuses of a job and of a batch, and who changes them.

    queued ──claim──> in_progress ──finish──> completed
      ^  │                │ ├─fail, rescue──> failed
      │  │                │ ├──────cancel───> cancelled
      │  │                │ └──────expire───> expired
      │  │                │
      │  └─cancel, expire │ (also straight from queued)
      └──retry, ask_for_repair, wait_for_limit, hold_back, release, rescue

Each arrow is one guarded UPDATE: claim in `jobs/lifecycle/lease.py`, what a running worker does in
`jobs/lifecycle/transitions.py`, what is done from outside in `jobs/lifecycle/rescue.py` and `cancel_batch.py`. An arrow
that leaves `in_progress` is fenced by the attempt. A rescue takes a job back to queued; after its third crash it fails
(`worker_lost`), or it ends as cancelled or expired if that was due. One more arrow is made by hand:
`jobs/lifecycle/retry.py` takes failed, expired or cancelled jobs back to queued, and completed ones whose text was cut
short. A completed job with a whole text never changes again.
"""

from enum import StrEnum


class JobStatus(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    """Waiting: new, or until `due_at` for its next attempt. Set by submit and each way back."""
    IN_PROGRESS = "in_progress"
    """A worker holds its lease and streams. Set by claim alone."""
    COMPLETED = "completed"
    """The upstream said that it had ended, and the text is stored. Final."""
    FAILED = "failed"
    """Not retryable, out of attempts, or rescued from its third crash. The text that came is kept. Final."""
    CANCELLED = "cancelled"
    """Somebody asked for it. The text that came is kept. Final."""
    EXPIRED = "expired"
    """Its `expires_at` passed before it ended. Final."""


FINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.EXPIRED})


NO_END_SIGN = "no_end_sign"
"""The text is kept, and its upstream, which ends all of them so, did not say that it is whole: it may be, or not."""

DOUBTFUL_SEAM = "doubtful_seam"
"""The text is whole, and nobody can be sure of one place where a rest was joined to it (`worker/doubt.py`)."""

CUT_SHORT_WORDS = {
    "max_output_tokens": "cut short at the token limit",
    "context_window": "cut short because the context window of the model is full",
    "content_filter": "cut short by the upstream's content filter",
    NO_END_SIGN: "maybe cut short: the upstream did not say that it is whole",
    DOUBTFUL_SEAM: "joined with a seam in doubt: words may be missing there, stand twice, or be a remark of the model",
}
"""What `incomplete` says of a completed job, in words."""


class BatchStatus(StrEnum):
    """The statuses of OpenAI's Batch object. `completed` says that every job has ended, not that each succeeded."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


BATCH_FINAL = frozenset({BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.EXPIRED, BatchStatus.CANCELLED})


class AttemptOutcome(StrEnum):
    """How an attempt ended. Only `failed` and `not_accepted` are charged against `max_attempts`."""

    COMPLETED = "completed"
    FAILED = "failed"
    NOT_ACCEPTED = "not_accepted"
    """The text is whole and does not keep the rules of `accept`. Charged, unless the job asks for a repair of it."""
    RATE_LIMITED = "rate_limited"
    """The upstream said 429: the job waits and is not charged."""
    HELD = "held"
    """The upstream was away, out of credit or refused the key: it is held, the job waits and is not charged."""
    RELEASED = "released"
    """The worker drained, or somebody paused it and took it back, or its upstream left the file: it goes to another
    worker and is not charged."""
    LOST = "lost"
    """The worker stopped renewing its lease: it crashed or was cut off. Counted as a crash."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"
