"""SQLite's write-ahead log is emptied when it is large: while slow reads overlap, SQLite never begins it anew."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from jobs.intake.submission import submit_job
from jobs.store import write_ahead_log
from jobs.store.database import Database
from tests.store.store_fixtures import new_job

_JOB_BYTES = 20_000


@pytest.fixture
def log(sqlite_database: Database) -> Path:
    sqlite_database.scrub()  # a process begins with this
    return Path(f"{sqlite_database.engine.url.database}-wal")


@pytest.fixture
def no_log_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """One job makes the log too large."""
    monkeypatch.setattr(write_ahead_log, "LARGE_BYTES", _JOB_BYTES)
    monkeypatch.setattr(write_ahead_log, "TOO_LARGE_BYTES", _JOB_BYTES)


def submit_some(database: Database, jobs: int) -> None:
    for _ in range(jobs):
        submit_job(database, new_job("x" * _JOB_BYTES))


@contextmanager
def reads_that_overlap(database: Database, seconds: float) -> Iterator[None]:
    """Two reads of so many seconds, each of which begins before the other one ends, again and again."""
    over = threading.Event()

    def read(waits: float) -> None:
        over.wait(waits)
        while not over.is_set():
            with database.read() as connection:
                connection.execute(text("SELECT count(*) FROM jobs")).all()
                over.wait(seconds)

    readers = [threading.Thread(target=read, args=(waits,)) for waits in (0.0, seconds / 2)]
    for reader in readers:
        reader.start()
    try:
        yield
    finally:
        over.set()
        for reader in readers:
            reader.join()


def test_a_log_that_grows_while_others_read_is_emptied(
    sqlite_database: Database, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_ahead_log, "LARGE_BYTES", 50 * _JOB_BYTES)
    reading = sqlite_database.read()
    for _ in range(400):
        submit_some(sqlite_database, 1)
        following = sqlite_database.read()
        following.execute(text("SELECT count(*) FROM jobs")).all()
        reading.close()
        reading = following
    reading.close()
    assert log.stat().st_size > 200 * _JOB_BYTES, "SQLite did not begin it anew"
    sqlite_database.scrub()
    assert log.stat().st_size == 0


def test_a_log_that_somebody_reads_is_emptied_at_the_next_look(
    sqlite_database: Database, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_ahead_log, "LARGE_BYTES", _JOB_BYTES)
    with sqlite_database.read() as connection:
        connection.execute(text("SELECT count(*) FROM jobs")).all()
        submit_some(sqlite_database, 1)
        sqlite_database.scrub()
        assert log.stat().st_size > 0
    sqlite_database.scrub()
    assert log.stat().st_size == 0


def test_reads_that_always_overlap_keep_no_log_that_is_much_too_large(
    sqlite_database: Database, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, four clients that asked for slow answers kept it growing for as long as they went on."""
    monkeypatch.setattr(write_ahead_log, "TOO_LARGE_BYTES", 10 * _JOB_BYTES)
    monkeypatch.setattr(write_ahead_log, "PATIENT_MS", 60_000)
    monkeypatch.setattr(write_ahead_log, "LARGE_BYTES", _JOB_BYTES)
    with reads_that_overlap(sqlite_database, seconds=1.0):
        submit_some(sqlite_database, 20)
        assert log.stat().st_size > 10 * _JOB_BYTES
        sqlite_database.scrub()
        assert log.stat().st_size == 0


@pytest.mark.usefixtures("no_log_is_small")
def test_who_writes_waits_long_for_those_who_read_only_now_and_then(
    sqlite_database: Database, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[int] = []
    monkeypatch.setattr(write_ahead_log, "empty_log", lambda _, readers_ms: waited.append(readers_ms))
    submit_some(sqlite_database, 2)
    for _ in range(3):
        sqlite_database.scrub()
    assert waited == [write_ahead_log.PATIENT_MS, *[write_ahead_log.READERS_MS] * 2]


@pytest.mark.usefixtures("no_log_is_small")
def test_tries_that_fail_wait_longer_and_come_later(
    sqlite_database: Database, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, where reads took longer than half of the patience, nobody wrote for five seconds of each thirty."""
    now, waited = [1000.0], list[tuple[float, int]]()
    monkeypatch.setattr(write_ahead_log, "monotonic", lambda: now[0])
    monkeypatch.setattr(write_ahead_log, "empty_log", lambda _, readers_ms: waited.append((now[0], readers_ms)))
    submit_some(sqlite_database, 2)
    for _ in range(4000):
        now[0] += 1
        sqlite_database.scrub()
    patient = [(at, ms) for at, ms in waited if ms != write_ahead_log.READERS_MS]
    assert [ms for _, ms in patient[:4]] == [5000, 10_000, 10_000, 10_000]
    assert [round(later - at) for (at, _), (later, _) in pairwise(patient)][:6] == [30, 60, 120, 240, 480, 600]


def test_what_was_deleted_long_ago_is_waited_for_longer(
    sqlite_database: Database, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, it stood in the log until the last of those reads had ended."""
    waited: list[int] = []
    monkeypatch.setattr(write_ahead_log, "empty_log", lambda _, readers_ms: waited.append(readers_ms))
    assert log.exists()
    sqlite_database.mark_erased()
    sqlite_database.scrub()
    monkeypatch.setattr(write_ahead_log, "OVERDUE_SECONDS", 0.0)
    sqlite_database.scrub()
    assert waited == [write_ahead_log.READERS_MS, write_ahead_log.PATIENT_MS]


def test_a_small_log_is_left_alone(sqlite_database: Database, log: Path) -> None:
    submit_job(sqlite_database, new_job())
    size = log.stat().st_size
    sqlite_database.scrub()
    assert log.stat().st_size == size > 0


def test_a_log_that_cannot_be_emptied_is_tried_again(
    sqlite_database: Database, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, a full disk ended the sweep of the API for good, and what was deleted later stood there for ever."""
    submit_some(sqlite_database, 1)
    sqlite_database.mark_erased()

    def fail(*_: object) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as full:
        full.setattr(write_ahead_log, "empty_log", fail)
        with pytest.raises(OperationalError, match="disk is full"):
            sqlite_database.scrub()
    assert log.stat().st_size > 0
    sqlite_database.scrub()
    assert log.stat().st_size == 0
