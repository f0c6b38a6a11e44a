"""The ways into a database: who waits for whom, and whose clock it is."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from jobs.store import write_turn
from jobs.store.database import Database, is_transient, open_database, utc_now
from jobs.store.write_turn import WriteTurn
from tests.store.several_processes import forking
from tests.store.store_fixtures import START
from tests.worker.worker_fixtures import wait_until


@contextmanager
def opened(url: str, connections: int = 16) -> Iterator[Database]:
    database = open_database(url, connections=connections)
    try:
        yield database
    finally:
        database.close()


def write(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE batches SET completed = 0"))


def turn_of(database: Database) -> WriteTurn:
    assert database._turn is not None
    return database._turn


def test_a_writer_that_waits_for_a_connection_keeps_no_other_process_from_writing(sqlite_url: str) -> None:
    with opened(sqlite_url, connections=1) as full, opened(sqlite_url) as other, ThreadPoolExecutor(2) as pool:
        with full.read():
            waits = pool.submit(write, full)
            wait_until(turn_of(full)._threads.locked, "it waits for the connection that the read has")
            pool.submit(write, other).result(timeout=60)
            assert not waits.done()
        waits.result(timeout=60)


def test_a_connection_that_a_thread_has_at_the_close_is_closed_when_it_comes_back(database_url: str) -> None:
    """As when an API ends while a look at a database that does not answer is still under way."""
    database = open_database(database_url)
    with database.read() as connection:
        held = connection.connection.dbapi_connection
        database.close()
        assert connection.scalar(text("SELECT 1")) == 1
    assert held is not None
    with pytest.raises(Exception, match="closed"):
        held.cursor().execute("SELECT 1")


def test_a_thread_does_not_wait_for_its_turn_without_end(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where another process was stopped inside its transaction, and one thread of this one waits for it."""
    monkeypatch.setattr(write_turn, "PATIENCE_SECONDS", 0.05)
    with opened(sqlite_url) as database, ThreadPoolExecutor(1) as pool:
        with turn_of(database).of_threads():
            error = pool.submit(write, database).exception(timeout=60)
        assert isinstance(error, PoolTimeoutError)
        assert is_transient(error)
        write(database)


@pytest.mark.parametrize(("seconds", "shifted"), [(0.5, True), (20.0, False)])
def test_an_answer_that_was_long_on_its_way_says_nothing_about_the_time(
    postgres_url: str, seconds: float, shifted: bool
) -> None:
    looks = iter([START, START + timedelta(seconds=seconds)])

    def clock() -> datetime:
        return next(looks, START)

    with opened(postgres_url) as real:
        database = Database(real.engine, clock)
        database.synchronize()
        assert (database.now() != START) is shifted


_NEW_FILES = 60


def open_many(folder: str, gate: Any, found: Any) -> None:
    refused = 0
    for number in range(_NEW_FILES):
        gate.wait(60)
        database = open_database(f"sqlite:///{folder}/{number}.db")
        try:
            with database.read() as connection:
                connection.execute(text("SELECT 1"))
        except OperationalError:
            refused += 1
        finally:
            database.close()
    found.put(refused)


def test_processes_that_open_a_new_database_at_the_same_time_are_all_let_in(tmp_path: Path) -> None:
    context = forking()
    gate, found = context.Barrier(6), context.Queue()
    processes = [context.Process(target=open_many, args=(str(tmp_path), gate, found)) for _ in range(6)]
    for process in processes:
        process.start()
    assert [found.get(timeout=120) for _ in processes] == [0] * 6
    for process in processes:
        process.join(60)


def test_a_step_back_of_the_databases_clock_is_told_in_the_log(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    ahead = [timedelta()]
    with opened(postgres_url) as database:
        database._clock = lambda: utc_now() + ahead[0]
        database.synchronize()
        ahead[0] = timedelta(seconds=-3600)  # ours, which is the same as if the server's were set forward
        database.synchronize()
        assert not caplog.messages
        ahead[0] = timedelta()
        database.synchronize()
    assert caplog.messages == [
        "the database's clock is set back by 3600 s: holds and dead workers' jobs wait longer",
    ]
