"""What a watch yields: the events of jobs and batches, typed."""

from dataclasses import dataclass
from hashlib import sha256

from longhand.client.batch_objects import Batch, BatchUsage, Counts
from longhand.client.objects import Hold, Job


@dataclass(frozen=True, slots=True)
class Status:
    """A job as it is now, without its text: the first event, which comes again when status or attempt changes."""

    job: Job


@dataclass(frozen=True, slots=True)
class OnHold:
    """What keeps a queued job from starting has changed; `hold` is None once nothing does. Of a batch, see
    `BatchStatus`.
    """

    job_id: str
    hold: Hold | None


@dataclass(frozen=True, slots=True)
class Delta:
    """New text of a job. `offset` counts the UTF-8 bytes of the job's text before it."""

    job_id: str
    attempt: int
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """New reasoning of a job, which stands beside its text. One at offset 0 starts it over, even when it is empty."""

    job_id: str
    attempt: int
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Reset:
    """Text and reasoning of a job start over with this attempt; discard what came of them before."""

    job_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Done:
    """A job has ended, and its text is stored: `job["bytes"]` long, with the SHA-256 `job["sha256"]`."""

    job: Job

    @property
    def bytes(self) -> int:
        """The length of the stored text in UTF-8."""
        return self.job["bytes"] or 0

    @property
    def sha256(self) -> str:
        """The SHA-256 of the stored text in UTF-8, as hexadecimal digits."""
        return self.job["sha256"] or sha256(b"").hexdigest()

    @property
    def proof(self) -> tuple[int, str]:
        """Both of these."""
        return self.bytes, self.sha256

    @property
    def reasoning_proof(self) -> tuple[int, str]:
        """Length and SHA-256 of the stored reasoning; of an empty one, too, if the server is older than reasoning."""
        stored = self.job.get("reasoning")
        return (stored["bytes"], stored["sha256"]) if stored else (0, sha256(b"").hexdigest())


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """The batch as it is now: the first event, which comes again whenever its status changes."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch has come; sent at most twice a second. `usage` sums up the tokens that it has cost so far."""

    status: str
    counts: Counts
    usage: BatchUsage | None


@dataclass(frozen=True, slots=True)
class BatchDone:
    """The batch has ended; a `Done` came for each of its jobs before."""

    batch: Batch


JobEvent = Status | OnHold | Delta | Reasoning | Reset | Done
"""What the watch of a job yields; the last one is `Done`."""
Event = JobEvent | BatchStatus | Progress | BatchDone
"""What the watch of a batch yields; the last one is `BatchDone`."""
