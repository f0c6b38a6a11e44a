"""SQLite's write-ahead log is emptied when it is large: while slow reads overlap, SQLite never begins it anew."""

from pathlib import Path

import pytest
from sqlalchemy import text

from jobs.intake.submission import submit_job
from jobs.store import sqlite_engine
from jobs.store.database import Database
from tests.store.store_fixtures import new_job

_JOB_BYTES = 20_000


@pytest.fixture
def log(sqlite_database: Database) -> Path:
    sqlite_database.scrub()  # a process begins with this
    return Path(f"{sqlite_database.engine.url.database}-wal")


def submit_while_others_read(database: Database, jobs: int) -> None:
    """Two reads that overlap, again and again."""
    reading = database.read()
    for _ in range(jobs):
        submit_job(database, new_job("x" * _JOB_BYTES))
        following = database.read()
        following.execute(text("SELECT count(*) FROM jobs")).all()
        reading.close()
        reading = following
    reading.close()


def test_a_log_that_grows_while_others_read_is_emptied(
    sqlite_database: Database, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_engine, "LARGE_LOG_BYTES", 50 * _JOB_BYTES)
    submit_while_others_read(sqlite_database, 400)
    assert log.stat().st_size > 200 * _JOB_BYTES, "SQLite did not begin it anew"
    sqlite_database.scrub()
    assert log.stat().st_size == 0


def test_a_log_that_somebody_reads_is_emptied_at_the_next_look(
    sqlite_database: Database, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_engine, "LARGE_LOG_BYTES", _JOB_BYTES)
    with sqlite_database.read() as connection:
        connection.execute(text("SELECT count(*) FROM jobs")).all()
        submit_job(sqlite_database, new_job("x" * _JOB_BYTES))
        sqlite_database.scrub()
        assert log.stat().st_size > 0
    sqlite_database.scrub()
    assert log.stat().st_size == 0


def test_a_small_log_is_left_alone(sqlite_database: Database, log: Path) -> None:
    submit_job(sqlite_database, new_job())
    size = log.stat().st_size
    sqlite_database.scrub()
    assert log.stat().st_size == size > 0
