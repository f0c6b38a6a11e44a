"""The rows behind the pace: one for each lane, which is an upstream and a model, and one for each hold."""

from sqlalchemy import Boolean, Column, Float, Integer, Table, Text, false

from jobs.tables.column_types import UtcDateTime
from jobs.tables.schema import metadata

# A lane's row is locked for one short transaction by each process that reserves jobs in it. No claim touches it.
lanes = Table(
    "lanes",
    metadata,
    Column("upstream", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    # JSON: the controller's state (`jobs/pace/lane.py`), and whose turn it is: among the projects of the
    # upstream in the row without a model (`jobs/dispatch/upstream_turns.py`). Null: nothing is known.
    Column("pace", Text),
    Column("turns", Text),
    Column("updated_at", UtcDateTime, nullable=False),
    # When the latest request was sent that wrote a text, and what went wrong last.
    Column("accepted_at", UtcDateTime),
    Column("error_at", UtcDateTime),
    Column("error_code", Text),
    Column("error_message", Text),
    # The job that was charged for it last, and when: if the upstream turns out to be away, it is forgiven.
    Column("error_job", Text),
    Column("suspect_at", UtcDateTime),
    # The job that was refused last, and since when and until when every request is, as far as is known.
    Column("refused_job", Text),
    Column("refused_since", UtcDateTime),
    Column("refused_until", UtcDateTime),
    # Set when the upstream is held: afterwards the window starts small again.
    Column("restart", Boolean, nullable=False, server_default=false()),
    # A moving average of the seconds from a request to its first delta.
    Column("first_delta_seconds", Float),
)

# What must not start now. A person holds and lifts; what the system holds it also probes and lifts.
holds = Table(
    "holds",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("since", UtcDateTime, nullable=False),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("held_by", Text, nullable=False),
    # When one job may be sent to see whether the upstream is well again; null: never, a person lifts it.
    Column("probe_at", UtcDateTime),
    Column("probe_seconds", Float),
    Column("probes", Integer, nullable=False, server_default="0"),
    # The job that was reserved as the probe: the only one that a claim takes to this upstream.
    Column("probe_job", Text),
    # The last probe that failed, or the job that began it: another job goes next, if there is one. Behind it, the
    # projects that were told so, with a space before each.
    Column("last_probe", Text),
    # Streams that were cut began it, the longest after so many bytes: the first text of a probe proves nothing then.
    Column("cut_bytes", Integer),
)
