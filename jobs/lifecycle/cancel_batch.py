"""Cancel a batch, in rounds between which others write.

The first round says that the batch is `cancelling`. From then on nobody reserves a job of it and nobody claims one, so
the others may take their time to end what is queued. If the process that began stops in between, the dispatch loop of
any worker goes on.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, exists, or_, select, update

from jobs.dispatch.due import BY_ID, QUEUED, using
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.rescue import MOST_ENDED, ask_to_end, end_unstarted
from jobs.live.status_changes import StatusChange
from jobs.model.endings import CANCELLED
from jobs.model.status import BatchStatus, JobStatus
from jobs.store.database import Database
from jobs.store.text_bytes import first_with_bytes
from jobs.tables import batches, jobs
from jobs.webhooks.events import first_with_deliveries


def cancel_batch(database: Database, batch_id: str) -> list[StatusChange]:
    """Cancel every job of a batch that has not ended. The batch is `cancelling` until the last of them has."""
    running = (jobs.c.batch_id == batch_id) & (jobs.c.status == JobStatus.IN_PROGRESS)
    with database.write() as connection:
        # The batch is locked before its jobs, as a retry locks them, and before it is looked at: on PostgreSQL, the
        # UPDATE would not wait for a retry that is about to commit.
        connection.execute(select(batches.c.id).where(batches.c.id == batch_id).with_for_update())
        connection.execute(
            update(batches)
            .where(batches.c.id == batch_id, batches.c.status == BatchStatus.IN_PROGRESS)
            .values(status=BatchStatus.CANCELLING, cancelling_at=database.now())
        )
        # What runs costs money, and is no more than there are streams.
        changes = ask_to_end(connection, database, running)
    while some := _cancel_some(database, batches.c.id == batch_id):
        changes += some
    close_batch(database, batch_id)
    return changes


def go_on_cancelling(database: Database) -> list[StatusChange]:
    """One round for a batch that is being cancelled, and of which somebody has not asked all jobs yet: the process that
    began has ended, or is at it now. Empty: there is none, or others have them.
    """
    of_batch = jobs.c.batch_id == batches.c.id
    # Apart, because an OR of the two would read every job of the batch.
    is_left = or_(exists().where(of_batch, jobs.c.status == JobStatus.QUEUED), exists().where(of_batch, _unasked()))
    with database.read() as connection:  # nearly always there is none, and no write lock is taken
        left = select(batches.c.id).where(batches.c.status == BatchStatus.CANCELLING, is_left).limit(1)
        if connection.scalar(left) is None:
            return []
    return _cancel_some(database, is_left, skip_locked=True)


def _cancel_some(database: Database, which: ColumnElement[bool], *, skip_locked: bool = False) -> list[StatusChange]:
    """One round for the first of these batches that is being cancelled. Empty: everything of it was asked."""
    with database.write() as connection:
        # Locked and looked at in each round: since the last one it may have ended, and somebody may have retried it.
        cancelling = select(batches.c.id, batches.c.cancelling_at).where(
            which, batches.c.status == BatchStatus.CANCELLING
        )
        first = cancelling.order_by(batches.c.id).limit(1).with_for_update(skip_locked=skip_locked)
        batch = connection.execute(first).one_or_none()
        if batch is None:
            return []
        if queued := _lock_some_queued(connection, batch.id):
            of_round = jobs.c.id.in_(queued)
            return end_unstarted(connection, database, of_round, JobStatus.CANCELLED, CANCELLED, batch.cancelling_at)
        # On PostgreSQL, a claim that began before the batch was `cancelling` may have been committed after it.
        started = connection.scalars(select(jobs.c.id).where(jobs.c.batch_id == batch.id, _unasked())).all()
        return ask_to_end(connection, database, jobs.c.id.in_(started)) if started else []


def _lock_some_queued(connection: Connection, batch_id: str) -> Sequence[str]:
    # In the order of the index: to find the first by id, each round would read and sort all that are left.
    order = (jobs.c.model, jobs.c.priority.desc(), jobs.c.id)
    some = select(jobs.c.id).where(jobs.c.batch_id == batch_id, QUEUED).order_by(*order).limit(MOST_ENDED)
    found = connection.scalars(some.with_hint(jobs, **using("jobs_by_batch"))).all()
    # Locked by id, as everybody does who takes many rows.
    locked = select(jobs.c.id, jobs.c.attempt).where(jobs.c.id.in_(found), QUEUED).with_hint(jobs, **BY_ID)
    rows = connection.execute(locked.order_by(jobs.c.id).with_for_update()).all() if found else []
    return first_with_deliveries(connection, first_with_bytes(connection, rows))


def _unasked() -> ColumnElement[bool]:
    return (jobs.c.status == JobStatus.IN_PROGRESS) & jobs.c.cancel_requested_at.is_(None)
