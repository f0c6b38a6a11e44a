"""Each pair of a job's metadata as a separate row, so that lists by metadata can be read in order.

An index over the metadata themselves would be written again with each change of a job's status (PostgreSQL), or is not
possible (SQLite). These rows are written with the job and never change. A pair is stored as a number that two pairs may
share, so a query that finds a job by it checks the job's own metadata too.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, insert, select

from jobs.tables import jobs, metadata_pairs

# For a list of pairs SQLite reads the whole table, and nobody else can write meanwhile: with 400,000 rows, 1 s.
_BY_KEY = and_(
    metadata_pairs.c.project == bindparam("of"),
    metadata_pairs.c.pair == bindparam("number"),
    metadata_pairs.c.job_id == bindparam("job"),
)


def pair_number(key: str, value: str) -> int:
    """The number of a pair, in 64 bits."""
    # A lone surrogate cannot be encoded, but may come in a query.
    encoded = f"{len(key)}:{key}{value}".encode(errors="surrogatepass")
    return int.from_bytes(blake2b(encoded, digest_size=8).digest(), "big", signed=True)


def add_pairs(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add the pairs of new jobs, in the transaction that inserts the jobs."""
    pairs = [
        {"project": row["project"], "pair": pair_number(key, value), "job_id": row["id"]}
        for row in rows
        for key, value in row["metadata"].items()
    ]
    if pairs:
        connection.execute(insert(metadata_pairs), pairs)


def remove_pairs(connection: Connection, job_ids: Sequence[str]) -> None:
    """Remove the pairs of jobs that are about to be deleted."""
    wanted = select(jobs.c.project, jobs.c.id, jobs.c.metadata).where(jobs.c.id.in_(job_ids))
    gone = [
        {"of": row.project, "number": pair_number(key, value), "job": row.id}
        for row in connection.execute(wanted)
        for key, value in row.metadata.items()
    ]
    if gone:
        connection.execute(delete(metadata_pairs).where(_BY_KEY), gone)
