"""`python -m benchmarks.dispatch`: rounds of dispatch and claims over 1,000,000 jobs, SQLite and PostgreSQL.

Half of the jobs wait, in batches of a hundred of three projects and three models; the others have ended. They are put
into the tables directly. Eight worker processes then dispatch and claim at the same time, and finish what they got.
Shown are the times of the claims and rounds, and on PostgreSQL how often a claim was seen to wait for a lock.
"""

import argparse
import itertools
import multiprocessing
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import text

from benchmarks.machine import load_now, quantile
from benchmarks.postgres import open_postgres
from benchmarks.results import keep, show
from jobs.dispatch.lanes import Lanes
from jobs.dispatch.routes import Route
from jobs.lifecycle.lease import claim
from jobs.lifecycle.transitions import finish
from jobs.model.endings import MAX_CRASHES, AttemptResult
from jobs.model.records import Usage
from jobs.pace.reports import LaneLimits
from jobs.store.database import Database, open_database
from migrations import migrate

T = TypeVar("T")

WORKERS = 8
_PER_BATCH = 100

_NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)",
    "postgresql": "WITH n AS (SELECT generate_series(0, CAST(:count AS integer) - 1) AS i)",
}
_NOW = {"sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-1 hour')", "postgresql": "now() - interval '1 hour'"}
_PAD = {"sqlite": "substr('0000000' || {0}, -7)", "postgresql": "lpad(CAST({0} AS text), 7, '0')"}
_METADATA = {"sqlite": "'{}'", "postgresql": "CAST('{}' AS jsonb)"}


def fill(database: Database, count: int) -> None:
    """Insert so many jobs, of which the second half waits."""
    kind = "sqlite" if database.is_sqlite else "postgresql"
    now, empty = _NOW[kind], _METADATA[kind]
    batch_of = "'batch_' || " + _PAD[kind].format(f"(i / {_PER_BATCH})")
    insert_jobs = f"""
        INSERT INTO jobs (id, project, batch_id, model, status, priority, max_attempts, on_interrupt, attempt, due_at,
            failures, crashes, rate_limits, drains, created_at, metadata, request)
        {_NUMBERS[kind]}
        SELECT 'job_' || {_PAD[kind].format("i")}, 'p' || (i / {_PER_BATCH} % 3), {batch_of},
            'm' || (i / {_PER_BATCH} % 3), CASE WHEN i < :half THEN 'completed' ELSE 'queued' END, 0, 3, 'restart',
            CASE WHEN i < :half THEN 1 ELSE 0 END, {now}, 0, 0, 0, 0, {now}, {empty}, :request
        FROM n
    """  # noqa: S608 - made of this file's own words
    insert_batches = f"""
        INSERT INTO batches (id, project, status, endpoint, metadata, created_at, in_progress_at, dispatched_at, total)
        {_NUMBERS[kind]}
        SELECT 'batch_' || {_PAD[kind].format("i")}, 'p' || (i % 3),
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


Millis = dict[str, list[float]]


def work(url: str, name: str, ended: Any, results: Any) -> None:
    """One worker process: the times of its claims, rounds and ends go to `results` once `ended` is set."""
    database = open_database(url, connections=2)
    lanes = Lanes(database, 3.0, lambda: [Route("default", limits=LaneLimits(max_streams=64))])
    wrote = AttemptResult("text", 4, "", 1, None, usage=Usage(1, 0, 1, 0, 2, source="upstream"))
    rng = random.Random(name)
    millis: Millis = {"round": [], "claim": [], "finish": []}
    while not ended.is_set():
        for job_id in _timed(millis["round"], lanes.reserve, 10, MAX_CRASHES).reserved:
            claimed = _timed(millis["claim"], claim, database, job_id, name, 60)
            if claimed is not None:
                _timed(millis["finish"], finish, database, job_id, claimed.attempt, wrote)
        ended.wait(rng.uniform(0.01, 0.03))
    database.close()
    results.put(millis)


def _timed(millis: list[float], call: Callable[..., T], *given: Any) -> T:
    began = time.perf_counter()
    result = call(*given)
    millis.append(1000 * (time.perf_counter() - began))
    return result


def measure(url: str, seconds: float) -> list[dict[str, Any]]:
    """Eight worker processes for so long; the times of their claims, rounds and ends."""
    context = multiprocessing.get_context("spawn")
    ended, results = context.Event(), context.Queue()
    workers = [context.Process(target=work, args=(url, f"w{number}", ended, results)) for number in range(WORKERS)]
    for worker in workers:
        worker.start()
    looks, waiting = _look_for_waits(url, seconds)
    ended.set()
    each: list[Millis] = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    print(f"claims seen waiting for a lock: {waiting} in {looks} looks", flush=True)
    rows = []
    for name in ("claim", "round", "finish"):
        millis = sorted(itertools.chain.from_iterable(one[name] for one in each))
        row = {"what": name, "times": len(millis), "p50 ms": quantile(millis, 0.5), "p99 ms": quantile(millis, 0.99)}
        rows.append(row | {"longest ms": millis[-1]})
    return rows


def _look_for_waits(url: str, seconds: float) -> tuple[int, int]:
    """How often PostgreSQL was looked at, and how many updates of jobs waited for a lock then."""
    watcher = open_database(url, connections=1)
    blocked = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE jobs SET status%'"
    )
    looks = waiting = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.02)
        if not watcher.is_sqlite:
            looks += 1
            with watcher.read() as connection:
                waiting += connection.scalar(blocked) or 0
    watcher.close()
    return looks, waiting


@contextmanager
def _filled(kind: str, count: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="longhand-bench-") as directory:
        if kind == "sqlite":
            yield from _fill_at(f"sqlite:///{Path(directory)}/longhand.db", count)
        else:
            with open_postgres() as (make, *_):
                yield from _fill_at(make(), count)


def _fill_at(url: str, count: int) -> Iterator[str]:
    migrate(url)
    database = open_database(url, connections=1)
    began = time.monotonic()
    fill(database, count)
    database.close()
    print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
    yield url


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--databases", nargs="*", default=["sqlite", "postgresql"])
    given = parser.parse_args()
    for kind in given.databases:
        print(f"{kind}; load average before: {load_now()}", flush=True)
        with _filled(kind, given.jobs) as url:
            rows = measure(url, given.seconds)
        keep(f"dispatch-{kind}", rows)
        show(f"dispatch and claims with {given.jobs:,} jobs on {kind}", rows)


if __name__ == "__main__":
    main()
