"""`python -m benchmarks.million`: listing, counting and searching over 1,000,000 stored jobs, SQLite and PostgreSQL.

The jobs are put into the tables directly, 10,000 batches of 100, each with a text of 700 bytes; the reading is the
API's own functions in this process, without HTTP. Every query is asked with other values each time.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select, text

from benchmarks.machine import load_now, quantile
from benchmarks.postgres import open_postgres
from benchmarks.results import keep, show
from jobs.database import Database, open_database
from jobs.ids import new_ids
from jobs.queries import JobFilter, list_batches, list_jobs, read_batch, read_job, read_result
from jobs.status import JobStatus
from jobs.tables import batches, jobs, texts
from migrations import migrate

_WORDS = [
    "the",
    "tide",
    "harbour",
    "lantern",
    "copper",
    "orchard",
    "winter",
    "ledger",
    "violin",
    "granite",
    "meadow",
    "signal",
    "thread",
]
_PER_BATCH = 100
_MODELS = ("large", "small", "tiny")


def fill(database: Database, number: int, rng: random.Random) -> list[str]:
    """Insert so many ended jobs; the ids of their batches."""
    began = datetime.now(UTC) - timedelta(days=100)
    made = []
    for start in range(0, number, _PER_BATCH * 50):
        rows: tuple[list[dict[str, Any]], ...] = ([], [], [])
        for place in range(start, min(number, start + _PER_BATCH * 50), _PER_BATCH):
            at = began + timedelta(days=100) * (place / number)
            made.append(_add_batch(rows, at, place, rng))
        with database.write() as connection:
            for table, of_table in zip((batches, jobs, texts), rows, strict=True):
                connection.execute(insert(table), of_table)
    with database.write() as connection:
        connection.execute(text("ANALYZE"))
    return made


def _add_batch(rows: tuple[list[dict[str, Any]], ...], at: datetime, place: int, rng: random.Random) -> str:
    batch_id = new_ids("batch", 1, at)[0]
    times = {"created_at": at, "in_progress_at": at, "completed_at": at, "dispatched_at": at}
    usage = {"input_tokens": 1, "cached_tokens": 0, "output_tokens": 1, "reasoning_tokens": 0, "total_tokens": 2}
    ended = {"total": _PER_BATCH, "completed": _PER_BATCH, "failed": 0, "usage": usage}
    shown = {"status": "completed", "endpoint": "/v1/chat/completions", "metadata": {}}
    rows[0].append({"id": batch_id, **shown, **times, **ended})
    for number, job_id in enumerate(new_ids("job", _PER_BATCH, at)):
        written = " ".join(rng.choices(_WORDS, k=110)) + f" {place + number}"
        status = "failed" if rng.random() < 0.02 else "completed"
        rows[1].append(
            {
                "id": job_id,
                "batch_id": batch_id,
                "custom_id": f"article-{place + number}",
                "model": _MODELS[(place + number) % 3],
                "status": status,
                "request": '{"model":"large","messages":[{"role":"user","content":"Write."}]}',
                "metadata": {"topic": rng.choice(_WORDS)},
                "bytes": len(written),
                "sha256": sha256(written.encode()).hexdigest(),
                "priority": 0,
                "max_attempts": 3,
                "on_interrupt": "restart",
                "attempt": 1,
                "failures": 0,
                "crashes": 0,
                "rate_limits": 0,
                "drains": 0,
                "created_at": at,
                "due_at": at,
                "started_at": at,
                "finished_at": at,
            }
        )
        rows[2].append({"job_id": job_id, "attempt": 1, "text": written})
    return batch_id


def questions(database: Database, made: list[str], number: int, rng: random.Random) -> dict[str, Callable[[], object]]:
    """What is asked, by name."""
    with database.read() as connection:
        some = list(connection.scalars(select(jobs.c.id).where(jobs.c.batch_id.in_(rng.sample(made, 20)))))

    def page(**wanted: Any) -> Callable[[], object]:
        def ask() -> object:
            given = {name: value() if callable(value) else value for name, value in wanted.items()}
            return list_jobs(database, JobFilter(**given), after=rng.choice([None, rng.choice(some)]), limit=50)

        return ask

    def count_by_status() -> object:
        counted = select(jobs.c.status, func.count()).where(jobs.c.batch_id == rng.choice(made))
        with database.read() as connection:
            return connection.execute(counted.group_by(jobs.c.status)).all()

    def one_day() -> datetime:
        return datetime.now(UTC) - timedelta(days=rng.uniform(1, 99))

    return {
        "one job": lambda: read_job(database, rng.choice(some)),
        "one job with its text": lambda: read_result(database, rng.choice(some)),
        "list all jobs": page(),
        "list one status (2 % of all)": page(status=JobStatus.FAILED),
        "list one model": page(model=lambda: rng.choice(_MODELS)),
        "list one model and status": page(model=lambda: rng.choice(_MODELS), status=JobStatus.FAILED),
        "list one batch": page(batch_id=lambda: rng.choice(made)),
        "find a custom_id": page(custom_id=lambda: f"article-{rng.randrange(number)}"),
        "list before a day": page(created_before=one_day),
        "list by metadata (8 % of all)": page(metadata=lambda: {"topic": rng.choice(_WORDS)}),
        "list batches with their counts": lambda: list_batches(database, after=rng.choice(made), limit=50),
        "one batch": lambda: read_batch(database, rng.choice(made)),
        "count the jobs of a batch": count_by_status,
        "search a text, found often": page(text=lambda: rng.choice(_WORDS)),
        "search a text in one batch": page(
            batch_id=lambda: rng.choice(made), text=lambda: f"{rng.choice(_WORDS)} {rng.choice(_WORDS)}"
        ),
        "search a text, found once": page(text=lambda: f" {rng.randrange(number)}"),
    }


def ask_all(asked: dict[str, Callable[[], object]], times: int, longest_seconds: float) -> list[dict[str, Any]]:
    """Ask each so many times, or for as long as that; p50 and p99 in milliseconds."""
    rows = []
    for name, ask in asked.items():
        millis: list[float] = []
        give_up_at = time.monotonic() + longest_seconds
        ask()
        while len(millis) < times and (time.monotonic() < give_up_at or len(millis) < 2):
            began = time.perf_counter()
            ask()
            millis.append(1000 * (time.perf_counter() - began))
        millis.sort()
        row = {"query": name, "times": len(millis), "p50 ms": quantile(millis, 0.5), "p99 ms": quantile(millis, 0.99)}
        rows.append(row)
        print(row, flush=True)
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=300)
    parser.add_argument("--databases", nargs="*", default=["sqlite", "postgresql"])
    given = parser.parse_args()
    for kind in given.databases:
        print(f"{kind}; load average before: {load_now()}", flush=True)
        with ExitStack() as exits:
            if kind == "postgresql":
                url = exits.enter_context(open_postgres())[0]()
            else:
                directory = exits.enter_context(tempfile.TemporaryDirectory(prefix="longhand-bench-"))
                url = f"sqlite:///{Path(directory)}/longhand.db"
            migrate(url)
            database = open_database(url)
            exits.callback(database.close)
            rng = random.Random(7)
            began = time.monotonic()
            made = fill(database, given.jobs, rng)
            print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
            rows = ask_all(questions(database, made, given.jobs, rng), given.times, 5.0)
        keep(f"million-{kind}", rows)
        show(f"{given.jobs:,} jobs on {kind}", rows)


if __name__ == "__main__":
    main()
