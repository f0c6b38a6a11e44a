"""What the OpenAPI page says of answers. A test holds these alike with what is really answered."""

from typing import Any, Literal

from pydantic import Field

from api.waiting_schemas import Described, HoldDetail, WaitingObject


class ErrorDetail(Described):
    """What is wrong, where, and what to do."""

    message: str
    type: Literal["invalid_request_error", "server_error"]
    param: str | None = Field(description="The field at fault, such as `requests[3].body.messages`.")
    code: str


class ErrorObject(Described):
    """The answer to every request that is refused or fails."""

    error: ErrorDetail


class Fault(Described):
    """Why a job or an attempt did not complete."""

    code: str
    message: str | None


class IncompleteDetails(Described):
    """Why the text of a completed job is cut short."""

    reason: Literal["max_output_tokens", "content_filter"]


class UsageObject(Described):
    """Token counts. Unknown is null, never 0."""

    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    total_tokens: int | None
    source: Literal["upstream", "tokenizer", "estimate"]


class AttemptObject(Described):
    """One run of a job. `outcome` is null while it runs.

    When an attempt is `lost` (its worker died), `deltas`, `bytes` and `usage` are those of its last checkpoint: a lower
    bound. They appear some seconds after the loss, and stay null if it died before its first checkpoint.
    """

    attempt: int
    worker: str
    upstream: str | None = Field(description="The name of the upstream that it ran on.")
    started_at: float
    first_delta_at: float | None
    finished_at: float | None
    outcome: Literal["completed", "failed", "rate_limited", "held", "released", "lost", "cancelled", "expired"] | None
    error: Fault | None
    deltas: int | None
    bytes: int | None
    continued_bytes: int | None = Field(
        description="Bytes of the previous attempt's text that this one continues; null until it is known."
    )
    usage: UsageObject | None


class JobObject(Described):
    """One generation, without its text. Times are Unix seconds."""

    id: str
    object: Literal["job"]
    status: Literal["queued", "in_progress", "completed", "failed", "cancelled", "expired"]
    batch_id: str | None
    custom_id: str | None
    model: str
    upstream: str | None = Field(description="The upstream that has it or had it last; null while it waits for one.")
    metadata: dict[str, str]
    priority: int
    max_attempts: int
    attempt: int = Field(description="The number of the last attempt; 0: none has begun.")
    failures: int = Field(description="Attempts that failed; only these count against `max_attempts`.")
    crashes: int
    rate_limits: int
    drains: int
    created_at: float
    due_at: float | None
    started_at: float | None
    first_delta_at: float | None
    finished_at: float | None
    expires_at: float | None
    cancel_requested_at: float | None
    finish_reason: str | None = Field(description="As the upstream gave it; null when it gave none.")
    incomplete: IncompleteDetails | None = Field(
        description="The job completed, but its text was cut short: at the token limit or by a content filter."
    )
    text_attempt: int | None = Field(
        description="The attempt whose text is stored. After a failure that is the one that wrote the longest text."
    )
    bytes: int | None = Field(description="Length of the stored text in UTF-8.")
    sha256: str | None = Field(description="SHA-256 of the stored text in UTF-8.")
    usage: UsageObject | None
    text_tokens: int | None
    text_tokens_source: str | None
    upstream_id: str | None
    upstream_model: str | None
    error: Fault | None


class JobWithRequest(JobObject):
    """A job as it is shown after its submission: with the request as it goes upstream."""

    request: dict[str, Any]
    message: dict[str, Any] | None = Field(
        None, description="What the upstream sent beside the text, such as citations; left out when it sent nothing."
    )


class JobWithAttempts(JobWithRequest, WaitingObject):
    """A job with every attempt at it, and while it is queued, what it waits for."""

    attempts: list[AttemptObject]


class BatchInputDetails(Described):
    """Of the tokens read, those that the upstream had cached."""

    cached_tokens: int | None


class BatchOutputDetails(Described):
    """Of the tokens written, those of its reasoning."""

    reasoning_tokens: int | None


class BatchUsageObject(Described):
    """The token counts of every attempt of a batch, added up. What no attempt knows is null, never 0."""

    input_tokens: int | None
    input_tokens_details: BatchInputDetails
    output_tokens: int | None
    output_tokens_details: BatchOutputDetails
    total_tokens: int | None


class Counts(Described):
    """How many jobs of a batch are where."""

    total: int
    completed: int
    failed: int = Field(description="Failed, cancelled or expired.")
    in_progress: int
    incomplete: int = Field(description="Of the completed ones, those whose text was cut short.")


class LineError(Described):
    """What is wrong with a line of a batch's input file. Lines are counted from 1."""

    code: str
    line: int | None
    message: str
    param: str | None


class BatchErrors(Described):
    """Why a batch was refused: the first hundred errors of its file."""

    object: Literal["list"]
    data: list[LineError]


class Warned(Described):
    """What was read otherwise than it was written, or left out."""

    code: str
    line: int | None = Field(description="The first line, or item of `requests`, of which it is true.")
    message: str
    count: int = Field(description="Of how many it is true.")


class BatchObject(Described):
    """OpenAI's Batch object. Times are whole Unix seconds."""

    id: str
    object: Literal["batch"]
    endpoint: str
    status: Literal[
        "validating", "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled"
    ]
    model: str | None = Field(description="The one model of all its jobs; null when they have several.")
    errors: BatchErrors | None
    warnings: list[Warned] = Field(description="What of its requests was read otherwise than it was written.")
    input_file_id: str | None
    output_file_id: str | None
    error_file_id: str | None
    completion_window: str | None
    created_at: int
    in_progress_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    expires_at: int | None
    metadata: dict[str, str]
    request_counts: Counts
    usage: BatchUsageObject | None = Field(description="What it has cost so far; null while nothing is known of it.")
    hold: HoldDetail | None = Field(
        default=None, description="What keeps all its jobs from starting; not there when nothing does, or in a list."
    )


class InputObject(Described):
    """What an uploaded file would become."""

    object: Literal["input"]
    input_file_id: str
    encoding: str | None = Field(description="The encoding it was read in; null when it could not be read at all.")
    is_guess: bool = Field(description="Nothing but the text itself says that this is its encoding.")
    delimiter: str | None = Field(description="What parts its cells; null when it is no table.")
    columns: list[str] = Field(description="The named columns of a table.")
    rows: list[list[str]] = Field(description="Its first rows, without the columns that have no name.")
    first_prompt: str | None
    count: int = Field(description="How many of its requests are good.")
    mistakes: list[LineError] = Field(description="What is wrong with the others: the first hundred.")
    mistake_count: int
    warnings: list[Warned]


class ListedJob(JobObject, WaitingObject):
    """A job in a list. What it waits for is only there while it is queued and waits."""


class JobList(Described):
    """A page of jobs. Go on with `after=<last_id>` while `has_more`."""

    object: Literal["list"]
    data: list[ListedJob]
    first_id: str | None
    last_id: str | None
    has_more: bool


class BatchList(Described):
    """A page of batches. Go on with `after=<last_id>` while `has_more`."""

    object: Literal["list"]
    data: list[BatchObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


# With this, FastAPI does not promise its own 422.
REFUSALS: dict[int | str, dict[str, Any]] = {"4XX": {"model": ErrorObject}, "5XX": {"model": ErrorObject}}
