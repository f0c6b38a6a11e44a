"""What is known about upstreams."""

from sqlalchemy import Column, Table, Text

from jobs.tables.column_types import UtcDateTime
from jobs.tables.schema import metadata

# Unused since there are lanes and holds: neither read nor written.
pauses = Table(
    "pauses",
    metadata,
    Column("model", Text, primary_key=True),
    Column("until_at", UtcDateTime, nullable=False),
)

# What an upstream and a model have shown, and later requests and answers are held to: `gives_finish_reason`,
# `refuses_parameter:stream_options`, ...
upstream_habits = Table(
    "upstream_habits",
    metadata,
    Column("upstream", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("habit", Text, primary_key=True),
    Column("value", Text),
    Column("noted_at", UtcDateTime, nullable=False),
)
