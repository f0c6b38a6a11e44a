"""`python -m worker` as a real process: it drains, it may be killed, and it says what is wrong with its settings."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from jobs.live.worker_signs import WORKERS_KEY, WorkerSign, decode_signs, encode_sign
from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.database import Database
from longhand.simulator import ServedSimulator
from tests.worker.worker_fixtures import (
    PATIENCE_SECONDS,
    TEXT,
    WAITS,
    all_final,
    history,
    job_and_text,
    submit,
    wait_until,
)
from tests.worker.worker_processes import environment, hint, worker_process

pytestmark = pytest.mark.races


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
