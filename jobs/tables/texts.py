"""The texts of jobs: the stored one, the longest of earlier attempts, those to repair, and those of lost attempts."""

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, false, text

from jobs.tables.schema import metadata

UNENDED = text("NOT ended")

# A job's text is stored apart from its row: it is written again at each checkpoint, and a status change must not
# rewrite 100 kB. While the job runs this is the checkpoint; at the end it is the stored text.
texts = Table(
    "texts",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("text", Text, nullable=False),
    # The reasoning before and between the text, kept apart so that no article, export or search holds it.
    Column("reasoning", Text, nullable=False, server_default=""),
    # The number of deltas that it came in: all that is known of an attempt whose worker died.
    Column("deltas", Integer),
    # Whether the job has ended with this text; then the index of texts (`jobs/store/text_index.py`) holds it.
    Column("ended", Boolean, nullable=False, server_default=false()),
    Index("texts_unended", "job_id", sqlite_where=UNENDED, postgresql_where=UNENDED),
)

# The longest text that earlier attempts of an unfinished job have left. It is copied here before a later attempt writes
# over it. If the job ends without completing and no text of it is longer, this one is stored again. A completed job
# has no row here. What each text cost is in `attempts`.
longest_texts = Table(
    "longest_texts",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("reasoning", Text, nullable=False, server_default=""),
    Column("deltas", Integer),
)

# The text that a job's next attempts are to repair, from its rejection until the job ends. It is kept apart from
# `texts`, which the repair's own checkpoints overwrite: a crash in a repair loses nothing that is needed to ask again.
rejected_texts = Table(
    "rejected_texts",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("text", Text, nullable=False),
)

# What lost attempts had written by their last checkpoint, from the rescue until the tokens have been counted. Nearly
# always empty.
lost_texts = Table(
    "lost_texts",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("text", Text, nullable=False),
    Column("reasoning", Text, nullable=False, server_default=""),
    Column("deltas", Integer),
)
