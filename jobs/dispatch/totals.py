"""How many jobs wait, and how many holds there are."""

from sqlalchemy import func, select

from jobs.dispatch.due import QUEUED, using
from jobs.store.database import Database
from jobs.tables import holds, jobs


def count_waiting(database: Database) -> dict[str, int]:
    """The queued jobs of each model."""
    waiting = select(jobs.c.model, func.count()).where(QUEUED).group_by(jobs.c.model)
    waiting = waiting.with_hint(jobs, **using("jobs_waiting"))  # else SQLite sorts all jobs that wait
    with database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(waiting)}


def count_holds(database: Database) -> dict[tuple[str, str], int]:
    """The holds of each kind and reason."""
    of = select(holds.c.kind, holds.c.reason, func.count()).group_by(holds.c.kind, holds.c.reason)
    with database.read() as connection:
        return {(row[0], row[1]): row[2] for row in connection.execute(of)}
