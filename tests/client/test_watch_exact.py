"""Exactness over real parts: watchers that come, are cut and come back at random instants end with what is stored."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

import pytest
import redis

from api.server import ApiServer
from jobs.store.database import Database
from tests.api.batch_watching import submit_jobs
from tests.api.watching import Writer, pieces, submit, wait_until
from tests.chaos.fault_proxy import FaultProxy, faults_before
from tests.client.crowds import CROWDS
from tests.conftest import free_port

_WATCHERS = 100
_JOBS = 5


each_client = pytest.mark.parametrize("kind", list(CROWDS))


class Story:
    """Jobs that are written, tried again and ended, a little at a time."""

    def __init__(self, database: Database, client: redis.Redis, ids: list[str], chance: random.Random) -> None:
        self._database = database
        self._client = client
        self._chance = chance
        self._writers = {job_id: Writer(database, client, job_id) for job_id in ids}
        self.retried = 0
        self.stored: dict[str, str] = {}

    def go_on(self) -> None:
        """Write a few deltas; now and then an attempt breaks off and the next one begins anew."""
        for job_id, writer in self._writers.items():
            writer.write(*pieces(self._chance.randint(1, 6), self._chance.randint(0, 999)))
            if self._chance.random() < 0.01 and writer.attempt < 15:
                writer.retry()
                self.retried += 1
                self._writers[job_id] = Writer(self._database, self._client, job_id)

    def finish(self) -> None:
        """End every job."""
        for job_id, writer in self._writers.items():
            writer.write("the end")
            self.stored[job_id] = sha256(writer.finish().encode()).hexdigest()


@pytest.mark.chaos
@each_client
@pytest.mark.parametrize("of_batch", [False, True], ids=["jobs", "batch"])
def test_a_hundred_watchers_that_come_and_are_cut_at_random_instants_are_exact(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis, kind: str, *, of_batch: bool
) -> None:
    chance = random.Random(f"{kind} {of_batch}")
    if of_batch:
        batch_id, ids = submit_jobs(sqlite_database, _JOBS, max_attempts=20)
        watched = [batch_id] * _WATCHERS
    else:
        ids = [submit(sqlite_database, max_attempts=20) for _ in range(_JOBS)]
        watched = [chance.choice(ids) for _ in range(_WATCHERS)]
    story = Story(sqlite_database, valkey_client, ids, chance)
    begins = [threading.Event() for _ in range(_WATCHERS)]
    waiting = list(begins)
    chance.shuffle(waiting)
    with faults_before(("127.0.0.1", sqlite_api.port)) as proxy:
        crowd = CROWDS[kind](proxy.port, watched)
        with crowd.watching(begins):
            rounds = 0
            pause = threading.Event()
            while not crowd.errors and (waiting or crowd.lost < 2 * _WATCHERS):
                rounds += 1
                story.go_on()
                for _ in range(chance.randint(0, 4)):
                    if waiting:
                        waiting.pop().set()
                cut_at_random(proxy, chance)
                pause.wait(0.01)  # the pace of the deltas; nothing is waited for
                assert rounds < 3000, f"only {crowd.lost} connections were lost"
            story.finish()
            crowd.wait_ended()
        assert proxy.counts["cut"] >= _WATCHERS
    assert story.retried > 0
    assert sum(seen.resets for seen in crowd.seen) > 0
    for resource_id, seen in zip(watched, crowd.seen, strict=True):
        assert seen.proved == (story.stored if of_batch else {resource_id: story.stored[resource_id]})


def cut_at_random(proxy: FaultProxy, chance: random.Random) -> None:
    """Cut one connection at some byte from now on, often; all connections now, seldom."""
    if chance.random() < 0.6:
        proxy.cut_after(chance.randint(1, 3000))
    if chance.random() < 0.02:
        proxy.cut_all()


@contextmanager
def api_process(port: int, database_url: str, redis_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A real API process on this port, ready to answer."""
    environ = {**os.environ, "LONGHAND_DATABASE_URL": database_url, "LONGHAND_REDIS_URL": redis_url}
    command = [sys.executable, "-m", "api", "--port", str(port)]
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: process.poll() is not None or answers(port))
            yield process
        finally:
            process.kill()


def answers(port: int) -> bool:
    """Whether something listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.mark.chaos
@pytest.mark.parametrize(("kind", "number"), [("sync", signal.SIGKILL), ("async", signal.SIGTERM)])
def test_an_api_that_dies_and_comes_back_mid_watch_costs_no_byte(
    sqlite_url: str, sqlite_database: Database, valkey_client: redis.Redis, redis_url: str, kind: str, number: int
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, _JOBS, max_attempts=20)
    chance = random.Random(1)
    story = Story(sqlite_database, valkey_client, ids, chance)
    port = free_port()
    watched = [batch_id, *ids] * 2
    crowd = CROWDS[kind](port, watched)
    begins = [threading.Event() for _ in watched]
    with api_process(port, sqlite_url, redis_url) as first:
        for begin in begins:
            begin.set()
        with crowd.watching(begins):
            story.go_on()
            wait_until(lambda: all(seen.texts for seen in crowd.seen))
            first.send_signal(number)
            for _ in range(20):
                story.go_on()
            first.wait(60)
            with api_process(port, sqlite_url, redis_url):
                wait_until(lambda: crowd.lost >= len(watched))
                story.go_on()
                story.finish()
                crowd.wait_ended()
    for resource_id, seen in zip(watched, crowd.seen, strict=True):
        assert seen.proved == (story.stored if resource_id == batch_id else {resource_id: story.stored[resource_id]})
