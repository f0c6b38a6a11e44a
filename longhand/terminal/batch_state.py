"""A batch as its watcher knows it: counts, pace, failures, and the end of each text that is being written."""

import time
from dataclasses import dataclass, field

from longhand.client.batch_objects import Batch
from longhand.client.events import BatchDone, BatchStatus, Delta, Done, Event, Progress, Reasoning, Reset, Status
from longhand.client.objects import Job
from longhand.terminal.explanations import plain_reason
from longhand.terminal.failures import Failure
from longhand.words.catalogue import t

_KEPT_CHARACTERS = 400
"""How much of the end of a growing text is kept: more does not fit into a line."""
_PACE_SECONDS = 60.0
"""The rate is that of the last minute, or since the watch began if that is shorter."""


@dataclass(slots=True)
class Writing:
    """A job that runs."""

    name: str
    attempt: int
    characters: int = 0
    end: str = ""
    """The last characters of its text."""
    thought: int = 0
    """How many characters of reasoning have come."""


@dataclass(slots=True)
class BatchState:
    """Give it every event of the watch."""

    batch: Batch
    writing: dict[str, Writing] = field(default_factory=dict)
    """The running jobs by id, in the order in which they began."""
    not_completed: dict[str, str] = field(default_factory=dict)
    """How the jobs ended that did not complete, by id."""
    _seen: list[tuple[float, int]] = field(default_factory=list)
    """Times, and how many jobs had ended by then, for the rate."""

    def take(self, event: Event) -> Failure | None:
        """Take one event, and return the failure that it reports, if any."""
        match event:
            case BatchStatus(batch=batch) | BatchDone(batch=batch):
                self.batch = batch
                self._note_ended()
            case Progress(counts=counts, usage=usage):
                self.batch["request_counts"] = counts
                self.batch["usage"] = usage
                self._note_ended()
            case Status(job=job):
                self._show(job)
            case Delta(job_id=job_id, text=text) if job_id in self.writing:
                writing = self.writing[job_id]
                writing.characters += len(text)
                writing.end = (writing.end + text)[-_KEPT_CHARACTERS:]
            case Reasoning(job_id=job_id, offset=offset, text=text) if job_id in self.writing:
                writing = self.writing[job_id]
                writing.thought = len(text) + (writing.thought if offset else 0)
            case Reset(job_id=job_id, attempt=attempt) if job_id in self.writing:
                self.writing[job_id] = Writing(self.writing[job_id].name, attempt)
            case Done(job=job):
                self.writing.pop(job["id"], None)
                if job["status"] != "completed":
                    self.not_completed[job["id"]] = job["status"]
                    code = job["error"]["code"] if job["error"] else None
                    return Failure(name_of(job), job["status"], plain_reason(job), code)
        return None

    @property
    def total(self) -> int:
        """How many jobs the batch has."""
        return self.batch["request_counts"]["total"]

    @property
    def ended(self) -> int:
        """How many of them have ended, in whatever way."""
        counts = self.batch["request_counts"]
        return counts["completed"] + counts["failed"]

    @property
    def output_tokens(self) -> int | None:
        """What the ended attempts have written, in tokens; None before anything is known."""
        usage = self.batch["usage"]
        return usage["output_tokens"] if usage else None

    @property
    def jobs_per_second(self) -> float | None:
        """How many jobs end each second; None until one has ended during the watch."""
        if not self._seen or self._seen[-1][1] == self._seen[0][1]:
            return None
        # Up to now, not up to the last end: a batch that stands still is slow.
        return (self._seen[-1][1] - self._seen[0][1]) / max(time.monotonic() - self._seen[0][0], 0.1)

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at this rate; None while no rate is known."""
        rate = self.jobs_per_second
        return (self.total - self.ended) / rate if rate else None

    def _show(self, job: Job) -> None:
        self.not_completed.pop(job["id"], None)
        if job["status"] == "in_progress":
            writing = self.writing.setdefault(job["id"], Writing(name_of(job), job["attempt"]))
            writing.attempt = job["attempt"]
        else:
            self.writing.pop(job["id"], None)

    def _note_ended(self) -> None:
        now = time.monotonic()
        if not self._seen or self._seen[-1][1] != self.ended:
            self._seen.append((now, self.ended))
        while len(self._seen) > 2 and self._seen[1][0] < now - _PACE_SECONDS:
            del self._seen[0]


def thinking(characters: int) -> str:
    """About how much a model has thought; four characters make a token."""
    return t("watch.thinking", tokens=f"{max(1, characters // 4):,}")


def name_of(job: Job) -> str:
    """What its owner calls a job; without a name, its number in the batch."""
    return job["custom_id"] or (f"#{job['index'] + 1}" if "index" in job else job["id"])
