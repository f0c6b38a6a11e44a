"""Deliveries by their keys. For a list of pairs SQLite reads the whole table, or all that is due: with 200,000 rows
each renewal kept the turn to write for 0.2 s.
"""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, and_, bindparam, false, or_

from jobs.tables import webhook_deliveries as deliveries

Key = tuple[str, str]
"""The ids of a webhook and an event."""

BY_KEY = and_(deliveries.c.webhook_id == bindparam("of"), deliveries.c.event_id == bindparam("event"))
"""One: for a statement that is given `as_given`."""


def as_given(keys: Iterable[Key]) -> list[dict[str, str]]:
    return [{"of": webhook_id, "event": event_id} for webhook_id, event_id in keys]


def among(keys: Iterable[Key]) -> ColumnElement[bool]:
    """Some hundreds of them, each found by its key, if nothing more is asked of them: by `due_at` SQLite would read all
    that is due.
    """
    events: dict[str, list[str]] = {}
    for webhook_id, event_id in keys:
        events.setdefault(webhook_id, []).append(event_id)
    own = (and_(deliveries.c.webhook_id == name, deliveries.c.event_id.in_(some)) for name, some in events.items())
    return or_(false(), *own)
