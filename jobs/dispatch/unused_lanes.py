"""Lanes that nothing has used of late are forgotten: clients may name any number of models, and each has a row.

To begin a hold, all rows of an upstream are locked and written. With 50,000 of them that took 1.5 s of PostgreSQL, with
300,000 it took 6.6 s, in which no job of that upstream started. What is forgotten is a pace: it is learned again.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select

from jobs.dispatch.upstream_total import ALL_MODELS
from jobs.store.database import Database
from jobs.tables import lanes

MOST_KEPT = 1000
"""So many lanes of an upstream are kept however long they rest: those that were used last."""

UNUSED_SECONDS = 120.0
"""A lane stays for this long in any case: longer than a failure in it may still be forgiven."""

_ROWS_PER_DELETE = 1000


def forget_lanes(database: Database) -> int:
    """Forget some of what no upstream needs any more. Returns how many; call it again for the rest."""
    of_models = lanes.c.model != ALL_MODELS
    crowded = select(lanes.c.upstream).where(of_models).group_by(lanes.c.upstream).having(func.count() > MOST_KEPT)
    before = database.now() - timedelta(seconds=UNUSED_SECONDS)
    with database.read() as connection:  # nearly always there is none, and no write lock is taken
        unused = {upstream: _unused(connection, upstream, before) for upstream in connection.scalars(crowded).all()}
    return sum(_forget(database, upstream, models, before) for upstream, models in unused.items() if models)


def _unused(connection: Connection, upstream: str, before: datetime) -> list[str]:
    """Models beyond those that are kept, the one that rests longest first."""
    of_it = and_(lanes.c.upstream == upstream, lanes.c.model != ALL_MODELS)
    oldest_kept = select(lanes.c.updated_at).where(of_it).order_by(lanes.c.updated_at.desc()).offset(MOST_KEPT - 1)
    beyond = lanes.c.updated_at < oldest_kept.limit(1).scalar_subquery()
    oldest = select(lanes.c.model).where(of_it, beyond, _rests(before)).order_by(lanes.c.updated_at)
    return list(connection.scalars(oldest.limit(_ROWS_PER_DELETE)))


def _forget(database: Database, upstream: str, models: list[str], before: datetime) -> int:
    # In the order in which a hold locks them; a lane that somebody has locked is in use.
    some = select(lanes.c.model).where(lanes.c.upstream == upstream, lanes.c.model.in_(models), _rests(before))
    some = some.order_by(lanes.c.model).with_for_update(skip_locked=True)
    with database.write() as connection:
        return connection.execute(delete(lanes).where(lanes.c.upstream == upstream, lanes.c.model.in_(some))).rowcount


def _rests(before: datetime) -> ColumnElement[bool]:
    """Nothing was sent or has failed since."""
    return and_(lanes.c.updated_at < before, or_(lanes.c.error_at.is_(None), lanes.c.error_at < before))
