"""Behind nginx with its default settings: deltas arrive when they are written, and cursors fit through."""

import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from api.server import ApiServer
from api.watching.batch_cursor import BatchCursor
from jobs.store.database import Database
from jobs.store.keys import create_key
from tests.api.batch_watching import BatchShown, BatchWatcher, submit_jobs
from tests.api.watchers import Shown, WatcherThread
from tests.api.watching import Writer, wait_until
from tests.conftest import free_port

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx is installed here: apt-get install nginx-light")

_CONFIG = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://127.0.0.1:{upstream}; }}
    }}
}}
"""


@contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[int]:
    """An nginx before the API, all its settings as they come; its port."""
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, port=port, upstream=upstream))
    with subprocess.Popen([NGINX or "", "-e", str(folder / "start.log"), "-c", str(config)]) as process:
        try:
            wait_until(lambda: answers(port))
            yield port
        finally:
            process.terminate()
            process.wait(60)


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    except httpx.TransportError:
        return False


class Delays:
    """Of every delta, how long it took: its text begins with the time of its writing."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def take(self, text: str) -> None:
        """Take a text that has just arrived: one delta, or several that were joined."""
        now = time.monotonic()
        self.seconds += [now - float(stamp) for stamp in text.split()]

    def have(self, count: int) -> bool:
        """Whether so many have come."""
        return len(self.seconds) >= count

    def p95(self) -> float:
        """95 of 100 deltas took no longer."""
        return statistics.quantiles(self.seconds, n=20)[-1]


class TimedJob(Shown):
    """What a watcher of a job is shown, and when."""

    def __init__(self, delays: Delays) -> None:
        super().__init__()
        self.delays = delays

    def take(self, name: str, shown: dict[str, Any], cursor: str) -> None:
        super().take(name, shown, cursor)
        if name == "delta":
            self.delays.take(shown["text"])


class TimedBatch(BatchShown):
    """What a watcher of a batch is shown, and when."""

    def __init__(self, delays: Delays) -> None:
        super().__init__()
        self.delays = delays

    def take(self, name: str, shown: dict[str, Any], cursor: str) -> None:
        super().take(name, shown, cursor)
        if name == "deltas":
            for delta in shown["deltas"]:
                self.delays.take(delta["text"])


def write_stamps(writers: list[Writer]) -> None:
    """Let each write the time of its writing."""
    for writer in writers:
        writer.write(f"{time.monotonic():.6f} ")


@pytest.fixture
def key(sqlite_database: Database) -> str:
    """A key, made before the API starts, which remembers for a while that there was none. Without one nginx is refused,
    because it speaks HTTP/1.0.
    """
    return create_key(sqlite_database)[1]


def test_deltas_pass_through_nginx_within_300_ms(
    key: str, sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis, tmp_path: Path
) -> None:
    """What nginx adds: a watcher that goes around it sees how long this machine takes by itself. Each delta is written
    when the one before it has come, so one that nginx kept back would never come.
    """
    direct, of_job, of_batch = Delays(), Delays(), Delays()
    batch_id, ids = submit_jobs(sqlite_database, 2)
    with nginx(tmp_path, sqlite_api.port) as port:
        batch_watcher = BatchWatcher(port, batch_id, shown=TimedBatch(of_batch), key=key)
        batch_watcher.wait_for(lambda shown: len(shown.jobs) == 2)
        writers = [Writer(sqlite_database, valkey_client, job_id) for job_id in ids]
        job_watcher = WatcherThread(port, ids[0], shown=TimedJob(of_job), key=key)
        direct_watcher = WatcherThread(sqlite_api.port, ids[0], shown=TimedJob(direct), key=key)
        for watcher in (job_watcher, direct_watcher):
            watcher.wait_for(lambda shown: shown.attempt == 1)
        batch_watcher.wait_for(lambda shown: {job["status"] for job in shown.jobs.values()} == {"in_progress"})
        for number in range(1, 201):
            write_stamps(writers)
            for delays, count in ((direct, number), (of_job, number), (of_batch, 2 * number)):
                wait_until(partial(delays.have, count))
        for writer in writers:
            writer.finish()
        for watcher in (job_watcher, direct_watcher, batch_watcher):
            assert watcher.join().done is not None
    assert of_job.p95() < direct.p95() + 0.3
    assert of_batch.p95() < direct.p95() + 0.3


def test_the_longest_cursor_passes_through_nginx(
    key: str, sqlite_api: ApiServer, sqlite_database: Database, tmp_path: Path
) -> None:
    batch_id, _ = submit_jobs(sqlite_database, 1)
    authorized = {"Authorization": f"Bearer {key}"}
    cursor = BatchCursor(deltas=True, listed=50_000, under_way=[(place, 3, 30_000, 0) for place in range(0, 50_000, 2)])
    encoded = cursor.encode()
    assert len(encoded) > 7400
    with nginx(tmp_path, sqlite_api.port) as port:
        url = f"http://127.0.0.1:{port}/v1/batches/{batch_id}/events"
        with httpx.stream(
            "GET", url, params={"deltas": "true"}, headers={**authorized, "Last-Event-ID": encoded}
        ) as answer:
            assert answer.status_code == 200
        query = {"deltas": "true", "last_event_id": encoded}
        with httpx.stream("GET", url, params=query, headers=authorized) as answer:
            assert answer.status_code == 200
