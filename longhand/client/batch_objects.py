"""A batch as the API shows it, typed like the objects of `objects.py`."""

from typing import Any, Literal, NotRequired, TypedDict

from longhand.client.objects import CostFields, ExpiresAfter, Hold

BatchStatus = Literal[
    "validating", "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled"
]


class InputDetails(TypedDict):
    """Of the tokens read, those that the upstream had cached."""

    cached_tokens: int | None


class OutputDetails(TypedDict):
    """Of the tokens written, those of its reasoning."""

    reasoning_tokens: int | None


class BatchUsage(TypedDict):
    """The token counts of every attempt of a batch, added up. What no attempt knows is None, never 0."""

    input_tokens: int | None
    input_tokens_details: InputDetails
    output_tokens: int | None
    output_tokens_details: OutputDetails
    total_tokens: int | None


class Counts(TypedDict):
    """How many jobs of a batch are in which state; `failed` includes the cancelled and the expired ones."""

    total: int
    completed: int
    failed: int
    in_progress: int
    incomplete: int
    """Of the completed ones, those whose text was cut short."""


class Batch(CostFields):
    """Many jobs submitted together: OpenAI's Batch object. Times are whole seconds."""

    id: str
    object: Literal["batch"]
    endpoint: str
    status: BatchStatus
    model: str | None
    """The one model of all its jobs; None when they have several."""
    errors: dict[str, Any] | None
    """`{"object": "list", "data": [{"code", "line", "message", "param"}]}`: why a batch file was refused."""
    warnings: list[dict[str, Any]]
    """What of its requests was read otherwise than it was written: each is `{"code", "line", "message", "count"}`."""
    input_file_id: str | None
    output_file_id: str | None
    error_file_id: str | None
    completion_window: str | None
    max_concurrency: NotRequired[int | None]
    """How many of its jobs may run at once; missing from an older server, as is the next."""
    output_expires_after: NotRequired[dict[str, Any] | None]
    """`{"anchor": "created_at", "seconds"}`: how long its output files are kept."""
    created_at: int
    in_progress_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    expires_at: int | None
    expires_after: NotRequired[ExpiresAfter | None]
    """None: as its project says; missing from an older server, as is the next."""
    delete_at: NotRequired[int | None]
    """When it is deleted with its jobs; None: not known before its end, or never."""
    metadata: dict[str, str]
    request_counts: Counts
    usage: BatchUsage | None
    """What it has cost so far; None while nothing is known of it."""
    hold: NotRequired[Hold]
    """What keeps all its jobs from starting; not there when nothing does."""
