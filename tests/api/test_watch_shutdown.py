"""A server that is told to end while jobs are watched: it ends soon, and its watchers resume elsewhere."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import redis

from api.server import ApiServer
from jobs.store.database import Database
from tests.api.slow_reading import slow_client
from tests.api.watchers import WatcherThread
from tests.api.watching import PATIENCE_SECONDS, Writer, submit, wait_until
from tests.conftest import free_port

pytestmark = [pytest.mark.usefixtures("either_text"), pytest.mark.chaos]


@contextmanager
def api_process(database_url: str, redis_url: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    environ = {**os.environ, "LONGHAND_DATABASE_URL": database_url, "LONGHAND_REDIS_URL": redis_url}
    for _ in range(5):
        port = free_port()
        process = subprocess.Popen([sys.executable, "-m", "api", "--port", str(port)], env=environ)
        wait_until(lambda: process.poll() is not None or answers(port))  # noqa: B023  # called at once
        if process.poll() is None:  # else somebody else took the port meanwhile
            break
    try:
        yield process, port
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def seconds_to_end(process: subprocess.Popen[bytes], stop: signal.Signals) -> float:
    began = time.monotonic()
    process.send_signal(stop)
    assert process.wait(PATIENCE_SECONDS) == 0
    return time.monotonic() - began


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_within_five_seconds_and_its_watchers_resume_elsewhere(
    sqlite_api: ApiServer, sqlite_url: str, redis_url: str, sqlite_database: Database, stop: signal.Signals
) -> None:
    with api_process(sqlite_url, redis_url) as (idle, _):
        idle_seconds = seconds_to_end(idle, stop)
    with redis.Redis.from_url(redis_url) as client, api_process(sqlite_url, redis_url) as (process, port):
        job_id = submit(sqlite_database)
        writer = Writer(sqlite_database, client, job_id)
        writer.write("here, ")
        watchers = [WatcherThread(port, job_id) for _ in range(20)]
        for watcher in watchers:
            watcher.wait_for(lambda shown: shown.text == "here, ")
        with slow_client(port, job_id):  # one that does not even read
            for _ in range(100):
                writer.write("0123456789abcdef" * 1024)
            # 5 s, and what this machine takes to end one that has nothing to do.
            assert seconds_to_end(process, stop) < 5 + idle_seconds
        for watcher in watchers:
            shown = watcher.join()
            assert watcher.ended_whole  # chunked encoding was ended: not an error for the client
            assert shown.done is None
        writer.write("and elsewhere")
        text = writer.finish()
        for watcher in watchers:
            cursor = watcher.shown.cursor
            assert WatcherThread(sqlite_api.port, job_id, cursor=cursor, shown=watcher.shown).join().text == text
