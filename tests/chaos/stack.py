"""Longhand as it is deployed: real worker and API processes, with a fault proxy before all that they talk to."""

import json
import re
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import redis as redis_py
from sqlalchemy import make_url, text

from jobs.dispatch.queue import QUEUE
from jobs.store.database import open_database
from tests.chaos.fault_proxy import FaultProxy, faults_before
from tests.chaos.listening import Listener
from tests.chaos.processes import POLL_SECONDS, Process
from tests.chaos.rows import Rows
from tests.chaos.watching import Watcher

QUICK = {"LONGHAND_LEASE_SECONDS": "3", "LONGHAND_HEARTBEAT_SECONDS": "1", "LONGHAND_HINT_SECONDS": "4"}
"""A fifth of the default lease and heartbeat: the ratio stays, and a test need not wait for 15 s."""


class Stack(Rows):
    """Workers and APIs over one database, one Redis and one upstream. Use it as a context manager.

    Workers and APIs reach Redis and (PostgreSQL only) the database through proxies of their own, so that a fault can
    hit the ones and not the others. The test itself reads the database directly.
    """

    def __init__(self, directory: Path, database_url: str, redis_url: str, upstream_url: str) -> None:
        super().__init__(open_database(database_url))
        self.directory = directory
        self.upstream_url = upstream_url
        self.processes: list[Process] = []
        self.watchers: list[Watcher] = []
        self._numbers = count(1)
        self._exits = ExitStack()
        self._database_url = database_url
        self._redis_at = make_url(redis_url)
        self.worker_redis = self._redis_proxy()
        self.api_redis = self._redis_proxy()
        self.worker_database = self._database_proxy()
        self.api_database = self._database_proxy()
        self.api_url = ""
        self.redis = self._exits.enter_context(redis_py.Redis.from_url(redis_url))
        """A client that goes around the proxies."""
        self._client = self._exits.enter_context(httpx.Client(timeout=90))

    def __enter__(self) -> "Stack":
        return self

    def __exit__(self, *_: object) -> None:
        for watcher in self.watchers:
            watcher.stop()
        for process in self.processes:
            if process.alive:
                process.kill()
        for watcher in self.watchers:
            watcher.join(timeout=10)
        self._exits.close()
        self.database.close()

    # Processes.

    def start_worker(self, **settings: str) -> Process:
        """A worker process; with `CHAOS_` settings one that ends itself, see `crash_worker`. Waits until it is up."""
        chaos = any(name.startswith("CHAOS_") for name in settings)
        environ = self._environ(self.worker_redis, self.worker_database, settings)
        process = self._start("worker", ["-m", "tests.chaos.crash_worker" if chaos else "worker"], environ)
        process.wait_for_log("takes up to")
        return process

    def start_api(self, **settings: str) -> Process:
        """An API process. Waits until it serves; `api_url` is then the latest one's."""
        environ = self._environ(self.api_redis, self.api_database, settings)
        process = self._start("api", ["-m", "api", "--port", "0"], environ)
        process.wait_for_log("Application startup complete")
        found = re.search(r"listening on (http://\S+)", process.log)
        assert found is not None, process.log
        self.api_url = found[1]
        return process

    def freeze(self, worker: Process) -> None:
        """SIGSTOP to a worker outside its transactions (PostgreSQL only): what it had locked would stay so until the
        database gives up its connection, after 30 s.
        """
        busy = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
            " AND pid <> pg_backend_pid()"
        )

        def is_idle() -> bool:
            time.sleep(POLL_SECONDS)  # what it has sent may still be on its way to the database
            with self.database.read() as connection:
                return not connection.scalar(busy)

        worker.send(signal.SIGSTOP)
        while not all(is_idle() for _ in range(5)):
            worker.send(signal.SIGCONT)
            time.sleep(POLL_SECONDS)
            worker.send(signal.SIGSTOP)

    def restart_api(self) -> Process:
        """An API process in the place of one that died: watchers find it."""
        process = self.start_api()
        for watcher in self.watchers:
            watcher.url = self.api_url
        return process

    # What a client does.

    def submit(self, requests: Sequence[Mapping[str, Any]], **fields: Any) -> list[str]:
        """Submit a batch; the ids of its jobs in input order."""
        return self.ids_of(self.submit_batch(requests, **fields))

    def submit_batch(self, requests: Sequence[Mapping[str, Any]], **fields: Any) -> str:
        """Submit a batch; its id."""
        body = {"requests": [{"body": request} for request in requests], **fields}
        # With ASCII escapes, half a surrogate pair can be sent.
        content, headers = json.dumps(body), {"content-type": "application/json"}
        response = self._client.post(f"{self.api_url}/v1/batches", content=content, headers=headers)
        assert response.status_code == 202, response.text
        return str(response.json()["id"])

    def cancel(self, job_id: str) -> httpx.Response:
        """Cancel a job."""
        return self._client.post(f"{self.api_url}/v1/jobs/{job_id}/cancel")

    def watch(self, job_ids: Iterable[str]) -> list[Watcher]:
        """A watcher for each of these jobs; they have begun when this returns."""
        started = [self.begin_to_watch(job_id) for job_id in job_ids]
        for watcher in started:
            watcher.wait_begun()
        return started

    def begin_to_watch(self, job_id: str) -> Watcher:
        """A watcher that may not have heard anything yet."""
        watcher = Watcher(self.api_url, job_id)
        self.watchers.append(watcher)
        watcher.start()
        return watcher

    # What Redis says.

    def listen(self, *resource_ids: str) -> Listener:
        """Hear the bare channels of these jobs, around the proxies."""
        listener = Listener(self.redis, resource_ids)
        self._exits.callback(listener.close)
        return listener

    def waiting_hints(self) -> int:
        """How many hints are in the queue."""
        return int(self.redis.llen(f"longhand:{QUEUE}"))

    # How it is made.

    def _start(self, name: str, arguments: Sequence[str], environ: Mapping[str, str]) -> Process:
        process = Process(f"{name}-{next(self._numbers)}", arguments, environ, self.directory)
        self.processes.append(process)
        return process

    def _environ(self, redis: FaultProxy, database: FaultProxy | None, more: Mapping[str, str]) -> dict[str, str]:
        return {
            "LONGHAND_DATABASE_URL": self._through(database),
            "LONGHAND_REDIS_URL": f"redis://127.0.0.1:{redis.port}/0",
            "LONGHAND_UPSTREAM_URL": self.upstream_url,
            **more,
        }

    def _redis_proxy(self) -> FaultProxy:
        target = (self._redis_at.host or "127.0.0.1", self._redis_at.port or 6379)
        return self._exits.enter_context(faults_before(target))

    def _database_proxy(self) -> FaultProxy | None:
        url = make_url(self._database_url)
        if url.get_backend_name() == "sqlite":
            return None
        socket = f"{url.query['host']}/.s.PGSQL.{url.port or 5432}"
        return self._exits.enter_context(faults_before(socket))

    def _through(self, proxy: FaultProxy | None) -> str:
        if proxy is None:
            return self._database_url
        url = make_url(self._database_url).set(host="127.0.0.1", port=proxy.port)
        return url.difference_update_query(["host"]).render_as_string(hide_password=False)
