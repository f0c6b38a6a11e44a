"""The habits of upstreams and models, shared by all workers.

Each lesson may have cost a call, so a new process must not learn it again; and whether an answer without a
finish_reason is whole depends on what any of them has seen.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, tuple_

from jobs.store.database import Database, insert_into
from jobs.tables import upstream_habits

_OVERLAP = timedelta(seconds=60)
"""What was noted so long before the last look is read again: its transaction may have taken so long to commit."""

MOST_HABITS = 10_000
"""At most so many are read at once, and kept: a name in a request is the user's own, and may be another one each
time.
"""

_ROWS_PER_DELETE = 1000


@dataclass(frozen=True, slots=True)
class ShownHabit:
    """One habit of an upstream and model; what the words mean is for the worker (`worker/upstream/habits.py`)."""

    upstream: str
    model: str
    habit: str
    value: str | None = None
    noted_at: datetime | None = None
    """When it was noted; None: now."""


def store_habits(database: Database, shown: Sequence[ShownHabit]) -> None:
    """Store habits. One that is noted again is as new."""
    with database.write() as connection:
        now = database.now()
        rows = [{**asdict(habit), "noted_at": now} for habit in shown]
        new = insert_into(connection, upstream_habits)
        again = {"value": new.excluded.value, "noted_at": now}
        connection.execute(new.on_conflict_do_update(index_elements=["upstream", "model", "habit"], set_=again), rows)


def read_habits(database: Database, since: datetime | None) -> tuple[list[ShownHabit], datetime]:
    """What was noted since a time (None: ever), and the time to pass with the next call."""
    now = database.now()
    found = select(upstream_habits).order_by(upstream_habits.c.noted_at.desc()).limit(MOST_HABITS)
    if since is not None:
        found = found.where(upstream_habits.c.noted_at >= since - _OVERLAP)
    with database.read() as connection:
        rows = connection.execute(found).all()
    return [ShownHabit(row.upstream, row.model, row.habit, row.value, row.noted_at) for row in rows], now


def forget_habits(database: Database) -> int:
    """Forget some of what was noted before the `MOST_HABITS` that are read. Returns how many; call it again for the
    rest.
    """
    noted_at = upstream_habits.c.noted_at
    key = (upstream_habits.c.upstream, upstream_habits.c.model, upstream_habits.c.habit)
    oldest_read = select(noted_at).order_by(noted_at.desc()).offset(MOST_HABITS - 1).limit(1).scalar_subquery()
    older = select(*key).where(noted_at < oldest_read).order_by(noted_at).limit(_ROWS_PER_DELETE)
    with database.read() as connection:  # nearly always there is none, and no write lock is taken
        if connection.execute(older.limit(1)).first() is None:
            return 0
    with database.write() as connection:
        some = older.with_for_update(skip_locked=True)
        return connection.execute(delete(upstream_habits).where(tuple_(*key).in_(some))).rowcount
