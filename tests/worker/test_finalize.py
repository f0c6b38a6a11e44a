"""The end of an attempt: a text that was paid for is kept, however long the database is away and whatever it says."""

import logging
import sqlite3
from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError, ProgrammingError

from jobs.lifecycle.rescue import cancel_job
from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.database import Database, open_database
from longhand.simulator import ServedSimulator
from tests.worker.ear import listening
from tests.worker.worker_fixtures import (
    DELTAS,
    PATIENCE_SECONDS,
    TEXT,
    WorkerParts,
    history,
    job_and_text,
    open_worker,
    small_settings,
    submit,
)
from worker import db_retry
from worker.active_attempts import ActiveAttempt, StopReason
from worker.finalize import Finalizer

USAGE = {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16}


@pytest.fixture
def worker(sqlite_database: Database, redis_url: str, simulator: ServedSimulator) -> Iterator[WorkerParts]:
    with open_worker(sqlite_database, small_settings(redis_url, simulator.url, between_deltas_seconds=60)) as parts:
        yield parts


def test_a_text_is_kept_for_as_long_as_the_database_is_away(
    worker: WorkerParts, simulator: ServedSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(db_retry, "sleep", waits.append)

    def be_away(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE jobs") and len(worker.running) and len(waits) < 3600:
            raise OperationalError(statement, {}, Exception("the database is away"))

    job_id = submit(worker.database, {"deltas": DELTAS, "usage": USAGE})
    event.listen(worker.database.engine, "before_cursor_execute", be_away)
    worker.run(job_id)
    assert sum(waits) > 7000  # it was away for two hours
    assert max(waits) <= db_retry.LONGEST_WAIT_SECONDS
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, text, job.failures) == (JobStatus.COMPLETED, TEXT, 0)
    assert job.usage is not None
    assert job.usage.total_tokens == 16
    assert simulator.stats()["requests"] == 1


def test_a_text_that_meets_a_read_only_database_is_stored_when_it_takes_writes_again(
    postgres_url: str, redis_url: str, simulator: ServedSimulator
) -> None:
    """As in a failover: the connection leads to what is a replica now."""
    database = open_database(postgres_url)
    refused = count()
    backends: list[int] = []

    def be_read_only(connection: Connection) -> None:
        if simulator.stats()["completed"]:
            backends.append(connection.connection.dbapi_connection.info.backend_pid)  # type: ignore[union-attr]
            if len(backends) < 3:
                connection.exec_driver_sql("SET TRANSACTION READ ONLY")
                next(refused)

    with open_worker(database, small_settings(redis_url, simulator.url)) as worker:
        job_id = submit(database, {"deltas": DELTAS, "usage": USAGE})
        event.listen(database.engine, "begin", be_read_only)
        worker.run(job_id)
        event.remove(database.engine, "begin", be_read_only)
        assert next(refused) == 2
        assert len(set(backends[:3])) == 3, "it stayed with the connections to the old primary"
        job, text = job_and_text(database, job_id)
    database.close()
    assert (job.status, text, job.attempt, job.usage and job.usage.total_tokens) == (JobStatus.COMPLETED, TEXT, 1, 16)
    assert simulator.stats()["requests"] == 1


def lost_attempt() -> ActiveAttempt:
    running: Any = SimpleNamespace(stop_reason=StopReason.LOST)
    return cast("ActiveAttempt", running)


def test_an_end_whose_reply_was_lost_is_found_although_the_lease_looks_lost_by_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(db_retry, "sleep", lambda _: None)
    answers: list[Any] = [OperationalError("COMMIT", {}, Exception("the server closed the connection")), True]

    def finish() -> bool:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return bool(answer)

    assert db_retry.retry_until_stored(lost_attempt(), finish) is True


def test_an_end_that_the_database_cannot_carry_out_is_given_up_with_its_lease() -> None:
    def finish() -> bool:
        raise ProgrammingError("UPDATE", {}, Exception("no such column"))

    assert db_retry.retry_until_stored(lost_attempt(), finish) is False


def refuse_long_texts(database: Database) -> None:
    """Let SQLite take no value of more than 8 kB from here on: a real refusal, as of a text over its 1 GB."""

    def limit(connection: Connection) -> None:
        driver = connection.connection.dbapi_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 8_000)

    event.listen(database.engine, "begin", limit)


LONG: dict[str, Any] = {"prompt": "Write 3000 words about bees.", "max_tokens": 3000}


def test_a_text_that_the_database_refuses_fails_its_job_and_keeps_what_it_cost(
    worker: WorkerParts, simulator: ServedSimulator
) -> None:
    job_id = submit(worker.database, {"usage": USAGE}, fields=LONG)
    refuse_long_texts(worker.database)
    worker.run(job_id)
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, job.error_code, text) == (JobStatus.FAILED, "text_not_stored", "")
    assert "too big" in str(job.error_message)
    assert job.usage is not None
    assert job.usage.total_tokens == 16
    [attempt] = history(worker.database, job_id)
    assert (attempt.outcome, attempt.usage, attempt.bytes) == (AttemptOutcome.FAILED, job.usage, 0)
    assert attempt.deltas == 3000
    assert attempt.first_delta_at is not None
    assert simulator.stats()["requests"] == 1, "paid for again, to be refused again"


UNKNOWN = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), 2**31 - 1)
"""What some servers say when they do not know."""


@pytest.mark.parametrize(
    "counts", [UNKNOWN, {"prompt_tokens": 10**9, "completion_tokens": 10**9}], ids=["unknown", "many"]
)
def test_counts_that_cannot_be_true_fit_the_database_or_are_not_taken(
    database: Database, redis_url: str, simulator: ServedSimulator, counts: dict[str, int]
) -> None:
    """Their sum did not fit its column on PostgreSQL: three attempts were paid for, and all ended as `worker_lost`."""
    job_id = submit(database, {"deltas": DELTAS, "usage": counts})
    with open_worker(database, small_settings(redis_url, simulator.url)) as worker:
        worker.run(job_id)
    job, text = job_and_text(database, job_id)
    assert (job.status, text, job.attempt) == (JobStatus.COMPLETED, TEXT, 1)
    assert job.usage is not None
    known = job.usage.source == "upstream"
    assert (job.usage.total_tokens == 2 * 10**9) is known is (counts is not UNKNOWN)


def test_a_text_is_stored_without_its_counts_if_the_database_refuses_those(
    database: Database, redis_url: str, simulator: ServedSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.upstream.usage.LARGEST_COUNT", 2**70)
    refused = 2**63 if database.is_sqlite else 2**31
    job_id = submit(database, {"deltas": DELTAS, "usage": USAGE | {"prompt_tokens": refused}})
    with open_worker(database, small_settings(redis_url, simulator.url)) as worker:
        worker.run(job_id)
    job, text = job_and_text(database, job_id)
    assert (job.status, text, job.usage) == (JobStatus.COMPLETED, TEXT, None)
    assert simulator.stats()["requests"] == 1


def test_a_cancel_stays_a_cancel_when_the_database_refuses_its_text(worker: WorkerParts, redis_url: str) -> None:
    job_id = submit(worker.database, {"silent_after": 2900}, fields=LONG)
    with listening(redis_url, job_id) as ear:
        running = worker.start(job_id)
        ear.wait_for(lambda told: len(told) == 1 + 2900)
        refuse_long_texts(worker.database)
        assert cancel_job(worker.database, job_id) is not None
        worker.heartbeat._stop_unwanted()
        running.result(PATIENCE_SECONDS)
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, text, job.bytes) == (JobStatus.CANCELLED, "", 0)
    [attempt] = history(worker.database, job_id)
    assert (attempt.outcome, attempt.deltas) == (AttemptOutcome.CANCELLED, 2900)
    assert attempt.usage is not None


@pytest.mark.parametrize("retry_after", [0, 0.5])
def test_a_limit_that_the_upstream_calls_over_is_waited_for_all_the_same(
    sqlite_database: Database, redis_url: str, simulator: ServedSimulator, retry_after: float
) -> None:
    settings = small_settings(redis_url, simulator.url, retry_base_seconds=8)
    job_id = submit(sqlite_database, {"deltas": DELTAS, "status": 429, "retry_after": retry_after})
    with open_worker(sqlite_database, settings) as worker:
        worker.run(job_id)
    job, _ = job_and_text(sqlite_database, job_id)
    [attempt] = history(sqlite_database, job_id)
    assert (job.status, attempt.outcome, job.rate_limits) == (JobStatus.QUEUED, AttemptOutcome.RATE_LIMITED, 1)
    assert (job.due_at - attempt.started_at).total_seconds() >= 8


def test_the_log_names_an_error_by_its_code_and_holds_no_words_of_the_upstream(
    worker: WorkerParts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    refused = submit(worker.database, {"deltas": [], "shapes": ["refusal"]})
    rejected = submit(worker.database, {"deltas": DELTAS, "status": 400})
    for job_id in (refused, rejected):
        worker.run(job_id)
        message = job_and_text(worker.database, job_id)[0].error_message
        assert message
        assert message not in caplog.text
    assert "fail: upstream_refusal\n" in caplog.text
    assert "fail: upstream_rejected (HTTP 400)\n" in caplog.text


def test_what_was_received_counts_although_its_text_was_let_go_before(
    worker: WorkerParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Redis is away, the recorder lets go of the text of an attempt as soon as its end is published."""

    def publish_while_redis_is_away(_: Finalizer, running: ActiveAttempt, *__: object) -> None:
        assert running.recording is not None
        running.recording.finish(b"{}")
        running.recording.write_anew()
        assert not running.recording.text

    monkeypatch.setattr(Finalizer, "_publish_status", publish_while_redis_is_away)
    job_id = submit(worker.database, {"deltas": DELTAS})
    worker.run(job_id)
    assert worker.counts.received_bytes == len(TEXT.encode())
