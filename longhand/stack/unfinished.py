"""Counts what the workers of this stack write at this moment, to say at its end what will be written and paid again."""

import socket
import threading
from collections.abc import Iterable, Sequence

from sqlalchemy import func, select

from jobs.model.ids import worker_name
from jobs.model.status import JobStatus
from jobs.store.database import DATABASE_ERRORS, open_database
from jobs.tables import jobs

_SECONDS = 1.0
"""Nobody who has pressed Ctrl-C waits longer for a number."""


def count_unfinished(database_url: str, workers: Iterable[tuple[int, str]]) -> int | None:
    """How many jobs run in the workers with these pids and marks; None where the database does not say so at once."""
    host = socket.gethostname()
    names = [worker_name(host, pid, mark) for pid, mark in workers]
    found: list[int] = []
    counting = threading.Thread(target=_count, args=(database_url, names, found), name="count unfinished", daemon=True)
    counting.start()
    counting.join(_SECONDS)
    return found[0] if found else None


def _count(database_url: str, workers: Sequence[str], found: list[int]) -> None:
    database = open_database(database_url, connections=1)
    try:
        running = (jobs.c.status == JobStatus.IN_PROGRESS, jobs.c.worker.in_(workers))
        with database.read() as connection:
            found.append(connection.execute(select(func.count()).select_from(jobs).where(*running)).scalar_one())
    except DATABASE_ERRORS:
        return
    finally:
        database.close()
