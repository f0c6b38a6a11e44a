"""The end of a batch: once its last job has ended, its status is set, and its counts and usage are frozen."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, func, literal, select, update

from jobs.model.status import FINAL, BatchStatus, JobStatus
from jobs.store.database import Database
from jobs.store.files import add_outputs, name_outputs
from jobs.tables import USAGE, attempts, batches, jobs

_OF_OUTPUTS = (
    batches.c.id, batches.c.project, batches.c.output_file_id, batches.c.error_file_id, batches.c.output_seconds
)  # fmt: skip


def settle_batch(database: Database, batch_id: str) -> bool:
    """End a batch when every job of it has ended, and freeze its counts. True when this call ended it.

    Called after each job's end, in a transaction of its own: if the last two jobs ended at the same time and each did
    this in its own transaction, each would still see the other running, and the batch would never end.
    """
    return bool(_settle(database, batches.c.id == batch_id))


def settle_batches(database: Database) -> list[str]:
    """`settle_batch` for every batch: a worker may have died before it could. Returns the ids of those it ended."""
    return _settle(database, literal(value=True))


def _settle(database: Database, which: ColumnElement[bool]) -> list[str]:
    unfinished = exists().where(
        jobs.c.batch_id == batches.c.id, jobs.c.status.in_([JobStatus.QUEUED, JobStatus.IN_PROGRESS])
    )
    running = batches.c.status.in_([BatchStatus.IN_PROGRESS, BatchStatus.CANCELLING])
    with database.read() as connection:  # nearly always there is nothing to settle, and no write lock is taken
        found = select(batches.c.id, batches.c.status, batches.c.in_progress_at).where(which, running, ~unfinished)
        ready = connection.execute(found).all()
    settled = []
    for batch_id, status, in_progress_at in ready:
        with database.write() as connection:
            # Locked before its usage is added up, so that a count by `jobs/lifecycle/lost.py` comes either before the sum and is
            # in it, or after the batch has ended, and then corrects it.
            locked = select(*_OF_OUTPUTS).where(batches.c.id == batch_id).with_for_update()
            batch = connection.execute(locked).mappings().one()
            final = _final_values(connection, database, batch_id, BatchStatus(status))
            ended_at = final["finalizing_at"]
            outputs = name_outputs(batch, ended_at, completed=final["completed"], failed=final["failed"])
            unmoved = update(batches).where(
                batches.c.id == batch_id,
                batches.c.status == status,
                # A retry changes it. PostgreSQL waits for the retry to commit, but judges `unfinished` as before it.
                batches.c.in_progress_at == in_progress_at,
                ~unfinished,
            )
            if connection.execute(unmoved.values({**final, **outputs})).rowcount:
                add_outputs(connection, batch, outputs, ended_at)
                settled.append(batch_id)
    return settled


def _final_values(connection: Connection, database: Database, batch_id: str, status: BatchStatus) -> dict[str, Any]:
    now = database.now()
    counts = count_jobs(connection, [batch_id]).get(batch_id, {})
    if status is BatchStatus.CANCELLING:
        final = BatchStatus.CANCELLED
    elif counts.get(JobStatus.EXPIRED):
        final = BatchStatus.EXPIRED
    else:
        final = BatchStatus.COMPLETED
    return {
        "status": final,
        "finalizing_at": now,
        f"{final}_at": now,
        "completed": counts.get(JobStatus.COMPLETED, 0),
        "failed": count_failed(counts),
        "incomplete": count_incomplete(connection, [batch_id]).get(batch_id, 0),
        "usage": sum_usage(connection, batch_id),
    }


def count_failed(counts: Mapping[str, int]) -> int:
    """How many of the jobs counted by `count_jobs` ended without a completed text."""
    return sum(counts.get(status, 0) for status in FINAL - {JobStatus.COMPLETED})


def count_jobs(connection: Connection, batch_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """How many jobs of each batch are in each status."""
    counts: dict[str, dict[str, int]] = {}
    rows = connection.execute(
        select(jobs.c.batch_id, jobs.c.status, func.count())
        .where(jobs.c.batch_id.in_(batch_ids))
        .group_by(jobs.c.batch_id, jobs.c.status)
    )
    for batch_id, status, count in rows:
        counts.setdefault(batch_id, {})[status] = count
    return counts


def count_incomplete(connection: Connection, batch_ids: Sequence[str]) -> dict[str, int]:
    """How many completed jobs of each batch were cut short; a batch without any is left out."""
    cut_short = select(jobs.c.batch_id, func.count()).where(
        jobs.c.batch_id.in_(batch_ids), jobs.c.incomplete.is_not(None)
    )
    return {row.batch_id: row[1] for row in connection.execute(cut_short.group_by(jobs.c.batch_id))}


def sum_usage(connection: Connection, batch_id: str) -> dict[str, Any] | None:
    """What a batch has cost: the usage of every attempt of its jobs, added up as OpenAI's Batch object has it.

    A count that no attempt knows is None, never 0, and the whole is None when nothing is known.
    """
    sums = [func.sum(attempts.c[name]) for name in USAGE]
    row = connection.execute(select(*sums).where(attempts.c.batch_id == batch_id)).one()
    known = [None if value is None else int(value) for value in row]
    if known == [None] * len(USAGE):
        return None
    input_tokens, cached_tokens, output_tokens, reasoning_tokens, total_tokens = known
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cached_tokens": cached_tokens},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": reasoning_tokens},
        "total_tokens": total_tokens,
    }
