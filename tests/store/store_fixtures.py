"""What the tests of the store share: a clock that they move, jobs to submit, and the rows as they stand."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import Connection, event, exists, literal, select, text, union_all

from jobs.intake.submission import NewJob, submit_batch, submit_job
from jobs.lifecycle.lease import Claimed, claim
from jobs.model.endings import AttemptResult, JobError
from jobs.model.records import Job, Usage
from jobs.model.status import FINAL
from jobs.store.database import Database, open_database
from jobs.store.queries import read_job
from jobs.tables import metadata
from tests.store.reserving import reserve

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
LEASE = 15.0
REFUSED = JobError("upstream_error", "the upstream said 500")
LIMITED = JobError("rate_limited", "the upstream said 429")
EMPTY = sha256(b"").hexdigest()
USAGE = Usage(11, 2, 7, 3, 18, source="upstream")

BLOCKED = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
"""The connections to this PostgreSQL database that wait for a lock."""

EVERY_ROW = {table.name: select(table).order_by(*table.primary_key) for table in metadata.sorted_tables}
FILLED = union_all(*(select(literal(table.name)).where(exists(table.select())) for table in metadata.sorted_tables))
"""The names of the tables that have rows."""

Rows = dict[str, list[tuple[Any, ...]]]


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        """Move forward."""
        self.now += timedelta(seconds=seconds)

    def after(self, seconds: float) -> datetime:
        """The time in so many seconds."""
        return self.now + timedelta(seconds=seconds)


class Store:
    """A database whose clock the test moves, and the shortest way to a job in each status."""

    def __init__(self, database: Database) -> None:
        self.clock = Clock()
        self.database = Database(database.engine, self.clock)

    def submit(self, **options: Any) -> str:
        """A queued job."""
        job_id = submit_job(self.database, new_job(**options)).id
        self.clock.advance(0.001)  # ids of one millisecond come in no order
        return job_id

    def reserved(self, **options: Any) -> str:
        """A queued job that a claim may take."""
        job_id = self.submit(**options)
        reserve(self.database, job_id)
        return job_id

    def submit_batch(self, count: int, **options: Any) -> tuple[str, list[str]]:
        """A batch of so many jobs: its id, and theirs in input order."""
        batch_id = submit_batch(self.database, [new_job(**options) for _ in range(count)]).id
        self.clock.advance(0.001)
        return batch_id, self.ids(batch_id)

    def ids(self, batch_id: str) -> list[str]:
        """The ids of a batch's jobs in input order."""
        jobs = metadata.tables["jobs"]
        with self.database.read() as connection:
            return list(connection.scalars(select(jobs.c.id).where(jobs.c.batch_id == batch_id).order_by(jobs.c.id)))

    def claim(self, job_id: str, worker: str = "w1", lease_seconds: float = LEASE) -> Claimed:
        """The next attempt of a job that is due; it is reserved first, if nobody has it."""
        reserve(self.database, job_id)
        claimed = claim(self.database, job_id, worker, lease_seconds)
        assert claimed is not None
        return claimed

    def running(self, worker: str = "w1", **options: Any) -> str:
        """A job that this worker runs as its attempt 1."""
        job_id = self.submit(**options)
        self.claim(job_id, worker)
        return job_id

    def job(self, job_id: str) -> Job:
        """The job as it stands."""
        job = read_job(self.database, job_id, project=None)
        assert job is not None
        return job

    def all_ended(self, ids: Sequence[str]) -> bool:
        """Whether these jobs have ended. To read each of them takes a loop a third of its time."""
        jobs = metadata.tables["jobs"]
        goes_on = select(exists().where(jobs.c.id.in_(ids), jobs.c.status.not_in(FINAL)))
        with self.database.read() as connection:
            return not connection.scalar(goes_on)

    def rows(self) -> Rows:
        """Every row of every table: two of these are equal when nothing has changed."""
        with self.database.read() as connection:
            filled = set(connection.scalars(FILLED))  # most are empty, and asking each one takes ten times as long
            return {
                name: [tuple(row) for row in connection.execute(every_row)] if name in filled else []
                for name, every_row in EVERY_ROW.items()
            }


@pytest.fixture
def store(database: Database) -> Store:
    """A fresh store on SQLite and on PostgreSQL in turn."""
    return Store(database)


@pytest.fixture
def postgres_store(postgres_url: str) -> Iterator[Store]:
    """A store on PostgreSQL alone: on SQLite nobody can write between two statements of a transaction."""
    database = open_database(postgres_url)
    try:
        yield Store(database)
    finally:
        database.close()


def new_job(prompt: str = "Write about rain.", model: str = "m1", **options: Any) -> NewJob:
    """A job to submit."""
    return NewJob(request={"model": model, "messages": [{"role": "user", "content": prompt}]}, **options)


def written(text: str = "", **told: Any) -> AttemptResult:
    """What an attempt wrote, with its true length and hash."""
    encoded = text.encode()
    return AttemptResult(text, len(encoded), sha256(encoded).hexdigest(), len(text), START if text else None, **told)


def at_once(actions: list[Callable[[], Any]]) -> list[Any]:
    """Run these at the same time, one thread each, all let go together; their results in order."""
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], Any]) -> Any:
        barrier.wait(timeout=60)
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


class Interruption:
    """Something that another process does between two statements of a transaction of ours, on PostgreSQL.

    The action runs in a thread and connection of its own once the transaction has carried out the first statement that
    begins with `after`. The transaction goes on when the action has ended or waits for a lock that we hold.
    """

    def __init__(self, database: Database, after: str, action: Callable[[], Any]) -> None:
        self.happened = False
        self.waited_for_us = False
        self._database = database
        self._after = after
        self._action = action
        self._ours = threading.get_ident()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> "Interruption":
        event.listen(self._database.engine, "after_cursor_execute", self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._database.engine, "after_cursor_execute", self._interrupt)
        self._pool.shutdown()
        assert self.happened

    def result(self) -> Any:
        """What the action gave."""
        return self._future.result(timeout=60)

    def _interrupt(self, _connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if self.happened or threading.get_ident() != self._ours or not statement.startswith(self._after):
            return
        self.happened = True
        self._future = self._pool.submit(self._action)
        while not self._future.done():
            with self._database.engine.connect() as watching:
                if watching.execute(BLOCKED).first() is not None:
                    self.waited_for_us = True
                    return


@contextmanager
def counted(store: Store) -> Iterator[list[str]]:
    """The statements that are carried out meanwhile."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(store.database.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(store.database.engine, "before_cursor_execute", note)
