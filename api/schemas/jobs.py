"""Jobs and their attempts."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.base import Described, ExpiresAfter, Page
from api.schemas.costs import CostFields, CostObject
from api.schemas.waiting import WaitingObject


class JobErrorObject(Described):
    """Why a job or an attempt did not complete."""

    code: str
    message: str | None


class IncompleteDetails(Described):
    """Why the text of a completed job is cut short; `no_end_sign`: the upstream did not say whether it is;
    `doubtful_seam`: it is whole, but nobody can be sure of a place where a rest was joined to it.
    """

    reason: Literal["max_output_tokens", "content_filter", "context_window", "no_end_sign", "doubtful_seam"]


class UsageObject(Described):
    """Token counts. Unknown is null, never 0."""

    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    total_tokens: int | None
    source: Literal["upstream", "tokenizer", "estimate"]


class ReasoningObject(Described):
    """The stored reasoning of a job, which `/v1/jobs/{id}/text?part=reasoning` returns."""

    bytes: int = Field(description="Its length in UTF-8.")
    sha256: str
    tokens: int | None = Field(description="Our own count; what the upstream reported is in `usage`.")
    tokens_source: Literal["tokenizer", "estimate"] | None


class RejectionObject(Described):
    """One reason why a text was not accepted."""

    rule: str
    asked: Any
    found: str


class SegmentObject(Described):
    """What one request wrote of a text that went on at the token limit."""

    attempt: int
    offset: int = Field(description="Bytes of the text before it.")
    bytes: int
    upstream: str
    finish_reason: str | None = Field(description="Null: the request was interrupted.")
    usage: UsageObject | None
    cut: str | None = Field(description="What the answer began with and the text does not have.")
    doubtful: bool = Field(description="Whether nobody can be sure that it joins the text before it as it should.")


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
    outcome: (
        Literal[
            "completed", "failed", "not_accepted", "rate_limited", "held", "released", "lost", "cancelled", "expired"
        ]
        | None
    )
    error: JobErrorObject | None
    rejections: list[RejectionObject] | None = Field(description="Why its text was not accepted; null when it was.")
    deltas: int | None
    bytes: int | None
    continued_bytes: int | None = Field(
        description="Bytes of the previous attempt's text that this one continues; null until it is known."
    )
    segments: list[SegmentObject] | None = Field(description="What each request wrote, if the text went on.")
    usage: UsageObject | None
    cost: CostObject | None = Field(description="Null when it is unknown, or the attempt runs.")


class JobObject(Described):
    """One generation, without its text. Times are Unix seconds."""

    id: str
    object: Literal["job"]
    status: Literal["queued", "in_progress", "completed", "failed", "cancelled", "expired"]
    batch_id: str | None
    custom_id: str | None
    model: str
    upstream: str | None = Field(description="The upstream that has it or had it last; null while it waits for one.")
    only_upstream: str | None = Field(
        description="The one upstream that may run it, as it was submitted; null: any that takes its model."
    )
    metadata: dict[str, str]
    priority: int
    max_attempts: int
    on_interrupt: Literal["restart", "continue"] = Field(description="What an attempt after an interrupted one does.")
    on_length: Literal["stop", "continue"]
    max_continuations: int | None = Field(description="How often the rest may be asked for; null: not at all.")
    attempt: int = Field(description="The number of the last attempt; 0: none has begun.")
    failures: int = Field(description="Attempts that failed; only these count against `max_attempts`.")
    crashes: int
    rate_limits: int
    drains: int
    on_reject: Literal["fail", "retry", "repair"] = Field(description="What becomes of a text that is not accepted.")
    max_repairs: int
    repairs: int = Field(description="How often it asked for a repair of its text.")
    created_at: float
    due_at: float | None
    started_at: float | None
    first_delta_at: float | None
    finished_at: float | None
    expires_at: float | None
    expires_after: ExpiresAfter | None = Field(description="Null: as its project says, or as long as its batch.")
    delete_at: float | None = Field(description="When it is deleted; null: not known before its end, or never.")
    cancel_requested_at: float | None
    finish_reason: str | None = Field(description="As the upstream gave it; null when it gave none.")
    incomplete: IncompleteDetails | None = Field(
        description="The job completed, but its text was cut short, or nobody knows whether it was."
    )
    text_attempt: int | None = Field(
        description="The attempt whose text is stored. After a failure that is the one that wrote the longest text."
    )
    bytes: int | None = Field(description="Length of the stored text in UTF-8.")
    sha256: str | None = Field(description="SHA-256 of the stored text in UTF-8.")
    usage: UsageObject | None
    text_tokens: int | None
    text_tokens_source: str | None
    reasoning: ReasoningObject | None = Field(description="The reasoning beside the text; null when there was none.")
    upstream_id: str | None
    upstream_model: str | None
    error: JobErrorObject | None


class JobWithRequest(JobObject):
    """A job as it is shown after its submission: with the request as it goes upstream."""

    request: dict[str, Any] | None = Field(
        description="Null in the answer to a submission, a retry or a cancel if it is long and there is no room for it:"
        " `GET /v1/jobs/{id}` has it. The same holds for `accept`, `cells` and `message`."
    )
    accept: dict[str, Any] | None = Field(description="What its text must satisfy; null: any text will do.")
    cells: dict[str, str] | None = Field(
        None, description="The row of a table that it was made of, by column. Left out when it was made of none."
    )
    message: dict[str, Any] | None = Field(
        None,
        description="The rest of the assistant's message, as the upstream would have returned it unstreamed:"
        " `tool_calls`, `function_call`, `refusal`, `annotations`, `logprobs`, `system_fingerprint`. Left out when the"
        " upstream sent nothing beside the text. Only an answer that was whole has calls.",
    )


class JobWithAttempts(JobWithRequest, CostFields, WaitingObject):
    """A job with every attempt at it, and while it is queued, what it waits for."""

    attempts: list[AttemptObject]
    segments: list[SegmentObject] | None = Field(
        description="What each request wrote of the text, with `on_length: continue`; null: one wrote all of it."
    )
    kept_texts: list[int] = Field(description="The attempts of which a text is stored: `.../text?attempt=`.")


class ListedJob(JobObject, CostFields, WaitingObject):
    """A job in a list. What it waits for is only there while it is queued and waits."""


class JobList(Page):
    """A page of jobs. Go on with `after=<last_id>` while `has_more`."""

    data: list[ListedJob]
