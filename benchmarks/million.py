"""`python -m benchmarks.million`: listing, counting and searching over 1,000,000 stored jobs, SQLite and PostgreSQL.

The jobs are put into the tables directly, 10,000 batches of 100, each with a text of 700 bytes: nine tenths of them one
project's, a thousandth a small project's. The reading is the API's own functions in this process, without HTTP. Every
query is asked with other values each time, half of them from the newest on and half from somewhere in the middle.
"""

import argparse
import json
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import accumulate
from typing import Any

from sqlalchemy import func, insert, select, text

from benchmarks.machine import cpu_seconds, load_now, quantile
from benchmarks.postgres import new_database
from benchmarks.results import show
from jobs.model.ids import new_id, new_ids
from jobs.model.status import JobStatus
from jobs.store.database import Database, open_database
from jobs.store.metadata_pairs import add_pairs
from jobs.store.queries import list_batches, read_batch, read_job, read_result
from jobs.store.search import JobFilter, list_jobs
from jobs.store.text_index import has_text_index
from jobs.tables import batches, jobs, texts
from migrations import migrate

OFTEN = ("the", "tide", "harbour", "lantern", "copper", "orchard", "winter", "ledger", "violin", "granite", "meadow")
PROJECT, SMALL = "default", "small"
_PER_BATCH = 100
_MODELS = ("large", "small", "tiny")


class _Prose:
    """Words of which a few are frequent and most are rare, as in a language."""

    def __init__(self, rng: random.Random) -> None:
        syllables = [start + end for start in "bcdfghklmnprstvw" for end in ("a", "e", "i", "o", "ai", "er", "on")]
        self._rng = rng
        self._words = ["".join(rng.choices(syllables, k=rng.choice([1, 2, 2, 3, 3, 4]))) for _ in range(8000)]
        self._weights = list(accumulate(1 / (place + 5) for place in range(8000)))

    def write(self, number: int) -> str:
        words = self._rng.choices(self._words, cum_weights=self._weights, k=95)
        words[::8] = self._rng.choices(OFTEN, k=len(words[::8]))
        return f"{' '.join(words).capitalize()} {number}."


def fill(database: Database, number: int, rng: random.Random) -> None:
    """Insert so many ended jobs."""
    began = datetime.now(UTC) - timedelta(days=100)
    prose = _Prose(rng)
    for start in range(0, number, _PER_BATCH * 50):
        rows: tuple[list[dict[str, Any]], ...] = ([], [], [])
        for place in range(start, min(number, start + _PER_BATCH * 50), _PER_BATCH):
            _add_batch(rows, began + timedelta(days=100) * (place / number), place, prose, rng)
        with database.write() as connection:
            for table, of_table in zip((batches, jobs, texts), rows, strict=True):
                connection.execute(insert(table), of_table)
            add_pairs(connection, rows[1])
    if not database.is_sqlite:  # PostgreSQL does it by itself, some time later; SQLite never does
        with database.write() as connection:
            connection.execute(text("ANALYZE"))


def _add_batch(
    rows: tuple[list[dict[str, Any]], ...], at: datetime, place: int, prose: _Prose, rng: random.Random
) -> None:
    batch_number = place // _PER_BATCH
    project = SMALL if batch_number % 1000 == 7 else "second" if batch_number % 10 == 3 else PROJECT
    batch_id = new_id("batch", at)
    times = {"created_at": at, "in_progress_at": at, "completed_at": at, "dispatched_at": at}
    usage = {"input_tokens": 1, "cached_tokens": 0, "output_tokens": 1, "reasoning_tokens": 0, "total_tokens": 2}
    ended = {"total": _PER_BATCH, "completed": _PER_BATCH, "failed": 0, "usage": usage}
    shown = {"project": project, "status": "completed", "endpoint": "/v1/chat/completions", "metadata": {}}
    rows[0].append({"id": batch_id, **shown, **times, **ended})
    counts = dict.fromkeys(("failures", "crashes", "rate_limits", "drains", "priority"), 0)
    for number, job_id in enumerate(new_ids("job", _PER_BATCH, at), start=place):
        written = prose.write(number)
        model = "rare" if number % 10_000 == 5000 else _MODELS[number % 3]
        # No tiny one ever fails: whoever asks for those must not be shown all tiny ones, or all failures, one by one.
        failed = model != "tiny" and rng.random() < 0.02
        rows[1].append(
            {
                "id": job_id,
                "project": project,
                "batch_id": batch_id,
                "custom_id": f"article-{number}",
                "model": model,
                "status": "failed" if failed else "completed",
                "request": json.dumps({"model": model, "messages": [{"role": "user", "content": "Write." * 10}]}),
                "metadata": {"topic": rng.choice(OFTEN), "order": str(number // 10)},
                "bytes": len(written),
                "sha256": sha256(written.encode()).hexdigest(),
                "max_attempts": 3,
                "on_interrupt": "restart",
                "attempt": 1,
                "created_at": at,
                "due_at": at,
                "started_at": at,
                "finished_at": at,
                **counts,
            }
        )
        rows[2].append({"job_id": job_id, "attempt": 1, "text": written, "ended": True})


def questions(database: Database, number: int, rng: random.Random) -> dict[str, Callable[[], object]]:
    """What is asked, by name."""
    with database.read() as connection:
        of_project = select(batches.c.id).where(batches.c.project == PROJECT)
        made = rng.sample(list(connection.scalars(of_project)), min(200, number // _PER_BATCH // 2))
        some = list(connection.scalars(select(jobs.c.id).where(jobs.c.batch_id.in_(made[:20]))))

    def page(project: str = PROJECT, **wanted: Any) -> Callable[[], object]:
        def ask() -> object:
            given = {name: value() if callable(value) else value for name, value in wanted.items()}
            after = rng.choice([None, rng.choice(some)])
            return list_jobs(database, JobFilter(**given), project=project, after=after, limit=50)

        return ask

    def count_by_status() -> object:
        counted = select(jobs.c.status, func.count()).where(jobs.c.batch_id == rng.choice(made))
        with database.read() as connection:
            return connection.execute(counted.group_by(jobs.c.status)).all()

    def one_day() -> datetime:
        return datetime.now(UTC) - timedelta(days=rng.uniform(1, 99))

    def a_model() -> str:
        return rng.choice(_MODELS)

    def one() -> int:
        return rng.randrange(number)

    failed = JobStatus.FAILED
    batch = {"project": PROJECT}
    return {
        "one job": lambda: read_job(database, rng.choice(some), project=PROJECT),
        "one job with its text": lambda: read_result(database, rng.choice(some), project=PROJECT),
        "list all jobs": page(),
        "list all jobs of a small project": page(SMALL),
        "list one status (2 % of all)": page(status=failed),
        "list one model": page(model=a_model),
        "list a rare model (0.01 %)": page(model="rare"),
        "list one model and status": page(model=a_model, status=failed),
        "list a model and a status that never meet": page(model="tiny", status=failed),
        "list one batch": page(batch_id=lambda: rng.choice(made)),
        "find a custom_id": page(custom_id=lambda: f"article-{one()}"),
        "list before a day": page(created_before=one_day),
        "list by metadata (9 % of all)": page(metadata=lambda: {"topic": rng.choice(OFTEN)}),
        "list by metadata (10 jobs)": page(metadata=lambda: {"order": str(one() // 10)}),
        "list by metadata, two pairs": page(metadata=lambda: {"topic": "tide", "order": str(one() // 10)}),
        "list by metadata and status": page(metadata=lambda: {"topic": rng.choice(OFTEN)}, status=failed),
        "list batches with their counts": lambda: list_batches(database, after=rng.choice(made), limit=50, **batch),
        "one batch": lambda: read_batch(database, rng.choice(made), project=PROJECT),
        "count the jobs of a batch": count_by_status,
        "search a text, found often": page(text=lambda: rng.choice(OFTEN)),
        "search a text in one batch": page(batch_id=lambda: rng.choice(made), text=lambda: f"{rng.choice(OFTEN)} b"),
        "search a text, found once": page(text=lambda: f" {one()}."),
        "search a text, found never": page(text=lambda: f"lighthouse {one()}"),
        "search a text in a small project": page(SMALL, text=lambda: f" {one()}."),
        "search two letters, found never": page(text=lambda: rng.choice(["名字", "ß?", "zx"])),
    }


def ask_all(
    asked: dict[str, Callable[[], object]], times: int, longest_seconds: float, server: int | None
) -> list[dict[str, Any]]:
    """Ask each so many times, or for as long as that; p50, p99 and CPU in milliseconds.

    The CPU is of this thread and of PostgreSQL's process `server`; it stays about the same beside other work.
    """

    def cpu() -> float:
        return time.thread_time() + (cpu_seconds(server) if server is not None else 0.0)

    rows = []
    for name, ask in asked.items():
        ask()
        millis: list[float] = []
        cpu_before = cpu()
        give_up_at = time.monotonic() + longest_seconds
        while len(millis) < times and (time.monotonic() < give_up_at or len(millis) < 2):
            began = time.perf_counter()
            ask()
            millis.append(1000 * (time.perf_counter() - began))
        cpu_millis = 1000 * (cpu() - cpu_before)
        millis.sort()
        row = {"query": name, "times": len(millis), "p50 ms": quantile(millis, 0.5), "p99 ms": quantile(millis, 0.99)}
        row["cpu ms"] = cpu_millis / len(millis)
        rows.append(row)
        print(row, flush=True)
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=300)
    parser.add_argument("--databases", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--only", default="", help="only the queries with this in their name")
    parser.add_argument("--url", help="an empty database to fill and keep, or one that was filled by this before")
    given = parser.parse_args()
    for kind in given.databases if given.url is None else [given.url.partition(":")[0].partition("+")[0]]:
        print(f"{kind}; load average before: {load_now()}", flush=True)
        with ExitStack() as exits:
            url = given.url or exits.enter_context(new_database(kind))
            migrate(url)
            database = open_database(url, connections=1)
            exits.callback(database.close)
            with database.read() as connection:
                print("with" if has_text_index(connection) else "without", "an index of texts", flush=True)
                empty = connection.scalar(select(jobs.c.id).limit(1)) is None
                server = None if database.is_sqlite else connection.scalar(text("SELECT pg_backend_pid()"))
            rng = random.Random(7)
            if empty:
                began = time.monotonic()
                fill(database, given.jobs, random.Random(7))
                print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
            asked = questions(database, given.jobs, rng)
            rows = ask_all({name: ask for name, ask in asked.items() if given.only in name}, given.times, 5.0, server)
        show(f"{given.jobs:,} jobs on {kind}", rows, None if given.only else f"million-{kind}")


if __name__ == "__main__":
    main()
