"""The parts of a worker process, put together as `worker/main.py` does but without Celery, and jobs for it."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, update

from jobs.dispatch.lanes import Lanes
from jobs.intake.submission import NewJob, submit_job
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.model.records import Attempt, Job
from jobs.model.status import FINAL
from jobs.settings import Settings
from jobs.store.database import Database
from jobs.store.queries import read_attempts, read_result
from jobs.tables import jobs
from jobs.tokens import Tokenizers
from jobs.upstreams import UpstreamSource
from longhand.simulator import Pace, ServedSimulator, serve_in_thread
from tests.store.reserving import reserve
from worker.active_attempts import ActiveAttempts
from worker.answer_check import AnswerCheck
from worker.attempt import AttemptRunner
from worker.counts import WorkerCounts
from worker.dispatch import Dispatch
from worker.event_loop import EventLoop
from worker.habits import HabitKeeper
from worker.heartbeat import Heartbeat
from worker.recorder import Recorder
from worker.registry import UpstreamRegistry, opener
from worker.reports import LaneReporter

PATIENCE_SECONDS = 60.0
"""How long tests wait for what must happen; nothing is measured with it."""

MODEL = "gpt-4o"

DELTAS = ["One ", "two – ", "three 🙂"]
TEXT = "".join(DELTAS)
WAITS: dict[str, Any] = {"deltas": DELTAS, "silent_after": 3, "times": 1}
"""A request whose first answer stops after its third delta and goes on being silent; the next one is whole."""


def expire_lease(database: Database, job_id: str) -> None:
    """Let the lease of a running job run out."""
    with database.write() as connection:
        past = database.now() - timedelta(seconds=1)
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(lease_until=past))


def small_settings(redis_url: str, upstream_url: str, **changed: Any) -> Settings:
    """Settings with which nothing takes long."""
    chosen: dict[str, Any] = {
        "redis_url": redis_url,
        "LONGHAND_UPSTREAM_URL": upstream_url,
        "retry_base_seconds": 0.02,
        "retry_cap_seconds": 0.1,
        "first_delta_seconds": 10,
        "between_deltas_seconds": 10,
        "total_seconds": 60,
    }
    return Settings(**(chosen | changed))


class WorkerParts:
    """One worker process's parts. Heartbeat and dispatch run only when a test starts them."""

    def __init__(
        self, database: Database, settings: Settings, name: str, maintenance_db: Database | None = None
    ) -> None:
        maintenance_db = maintenance_db or database
        self.database = database
        self.settings = settings
        self.name = name
        self.running = ActiveAttempts()
        self.loop = EventLoop()
        self.recorder = self.loop.run(self._open_recorder(maintenance_db.now))
        self.source = UpstreamSource(settings)
        self.upstreams = UpstreamRegistry(self.source, opener(settings, HabitKeeper(database).of))
        self.lanes = Lanes(maintenance_db, settings.hint_seconds, self.source.current)
        self.answer_check = AnswerCheck()
        self.dispatch = Dispatch(
            maintenance_db,
            self.running,
            self.lanes,
            settings,
            self.hint,
            self._publish,
            behind=partial(self.answer_check.behind, settings.streams),
        )
        self.reporter = LaneReporter(self.lanes, maintenance_db.now, self.dispatch.wake)
        self.counts = WorkerCounts()
        self.runner = AttemptRunner(
            database=database,
            loop=self.loop,
            upstreams=self.upstreams,
            recorder=self.recorder,
            tokenizers=Tokenizers(settings.tokenizers),
            running=self.running,
            reporter=self.reporter,
            worker=name,
            settings=settings,
            answer_check=self.answer_check,
            on_free=self.dispatch.wake,
            counts=self.counts,
        )
        self.heartbeat = Heartbeat(maintenance_db, self.running, name, settings)
        self.hints: list[list[str]] = []
        self.attempts: list[Future[None]] = []
        self._threads = ThreadPoolExecutor(settings.streams + 50, thread_name_prefix=name)

    def hint(self, job_ids: Iterable[str]) -> None:
        """What Celery does with hints: each is run in a thread of its own."""
        self.hints.append(list(job_ids))
        for job_id in self.hints[-1]:
            self._begin(job_id)

    def start(self, job_id: str) -> Future[None]:
        """Run a job in another thread; it is reserved first, if nobody has it."""
        reserve(self.database, job_id)
        return self._begin(job_id)

    def run(self, job_id: str) -> bool:
        """Run a job here; it is reserved first, if nobody has it."""
        reserve(self.database, job_id)
        return self.runner.run(job_id)

    def _begin(self, job_id: str) -> Future[None]:
        future = self._threads.submit(self._run, job_id)
        self.attempts.append(future)
        return future

    def _run(self, job_id: str) -> None:
        self.runner.run(job_id)

    def _publish(self, job_id: str, message: bytes) -> None:
        self.loop.call(self.recorder.publish, job_id, message)

    async def _open_recorder(self, now: Callable[[], datetime]) -> Recorder:
        return Recorder(self.settings.require_redis_url(), self.settings.tail_seconds, now=now)

    def close(self) -> None:
        """As a drain: every stream is cut and stored. An attempt that raised makes the test fail."""
        self.running.drain()
        wait(self.attempts, PATIENCE_SECONDS)
        for part in (self.dispatch, self.heartbeat):
            if part._thread.ident is not None:  # only what was started can be joined
                part.stop()
        self.runner.close()
        self.loop.run(self.recorder.aclose())
        self.loop.run(self.upstreams.aclose())
        self.loop.close()
        self._threads.shutdown()
        for attempt in self.attempts:
            attempt.result(0)


@contextmanager
def open_worker(
    database: Database, settings: Settings, name: str = "w1", maintenance_db: Database | None = None
) -> Iterator[WorkerParts]:
    """A worker for as long as the block lasts; `maintenance_db` is its heartbeat's and dispatch's database, if
    another."""
    worker = WorkerParts(database, settings, name, maintenance_db)
    try:
        yield worker
    finally:
        worker.close()


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Wait for what no signal tells, such as a row or another process's key. Raises `TimeoutError`."""
    ticks = threading.Event()
    for _ in range(int(PATIENCE_SECONDS / 0.02)):
        if holds():
            return
        ticks.wait(0.02)
    raise TimeoutError(f"in vain: {what}")


def ask(simulate: dict[str, Any] | None = None, prompt: str = "Write 60 words about bees.", **fields: Any) -> Any:
    """A chat-completions body."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": prompt}], **fields}
    return body if simulate is None else {**body, "simulate": simulate}


def submit(database: Database, simulate: dict[str, Any] | None = None, **options: Any) -> str:
    """Submit one job whose request has this `simulate`; returns its id."""
    fields = options.pop("fields", {})
    return submit_job(database, NewJob(ask(simulate, **fields), **options)).id


def ids_of(database: Database, batch_id: str) -> list[str]:
    """The ids of a batch's jobs in input order."""
    with database.read() as connection:
        return list(connection.scalars(select(jobs.c.id).where(jobs.c.batch_id == batch_id).order_by(jobs.c.id)))


def job_and_text(database: Database, job_id: str) -> tuple[Job, str]:
    """The row and the stored text."""
    result = read_result(database, job_id, project=None)
    assert result is not None
    return result.job, result.text or ""


def history(database: Database, job_id: str) -> list[Attempt]:
    return read_attempts(database, job_id)


def all_final(database: Database, job_ids: Iterable[str]) -> bool:
    return all(job_and_text(database, job_id)[0].status in FINAL for job_id in job_ids)


@contextmanager
def fast_simulator() -> Iterator[ServedSimulator]:
    """An upstream that writes as fast as it is read, unless a request says otherwise."""
    with serve_in_thread(Pace(deltas_per_second=0, first_delta_seconds=0)) as served:
        yield served


def note_renewals(monkeypatch: pytest.MonkeyPatch) -> list[list[bool]]:
    """Fills with each renewal of leases from here on: whether it stored a text, for each of its attempts."""
    stored: list[list[bool]] = []

    def note(database: Database, name: str, running: Sequence[Checkpoint], seconds: float) -> set[str]:
        stored.append([checkpoint.text is not None for checkpoint in running])
        return renew(database, name, running, seconds)

    monkeypatch.setattr("worker.heartbeat.renew", note)
    return stored
