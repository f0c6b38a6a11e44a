"""A batch as a value: what its row and its jobs' rows mean, and how the API shows it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.model.cost import CostSum
from jobs.model.retention import Retention
from jobs.model.status import BATCH_FINAL, BatchStatus

BATCH_TIMES = (
    "created_at", "in_progress_at", "finalizing_at", "completed_at", "failed_at", "expired_at", "cancelling_at",
    "cancelled_at", "expires_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Batch:
    """Many jobs submitted together, with their counts."""

    id: str
    status: BatchStatus
    endpoint: str
    metadata: dict[str, str]
    completion_window: str | None
    output_seconds: int | None
    """How long its output files are kept; None: as long as the batch."""
    max_concurrency: int | None
    """How many of its jobs may run at once; None: any number."""
    times: dict[str, datetime | None]
    total: int
    completed: int
    failed: int
    """Jobs that ended without a completed text: failed, cancelled or expired."""
    in_progress: int
    incomplete: int
    """Of the completed ones, those whose text was cut short."""
    usage: dict[str, Any] | None
    """The sums of all attempts; None when nothing is known of them."""
    model: str | None = None
    """The one model of all its jobs; None when they have several."""
    cost: CostSum | None = None
    """What its ended attempts cost; None when nothing is known."""
    input_file_id: str | None = None
    output_file_id: str | None = None
    """The output for the jobs that completed, once the batch has ended; None when there are none."""
    error_file_id: str | None = None
    """The same for the jobs that did not complete."""
    errors: list[dict[str, Any]] | None = None
    """What is wrong with its input file, each `{code, line, message, param}`."""
    warnings: list[dict[str, Any]] | None = None
    """What of its requests was read otherwise than it was written, each `{code, line, message, count}`."""
    retention: Retention | None = None
    """How long it asked to be kept; None: as its project says."""
    delete_at: datetime | None = None
    """When it is to be deleted with its jobs; None: not known yet, or never."""

    @property
    def is_final(self) -> bool:
        """Whether every job has ended and the counts are frozen. A retry opens the batch again."""
        return self.status in BATCH_FINAL

    @property
    def opened_at_ms(self) -> int:
        """When the batch was opened last, by its submission or a retry: Unix milliseconds, 0 if it never was."""
        at = self.times["in_progress_at"]
        return int(at.timestamp() * 1000) if at is not None else 0
