"""The sources of work: files, the drafts of their batches, long requests, and those for Responses."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, text

from jobs.tables.column_types import UtcDateTime
from jobs.tables.schema import metadata

# The bytes of an uploaded file are on disk, under its id. The output of a batch is not: it is written from the rows
# each time somebody reads it.
files = Table(
    "files",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("filename", Text, nullable=False),
    # For an output: counted when somebody first asks, and null until then.
    Column("bytes", BigInteger),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    # For an output: its batch.
    Column("batch_id", Text),
    Index("files_by_project", "project", "id"),
    Index("files_expiring", "expires_at"),
)

# Batches that are being read from a file. Their jobs are stored piece by piece. One transaction at the end deletes the
# row here and inserts the row of the batch; until then nobody lists the jobs and nobody runs them.
drafts = Table(
    "drafts",
    metadata,
    Column("batch_id", Text, primary_key=True),
    # Updated with each piece, by the process that reads the file. A draft that is no longer touched is cleared away.
    Column("touched_at", UtcDateTime, nullable=False),
    # Since when it is being cleared away; nothing can be added to it from then on.
    Column("dropped_at", UtcDateTime),
)

# What was asked of a job, where that is long (`jobs/store/job_requests.py`): then the job's own row has none of it, and
# a change of its status writes only a short row. Never updated. The numbers come first, to be read without the rest.
job_requests = Table(
    "job_requests",
    metadata,
    Column("job_id", Text, primary_key=True),
    # Of all three texts together, and of the request alone.
    Column("bytes", Integer, nullable=False),
    Column("request_bytes", Integer, nullable=False),
    # How many tokens it asks for at most; null: it does not say.
    Column("most_output", Integer),
    # As in `jobs`.
    Column("request", Text, nullable=False),
    Column("accept", Text),
    Column("cells", Text),
)

DELETED = text("deleted_at IS NOT NULL")

# A job that was asked for as a Response: what the client sent, which the job's own request no longer shows.
responses = Table(
    "responses",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("project", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    # Set: it is to be erased. One that is not to be stored has this from the beginning, and its project until its end.
    Column("deleted_at", UtcDateTime),
    Index("responses_deleted", "deleted_at", sqlite_where=DELETED, postgresql_where=DELETED),
)
