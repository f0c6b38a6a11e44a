"""What is done at once about a worker whose end the supervisor has seen."""

import socket

from redis import Redis

from jobs.intake.submission import NewJob, submit_job
from jobs.live.worker_signs import WORKERS_KEY, WorkerSign, encode_sign
from jobs.model.ids import worker_name
from jobs.store.database import Database
from jobs.store.queries import read_status
from longhand.stack.dead_workers import give_back_jobs
from tests.store.reserving import claim_now
from tests.worker.worker_fixtures import wait_until


def test_a_dead_worker_loses_its_jobs_and_its_sign_and_no_other_does(
    sqlite_url: str, sqlite_database: Database, redis_url: str, valkey_client: Redis
) -> None:
    dead = worker_name(socket.gethostname(), 7, "mark")
    running = {
        name: submit_job(sqlite_database, NewJob(request={"model": "m", "messages": []})).id for name in (dead, "well")
    }
    for name, job_id in running.items():
        assert claim_now(sqlite_database, job_id, name, 600)
        valkey_client.hset(WORKERS_KEY, name, encode_sign(WorkerSign("1", 100, 1, False, 0.0, 0.0)))
    give_back_jobs(sqlite_url, redis_url, 7, "mark")
    wait_until(lambda: valkey_client.hkeys(WORKERS_KEY) == [b"well"], "the end of the sign of the dead worker")
    assert [read_status(sqlite_database, job_id) for job_id in running.values()] == [("queued", 1), ("in_progress", 1)]
