"""Jobs and batches that are kept for a while after their end, and the sweep that then deletes them."""

from typing import Any

from sqlalchemy import select

from jobs.intake.submission import BatchOptions, submit_batch
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.retention import delete_some
from jobs.lifecycle.transitions import finish
from jobs.model.retention import Retention
from jobs.tables import batches, jobs
from tests.store.store_fixtures import Store, new_job, written

HOUR = 3600
DAY = 86400


def sweep(store: Store) -> None:
    """Until nothing is left to be deleted now."""
    for _ in range(200):
        if not delete_some(store.database):
            return
    raise AssertionError("the sweep has no end")


def ids(store: Store) -> set[str]:
    """The jobs and batches that are there."""
    with store.database.read() as connection:
        return {*connection.scalars(select(jobs.c.id)), *connection.scalars(select(batches.c.id))}


def end(store: Store, job_id: str) -> None:
    """Run a job to its end."""
    claimed = store.claim(job_id)
    assert finish(store.database, job_id, claimed.attempt, written("Rain."))


def submit_kept(store: Store, count: int, retention: Retention | None, **options: Any) -> tuple[str, list[str]]:
    """A batch that is kept for so long."""
    terms = BatchOptions(retention=retention, **options)
    batch_id = submit_batch(store.database, [new_job() for _ in range(count)], terms).id
    store.clock.advance(0.001)
    return batch_id, store.ids(batch_id)


def end_batch(store: Store, batch_id: str, job_ids: list[str]) -> None:
    for job_id in job_ids:
        end(store, job_id)
    assert close_batch(store.database, batch_id)
