"""What the API shows, typed: dictionaries as they come, field by field as `/docs` of a running Longhand describes them.

Times are Unix seconds, lengths UTF-8 bytes. What is unknown is None, never 0.
"""

from typing import Any, Literal, NotRequired, TypedDict

Json = dict[str, Any]
"""An object of JSON whose fields are not typed here."""

JobStatus = Literal["queued", "in_progress", "completed", "failed", "cancelled", "expired"]
Retried = Literal["failed", "expired", "cancelled", "incomplete"]
"""Which jobs of a batch to run again; `incomplete`: completed, but the text was cut short."""

FINAL: frozenset[str] = frozenset({"completed", "failed", "cancelled", "expired"})
"""The statuses of jobs and batches in which nothing more happens, unless they are retried."""


class Usage(TypedDict):
    """Token counts, and who counted them. `total_tokens` is what the upstream bills."""

    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    total_tokens: int | None
    source: Literal["upstream", "tokenizer", "estimate"]


class Cost(TypedDict):
    """What something cost. `estimated`: Longhand counted tokens of it, because the upstream did not report them."""

    amount: float
    currency: str | None
    source: Literal["upstream", "estimated"]


class CostFields(TypedDict, total=False):
    """The cost of all ended attempts: None while a part is unknown. Where jobs and batches are read or listed."""

    cost: Cost | None
    known_costs: list[Cost]
    unknown_cost_attempts: int


class Fault(TypedDict):
    """Why a job or an attempt did not complete."""

    code: str
    message: str | None


class IncompleteDetails(TypedDict):
    """Why the text of a completed job was cut short; `no_end_sign`: the upstream did not say whether it was;
    `doubtful_seam`: it is whole, but nobody can be sure of a place where a rest was joined to it.
    """

    reason: Literal["max_output_tokens", "content_filter", "context_window", "no_end_sign", "doubtful_seam"]


class Segment(TypedDict):
    """What one request wrote of a text that went on at the token limit."""

    attempt: int
    offset: int
    bytes: int
    upstream: str
    finish_reason: str | None
    """None: the request was interrupted."""
    usage: Usage | None
    cut: str | None
    """What the answer began with and the text does not have."""
    doubtful: bool
    """Whether nobody can be sure that it joins the text before it as it should."""


class Attempt(TypedDict):
    """One run of a job. `outcome` is None while it runs."""

    attempt: int
    worker: str
    started_at: float
    first_delta_at: float | None
    finished_at: float | None
    outcome: (
        Literal[
            "completed", "failed", "not_accepted", "rate_limited", "held", "released", "lost", "cancelled", "expired"
        ]
        | None
    )
    rejections: NotRequired[list[Json] | None]
    """Why its text was not accepted, each with `rule`, `asked` and `found`; missing from an older server."""
    error: Fault | None
    deltas: int | None
    bytes: int | None
    continued_bytes: int | None
    """How much of the text of the attempt before it this one continues; 0: it began again; None: not known yet."""
    usage: Usage | None
    cost: NotRequired[Cost | None]
    segments: NotRequired[list[Segment] | None]
    """What each request wrote of its text, if the text went on at the token limit."""


class Hold(TypedDict):
    """What keeps work from starting, since when and why; nothing is charged meanwhile."""

    kind: Literal["batch", "project", "model", "upstream"]
    target: str
    """The id of the batch, or the name of the project, model or upstream."""
    reason: str
    """`paused`, or of a hold of Longhand's own: `away`, `url`, `credit`, `key` or `limit`."""
    since: float
    message: str
    held_by: str
    probe_at: float | None
    """When one job is sent to see whether all is well again; None: only a person lifts it."""
    upstream: str | None
    url: str | None
    may_resume: bool


class ReasoningProof(TypedDict):
    """The stored reasoning of a job."""

    bytes: int
    sha256: str
    tokens: int | None
    tokens_source: str | None


class ExpiresAfter(TypedDict):
    """How long something asked to be kept, and from when on."""

    anchor: Literal["ended_at", "created_at"]
    seconds: int


class Job(CostFields):
    """One generation, without its text."""

    id: str
    object: Literal["job"]
    status: JobStatus
    batch_id: str | None
    custom_id: str | None
    model: str
    only_upstream: NotRequired[str | None]
    """The one upstream that may run it; missing from an older server, as is `on_interrupt`."""
    metadata: dict[str, str]
    priority: int
    max_attempts: int
    on_interrupt: NotRequired[Literal["restart", "continue"]]
    on_length: NotRequired[Literal["stop", "continue"]]
    max_continuations: NotRequired[int | None]
    """How often the rest of its text may be asked for at the token limit; None: not at all."""
    attempt: int
    """The number of the last attempt; 0: none has begun."""
    failures: int
    """Attempts that failed; only these count against `max_attempts`."""
    crashes: int
    rate_limits: int
    drains: int
    on_reject: NotRequired[Literal["fail", "retry", "repair"]]
    """What becomes of a text that is not accepted; missing from an older server, as are the next two and `accept`."""
    max_repairs: NotRequired[int]
    repairs: NotRequired[int]
    """How often it asked for a repair of its text."""
    created_at: float
    due_at: float | None
    started_at: float | None
    first_delta_at: float | None
    finished_at: float | None
    expires_at: float | None
    expires_after: NotRequired[ExpiresAfter | None]
    """None: as its project says, or as long as its batch; missing from an older server, as is the next."""
    delete_at: NotRequired[float | None]
    """When it is deleted; None: not known before its end, or never."""
    cancel_requested_at: float | None
    finish_reason: str | None
    """As the upstream gave it; None when it gave none."""
    incomplete: IncompleteDetails | None
    """Set when the job completed, but its text was cut short."""
    text_attempt: int | None
    """The attempt whose text is stored. After a failure that is the one that wrote the longest text."""
    bytes: int | None
    """The length of the stored text."""
    sha256: str | None
    """The SHA-256 of the stored text in UTF-8, as 64 hexadecimal digits."""
    usage: Usage | None
    text_tokens: int | None
    text_tokens_source: str | None
    reasoning: NotRequired[ReasoningProof | None]
    """What the model thought beside the text; None when there was nothing, missing from an older server."""
    upstream_id: str | None
    upstream_model: str | None
    error: Fault | None
    hold: NotRequired[Hold | None]
    """What it waits for, like the next three, where jobs are read or listed; in lists only while it waits."""
    limited_by: NotRequired[str | None]
    limited_by_message: NotRequired[str | None]
    limited_until: NotRequired[float | None]
    index: NotRequired[int]
    """Its place in its batch, from 0; only in the watch of a batch and in results."""
    accept: NotRequired[Json | None]
    """What its text must satisfy; like `request` only where one job is read or submitted."""
    request: NotRequired[dict[str, Any]]
    """As it goes upstream; only where one job is read or submitted."""
    cells: NotRequired[dict[str, str]]
    """The row of a table that it was made of, by column; only where one job or its results are read."""
    message: NotRequired[dict[str, Any]]
    """The rest of the assistant's message, such as its tool calls; only where one job or its results are read."""
    attempts: NotRequired[list[Attempt]]
    """Only where one job is read, as is `segments`: what each request wrote of the text."""
    segments: NotRequired[list[Segment] | None]


class Result(Job):
    """One job of a batch with its text. An incomplete text never has the name of a complete one."""

    text: NotRequired[str]
    """Only of a completed job; `incomplete` says if it was cut short."""
    partial_text: NotRequired[str]
    """The longest text that an attempt of a failed, cancelled or expired job had written."""


def why(owner: Job | Attempt | Json) -> str:
    """What went wrong with a job or an attempt, in one line; empty when nothing did."""
    error = owner.get("error")
    if not error:
        return ""
    return " ".join(f"{error['code']}: {error['message']}".split()) if error["message"] else str(error["code"])
