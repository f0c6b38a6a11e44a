"""The end of a batch: once its last job has ended, its status is set, and its counts and usage are frozen."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, literal, select, update

from jobs.dispatch.holds import forget_hold
from jobs.model.status import BatchStatus, JobStatus
from jobs.store.batch_counts import batch_sums, count_failed, count_incomplete, count_jobs
from jobs.store.database import Database
from jobs.store.files import add_outputs, name_outputs
from jobs.tables import batches, jobs
from jobs.webhooks.events import add_batch_event

_OF_ENDED = (
    batches.c.id, batches.c.project, batches.c.total,
    batches.c.output_file_id, batches.c.error_file_id, batches.c.output_seconds,
)  # fmt: skip


def close_batch(database: Database, batch_id: str) -> bool:
    """End a batch when every job of it has ended, and freeze its counts. True when this call ended it.

    Called after each job's end, in a separate transaction: if the last two jobs ended at the same time and each did
    this in its own transaction, each would still see the other running, and the batch would never end.
    """
    return bool(_close(database, batches.c.id == batch_id))


def close_batches(database: Database) -> list[str]:
    """`close_batch` for every batch: a worker may have died before it could. Returns the ids of those it ended."""
    return _close(database, literal(value=True))


def _close(database: Database, which: ColumnElement[bool]) -> list[str]:
    unfinished = exists().where(
        jobs.c.batch_id == batches.c.id, jobs.c.status.in_([JobStatus.QUEUED, JobStatus.IN_PROGRESS])
    )
    running = batches.c.status.in_([BatchStatus.IN_PROGRESS, BatchStatus.CANCELLING])
    with database.read() as connection:  # nearly always there is nothing to close, and no write lock is taken
        found = select(batches.c.id, batches.c.status, batches.c.in_progress_at).where(which, running, ~unfinished)
        ready = connection.execute(found).all()
    closed = []
    for batch_id, status, in_progress_at in ready:
        with database.write() as connection:
            # Locked before its usage is added up, so that a count by `jobs/lifecycle/lost.py` comes either before the
            # sum and is in it, or after the batch has ended, and then corrects it.
            locked = select(*_OF_ENDED).where(batches.c.id == batch_id).with_for_update()
            batch = connection.execute(locked).mappings().one_or_none()
            if batch is None:  # deleted since it was found
                continue
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
                forget_hold(connection, batch_id)
                counts = {"total": batch["total"], "completed": final["completed"], "failed": final["failed"]}
                add_batch_event(connection, ended_at, batch_id, batch["project"], f"batch.{final['status']}", counts)
                closed.append(batch_id)
    return closed


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
        **batch_sums(connection, batch_id),
    }
