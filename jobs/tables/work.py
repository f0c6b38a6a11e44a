"""Batches, jobs and attempts."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, text

from jobs.tables.column_types import Json, UtcDateTime
from jobs.tables.schema import DEFAULT_PROJECT, metadata

RUNNING = text("status = 'in_progress'")
CAPPED = text("status = 'in_progress' AND max_concurrency IS NOT NULL")
ERASED = text("erase_at IS NOT NULL")

batches = Table(
    "batches",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project", Text, nullable=False, server_default=DEFAULT_PROJECT),
    Column("status", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    # For a batch from a file: the file, what was wrong with it, and how long its outputs are kept.
    Column("input_file_id", Text),
    Column("errors", Json),
    # What of its requests was read otherwise than it was written; null when nothing was.
    Column("warnings", Json),
    Column("output_seconds", Integer),
    # Set when the batch ends: one file for the jobs that completed, one for those that did not; null without such jobs.
    Column("output_file_id", Text),
    Column("error_file_id", Text),
    # The one model of all its jobs; null when they have several.
    Column("model", Text),
    Column("metadata", Json, nullable=False),
    Column("completion_window", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("in_progress_at", UtcDateTime),
    Column("finalizing_at", UtcDateTime),
    Column("completed_at", UtcDateTime),
    Column("failed_at", UtcDateTime),
    Column("expired_at", UtcDateTime),
    Column("cancelling_at", UtcDateTime),
    Column("cancelled_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    # When dispatch last hinted one of its jobs: the round robin over batches goes by this time.
    Column("dispatched_at", UtcDateTime, nullable=False),
    Column("total", Integer, nullable=False),
    # Frozen when the batch ends; counted from its jobs until then.
    Column("completed", Integer),
    Column("failed", Integer),
    # Of the completed ones, those whose text was cut short.
    Column("incomplete", Integer),
    Column("usage", Json),
    # What its attempts cost (`jobs/model/cost.py`), as of its end; null: nothing is known.
    Column("cost", Json),
    # At most so many of its jobs run at once; null: no such limit.
    Column("max_concurrency", Integer),
    # Unused: which upstream may run a job is said by each job.
    Column("only_upstream", Text),
    # How long it is kept, and from when on (`jobs/model/retention.py`); null: as its project says. Nobody need look
    # before `erase_at` whether it is to be erased.
    Column("keep_seconds", Integer),
    Column("keep_from", Text),
    Column("erase_at", UtcDateTime),
    Index("batches_of_project", "project", "id"),
    Index("batches_by_status", "status", "dispatched_at"),
    Index("batches_in_turn", "project", "dispatched_at", sqlite_where=RUNNING, postgresql_where=RUNNING),
    Index("batches_capped", "max_concurrency", sqlite_where=CAPPED, postgresql_where=CAPPED),
    Index("batches_to_erase", "erase_at", sqlite_where=ERASED, postgresql_where=ERASED),
)

USAGE = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "total_tokens")


def _usage_columns() -> list[Column[int] | Column[str]]:
    return [*(Column(name, Integer) for name in USAGE), Column("usage_source", Text)]


QUEUED = text("status = 'queued'")
RESERVED = text("status = 'queued' AND upstream IS NOT NULL")
ALONE = text("status = 'queued' AND batch_id IS NULL")
ENDED_ALONE = text("batch_id IS NULL AND finished_at IS NOT NULL")
NAMED = text("custom_id IS NOT NULL")
EXPIRING = text("expires_at IS NOT NULL")
ASKED = text("cancel_requested_at IS NOT NULL")
CUT_SHORT = text("incomplete IS NOT NULL")

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project", Text, nullable=False, server_default=DEFAULT_PROJECT),
    Column("batch_id", Text),
    Column("custom_id", Text),
    Column("model", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("on_interrupt", Text, nullable=False),
    # The run: the attempt is the fence, the lease says until when it holds.
    Column("attempt", Integer, nullable=False),
    Column("worker", Text),
    Column("lease_until", UtcDateTime),
    Column("due_at", UtcDateTime, nullable=False),
    Column("hinted_at", UtcDateTime),
    Column("cancel_requested_at", UtcDateTime),
    # What went wrong, counted apart. Only failures are charged against max_attempts.
    Column("failures", Integer, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("rate_limits", Integer, nullable=False),
    Column("drains", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("first_delta_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    # The result, next to `texts`.
    Column("finish_reason", Text),
    # Why the text of a completed job was cut short; null for a whole one.
    Column("incomplete", Text),
    # The attempt whose text is stored, once the job has ended.
    Column("text_attempt", Integer),
    Column("bytes", Integer),
    Column("sha256", Text),
    *_usage_columns(),
    Column("text_tokens", Integer),
    Column("text_tokens_source", Text),
    # Of the stored reasoning; null without one.
    Column("reasoning_bytes", Integer),
    Column("reasoning_sha256", Text),
    Column("reasoning_text_tokens", Integer),
    Column("reasoning_text_tokens_source", Text),
    Column("upstream_id", Text),
    Column("upstream_model", Text),
    Column("error_code", Text),
    Column("error_message", Text),
    # The HTTP status with which the upstream refused it, when that is the reason.
    Column("error_status", Integer),
    # Which upstream has it: a queued job with an upstream is reserved, and `hinted_at` says since when. Null in a
    # queued job: nobody has reserved it; then `last_upstream` is where its last attempt was. Empty: its stream has
    # ended and it has left the lane of `last_upstream`, while its text waited for its check.
    Column("upstream", Text),
    Column("last_upstream", Text),
    Column("only_upstream", Text),
    # What its reservation took of the lane's token bucket, settled when the attempt ends.
    Column("reserved_tokens", Integer),
    # How often it alone was refused while others of its upstream were accepted, and when it was last sent back.
    Column("refusals", Integer, nullable=False, server_default="0"),
    Column("refused_at", UtcDateTime),
    # The W3C `traceparent` of the request that submitted it: its attempts and what goes upstream belong to that trace.
    Column("traceparent", Text),
    # Somebody paused it with `running: release`: its worker gives it back.
    Column("release_requested_at", UtcDateTime),
    # What becomes of a text that is not accepted. Null in jobs that a version before has stored: fail, and none so far.
    Column("on_reject", Text),
    Column("max_repairs", Integer),
    Column("repairs", Integer),
    # The attempt whose text the next one is to repair; it is in `rejected_texts`. Null: the next one writes anew.
    Column("rejected_attempt", Integer),
    # How often it may ask for the rest of a text that stopped at the token limit; null: not at all.
    Column("max_continuations", Integer),
    # As in `batches`; a job of a batch has none of its own.
    Column("keep_seconds", Integer),
    Column("keep_from", Text),
    Column("erase_at", UtcDateTime),
    Column("metadata", Json, nullable=False),
    # JSON as text: PostgreSQL's jsonb refuses the NUL that a prompt may hold, and sorts its keys. These are last,
    # because SQLite then reads a list of jobs without reading their prompts. An empty request is a long one, which
    # stands in `job_requests` with the rules and the cells: only `jobs/store/job_requests.py` reads these three.
    Column("request", Text, nullable=False),
    # The rest of the assistant's message (`jobs/model/message.py`). JSON as text too, for the same NUL.
    Column("message", Text),
    # The rules for a text (`jobs/acceptance/rules.py`): with a schema in them they may be long, too.
    Column("accept", Text),
    # The row of a table that it was made of, by column and in their order: JSON as text. Null: it was made of none.
    Column("cells", Text),
    # Measured with 1,000,000 jobs. The indexes begin with equalities on plain columns, because SQLite uses no partial
    # index for a status that is a parameter. None contains the lease, so PostgreSQL renews leases without touching one.
    # For lists, which are always of one project:
    Index("jobs_of_project", "project", "id"),
    Index("jobs_by_status", "project", "status", "id"),
    Index("jobs_by_model", "project", "model", "id"),
    Index("jobs_by_model_and_status", "project", "model", "status", "id"),
    # By bytes on PostgreSQL, so that it also finds names by their beginning: see `jobs/store/postgresql_name_index.py`.
    Index("jobs_by_custom_id", "project", "custom_id", "id", sqlite_where=NAMED, postgresql_where=NAMED,
          postgresql_ops={"custom_id": "text_pattern_ops"}),
    Index("jobs_in_batch", "batch_id", "id"),
    # For dispatch and rescue, which know no project:
    Index("jobs_by_batch", "batch_id", "status", "model", text("priority DESC"), "id"),
    # Which models and projects have jobs that wait, and at which priorities: read by jumps from each to the next.
    Index("jobs_waiting", "model", "project", text("priority DESC"), sqlite_where=QUEUED, postgresql_where=QUEUED),
    # What is in flight in a lane. Both hold few jobs.
    Index("jobs_reserved", "upstream", "model", sqlite_where=RESERVED, postgresql_where=RESERVED),
    Index("jobs_running", "upstream", "model", sqlite_where=RUNNING, postgresql_where=RUNNING),
    Index("jobs_hinted", "status", "hinted_at"),
    # Partial indexes that hold few jobs; both databases use them when the column is compared with a value.
    Index("jobs_expiring", "status", "expires_at", sqlite_where=EXPIRING, postgresql_where=EXPIRING),
    Index("jobs_cut_short", "batch_id", sqlite_where=CUT_SHORT, postgresql_where=CUT_SHORT),
    Index("jobs_asked", "status", "cancel_requested_at", sqlite_where=ASKED, postgresql_where=ASKED),
    # PostgreSQL cannot read jobs in order from `jobs_by_batch` where the batch is null.
    Index("jobs_alone", "model", "project", text("priority DESC"), "id", sqlite_where=ALONE, postgresql_where=ALONE),
    # For those that are kept no longer: by their own time, or by that of their project.
    Index("jobs_to_erase", "erase_at", sqlite_where=ERASED, postgresql_where=ERASED),
    Index("jobs_ended_alone", "project", "finished_at", sqlite_where=ENDED_ALONE, postgresql_where=ENDED_ALONE),
)  # fmt: skip

LIST_COLUMNS = [column for column in jobs.c if column.name not in ("request", "message", "accept", "cells")]
"""What lists read of a job: a prompt may be long, and few of them need it."""

RESULT_COLUMNS = [column for column in jobs.c if column.name not in ("request", "accept", "cells")]
"""What results read of a job: its answer, and not its prompt, unless that is asked for."""

attempts = Table(
    "attempts",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    # Here too, for the sum of what a batch has cost so far.
    Column("batch_id", Text),
    Column("worker", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("first_delta_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    # Null while it runs.
    Column("outcome", Text),
    Column("error_code", Text),
    Column("error_message", Text),
    # Why its text was not accepted: JSON, a list of `Rejection`.
    Column("rejections", Text),
    Column("deltas", Integer),
    Column("bytes", Integer),
    # How many bytes of the previous attempt's text this one continues from. 0: it begins again; null: not known yet.
    Column("continued_bytes", Integer),
    Column("upstream", Text),
    # What each request wrote of its text, as JSON (`jobs/model/segments.py`): written at the end of each, so that
    # another attempt knows them. Null for a text that one request wrote.
    Column("segments", Text),
    *_usage_columns(),
    # Of its text, for a job that ends with it later: cancelled or expired while it waited for its next attempt.
    Column("text_tokens", Integer),
    Column("text_tokens_source", Text),
    Column("reasoning_text_tokens", Integer),
    Column("reasoning_text_tokens_source", Text),
    # By the price when it ended, in billionths of the currency's unit; null: unknown.
    Column("cost_nanos", BigInteger),
    Column("cost_currency", Text),
    Index("attempts_by_batch", "batch_id"),
)

# The index for lists by metadata (`jobs/store/metadata_pairs.py`).
metadata_pairs = Table(
    "metadata_pairs",
    metadata,
    Column("project", Text, primary_key=True),
    Column("pair", BigInteger, primary_key=True, autoincrement=False),
    Column("job_id", Text, primary_key=True),
    sqlite_with_rowid=False,
)
