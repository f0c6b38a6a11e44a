"""Batches, and files that become batches."""

from typing import Literal

from pydantic import Field

from api.schemas.base import Described, ExpiresAfter, Page
from api.schemas.costs import CostFields
from api.schemas.waiting import HoldDetail
from api.schemas.webhooks import WebhookWithSecret


class BatchInputDetails(Described):
    """Of the tokens read, those that the upstream had cached."""

    cached_tokens: int = Field(description="0 if no attempt knows.")


class BatchOutputDetails(Described):
    """Of the tokens written, those of its reasoning."""

    reasoning_tokens: int = Field(description="0 if no attempt knows.")


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


class LineErrorObject(Described):
    """What is wrong with a line of a batch's input file. Lines are counted from 1."""

    code: str
    line: int | None
    message: str
    param: str | None


class BatchErrors(Described):
    """Why a batch was refused: the first hundred errors of its file."""

    object: Literal["list"]
    data: list[LineErrorObject]


class Warned(Described):
    """What was read otherwise than it was written, or left out."""

    code: str
    line: int | None = Field(description="The first line, or item of `requests`, of which it is true.")
    message: str
    count: int = Field(description="Of how many it is true.")


class OutputExpiresAfter(Described):
    """How long the output files are kept."""

    anchor: Literal["created_at"]
    seconds: int


class BatchObject(CostFields):
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
    max_concurrency: int | None = Field(description="So many of its jobs run at once; null: any number.")
    output_expires_after: OutputExpiresAfter | None = Field(description="As it was submitted; null: nothing was said.")
    created_at: int
    in_progress_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    expires_at: int | None
    expires_after: ExpiresAfter | None = Field(description="Null: as its project says.")
    delete_at: int | None = Field(description="When it is deleted with its jobs; null: not known yet, or never.")
    metadata: dict[str, str]
    request_counts: Counts
    usage: BatchUsageObject | None = Field(description="What it has cost so far; null while nothing is known of it.")
    webhook: WebhookWithSecret | None = Field(
        default=None, description="Only in the answer that accepts the batch: whom to tell of its end."
    )
    hold: HoldDetail | None = Field(
        default=None, description="What keeps all its jobs from starting; not there when nothing does."
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
    mistakes: list[LineErrorObject] = Field(description="What is wrong with the others: the first hundred.")
    mistake_count: int
    warnings: list[Warned]


class RetriedBatch(BatchObject):
    """A batch that runs again."""

    retried: int = Field(description="How many of its jobs were queued again.")


class BatchList(Page):
    """A page of batches. Go on with `after=<last_id>` while `has_more`."""

    data: list[BatchObject]
