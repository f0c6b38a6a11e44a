"""SQLite under load: many processes and threads, no update lost, and nobody is told that the database is locked."""

import queue
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

from sqlalchemy import make_url

from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.transitions import finish
from jobs.model.status import BatchStatus, JobStatus
from jobs.store.database import open_database
from jobs.store.queries import read_attempts, read_batch
from tests.store.reserving import claim_now, take_due
from tests.store.several_processes import forking
from tests.store.store_fixtures import Store, written

PROCESSES = 4
THREADS = 8
JOBS = 64


def work(url: str, name: str, ids: list[str], gate: Any, told: Any) -> None:
    """One worker process: every thread tries for every job, from a place of its own, and runs those that it gets."""
    database = open_database(url)
    slowest: list[float] = []
    errors: list[str] = []
    won: list[str] = []
    gate.wait(60)

    def run(thread: int) -> None:
        worker = f"{name}.{thread}"
        start = thread * len(ids) // THREADS
        try:
            for job_id in ids[start:] + ids[:start]:
                begun = perf_counter()
                claimed = claim_now(database, job_id, worker, 60)
                slowest.append(perf_counter() - begun)
                if claimed is not None:
                    assert renew(database, worker, [Checkpoint(job_id, 1, worker)], 60) == {job_id}
                    assert finish(database, job_id, claimed.attempt, written(f"{worker} wrote {job_id}"))
                    won.append(job_id)
            take_due(database, 10, 30)
        except Exception as error:  # whatever it is, the test is to see it
            errors.append(repr(error))

    threads = [threading.Thread(target=run, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database.close()
    told.put((name, errors, won, max(slowest)))


def is_locked(url: str) -> bool:
    """Whether somebody else holds the write lock just now."""
    connection = sqlite3.connect(str(make_url(url).database), timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return True
    finally:
        connection.close()
    return False


def test_four_processes_of_eight_threads_lose_no_update_and_meet_no_locked_database(
    sqlite_url: str, tmp_path: Path
) -> None:
    database = open_database(sqlite_url)
    store = Store(database)
    store.database = database  # the real clock: the processes go by it
    batch_id, ids = store.submit_batch(JOBS)
    context = forking()
    gate, told = context.Barrier(PROCESSES + 1), context.Queue()
    workers = [
        context.Process(target=work, args=(sqlite_url, f"w{number}", ids, gate, told)) for number in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    gate.wait(60)
    looked = met_locks = 0
    reports: list[tuple[str, list[str], list[str], float]] = []
    while len(reports) < PROCESSES:
        looked += 1
        met_locks += is_locked(sqlite_url)
        with suppress(queue.Empty):
            reports.append(told.get(timeout=0.02))
    for worker in workers:
        worker.join()

    assert [errors for _, errors, _, _ in reports] == [[]] * PROCESSES
    assert sorted(job_id for _, _, won, _ in reports for job_id in won) == ids
    # The load was one: every process had its share of the jobs, and whoever looked found the database locked.
    assert min(len(won) for _, _, won, _ in reports) >= JOBS // 16, "a process was starved"
    assert met_locks > looked / 4
    for job_id in ids:
        job = store.job(job_id)
        assert (job.status, job.attempt) == (JobStatus.COMPLETED, 1)
        assert len(read_attempts(database, job_id)) == 1
    texts = {job_id: text for job_id, _, text, *_ in store.rows()["texts"]}
    assert texts == {job_id: f"{store.job(job_id).worker} wrote {job_id}" for job_id in ids}
    assert close_batch(database, batch_id)
    batch = read_batch(database, batch_id, project=None)
    assert batch is not None
    assert (batch.status, batch.completed) == (BatchStatus.COMPLETED, JOBS)
    database.close()
