"""The statements of a claim. They are built once: to build them takes longer than SQLite takes to run them."""

from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Insert, Select, bindparam, insert, not_, select, update

from jobs.dispatch.due import is_being_cancelled, is_due, moment
from jobs.dispatch.holds import is_held
from jobs.model.status import JobStatus
from jobs.store.job_requests import columns_in_row
from jobs.tables import attempts, jobs


def claim_values(now: datetime, worker: str, lease_seconds: float) -> dict[str, Any]:
    return {"now": now, "of_worker": worker, "until": now + timedelta(seconds=lease_seconds)}


@cache
def take_one() -> Any:
    """Take the job `of_job`, if it has no more than `most_crashes`."""
    return _take().where(jobs.c.id == bindparam("of_job"), jobs.c.crashes <= bindparam("most_crashes"))


@cache
def take_many() -> Any:
    """Take those of the jobs `ids` that may be taken."""
    return _take().where(jobs.c.id.in_(bindparam("ids", expanding=True)))


@cache
def lock_fresh() -> Select[Any]:
    """Lock those of the jobs `ids` that had no attempt yet and nobody else has; by id, as everybody does."""
    fresh = select(jobs.c.id).where(jobs.c.id.in_(bindparam("ids", expanding=True)), jobs.c.attempt == 0)
    return fresh.order_by(jobs.c.id).with_for_update(skip_locked=True)


@cache
def insert_attempts() -> Insert:
    return insert(attempts)


def _take() -> Any:
    """The one conditional UPDATE that takes jobs; which, and of how many crashes, is for the caller to add.

    It takes only what is reserved and due. It asks for no time of the reservation: dispatch takes back the old ones
    before it counts, so a job that still is reserved here is counted in its lane.
    """
    now = moment("now")
    return (
        update(jobs)
        .where(is_due(now), jobs.c.upstream.is_not(None), jobs.c.hinted_at.is_not(None))
        .where(not_(is_held()), not_(is_being_cancelled()))
        .values(
            status=JobStatus.IN_PROGRESS,
            attempt=jobs.c.attempt + 1,
            worker=bindparam("of_worker"),
            lease_until=moment("until"),
            started_at=now,
            first_delta_at=None,
        )
        .returning(*columns_in_row("cells"))  # no worker needs them
    )
