"""A database with many jobs, of which the second half waits: put into the tables directly."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from benchmarks.postgres import new_database
from jobs.store.database import Database, open_database
from migrations import migrate

_PER_BATCH = 100

_NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)",
    "postgresql": "WITH n AS (SELECT generate_series(0, CAST(:count AS integer) - 1) AS i)",
}
_NOW = {"sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-1 hour')", "postgresql": "now() - interval '1 hour'"}
_PAD = {"sqlite": "substr('0000000' || {0}, -7)", "postgresql": "lpad(CAST({0} AS text), 7, '0')"}
_METADATA = {"sqlite": "'{}'", "postgresql": "CAST('{}' AS jsonb)"}


@contextmanager
def filled(kind: str, count: int) -> Iterator[str]:
    """The URL of a new database with so many jobs; it is deleted afterwards."""
    with new_database(kind) as url:
        fill(url, count)
        yield url


def fill(url: str, count: int) -> None:
    """Make the tables and insert so many jobs, in batches of a hundred, of three projects with three models each."""
    migrate(url)
    database = open_database(url, connections=1)
    began = time.monotonic()
    _insert(database, count)
    database.close()
    print(f"filled in {time.monotonic() - began:.0f} s", flush=True)


def _insert(database: Database, count: int) -> None:
    kind = "sqlite" if database.is_sqlite else "postgresql"
    now, empty = _NOW[kind], _METADATA[kind]
    batch_of = "'batch_' || " + _PAD[kind].format(f"(i / {_PER_BATCH})")
    insert_jobs = f"""
        INSERT INTO jobs (id, project, batch_id, model, status, priority, max_attempts, on_interrupt, attempt, due_at,
            failures, crashes, rate_limits, drains, created_at, metadata, request)
        {_NUMBERS[kind]}
        SELECT 'job_' || {_PAD[kind].format("i")}, 'p' || (i / {_PER_BATCH} % 3), {batch_of},
            'm' || (i / {_PER_BATCH} / 3 % 3), CASE WHEN i < :half THEN 'completed' ELSE 'queued' END, 0, 3, 'restart',
            CASE WHEN i < :half THEN 1 ELSE 0 END, {now}, 0, 0, 0, 0, {now}, {empty}, :request
        FROM n
    """  # noqa: S608 - made of this file's own words
    insert_batches = f"""
        INSERT INTO batches (id, project, model, status, endpoint, metadata, created_at, in_progress_at, dispatched_at,
            total)
        {_NUMBERS[kind]}
        SELECT 'batch_' || {_PAD[kind].format("i")}, 'p' || (i % 3), 'm' || (i / 3 % 3),
            CASE WHEN i < :half THEN 'completed' ELSE 'in_progress' END, '/v1/chat/completions', {empty}, {now}, {now},
            {now}, {_PER_BATCH}
        FROM n
    """  # noqa: S608 - made of this file's own words
    request = '{"model": "m", "messages": [{"role": "user", "content": "' + "Write. " * 40 + '"}]}'
    with database.write() as connection:
        if kind == "sqlite":  # it takes only one WITH, before the INSERT
            insert_jobs, insert_batches = _with_first(insert_jobs), _with_first(insert_batches)
        else:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text(insert_jobs), {"count": count, "half": count // 2, "request": request})
        connection.execute(text(insert_batches), {"count": count // _PER_BATCH, "half": count // _PER_BATCH // 2})
    if kind == "postgresql":
        with database.write() as connection:
            connection.execute(text("ANALYZE"))


def _with_first(statement: str) -> str:
    head, _, rest = statement.partition("WITH RECURSIVE")
    numbers, _, select_part = rest.partition(":count)")
    return f"WITH RECURSIVE{numbers}:count) {head}{select_part}"
