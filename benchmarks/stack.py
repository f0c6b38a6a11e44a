"""The product as its users run it, in processes of its own: Valkey, workers, the API, and a paced upstream."""

import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx
import redis
from sqlalchemy import select

from benchmarks.machine import Meter, resident_bytes
from jobs.store.database import open_database
from jobs.tables import jobs
from longhand.stack import embedded, leash
from longhand.stack.stack import choose_port
from migrations import migrate

PATIENCE_SECONDS = 60.0
_ROOT = Path(__file__).parent.parent


class BenchmarkError(Exception):
    """A figure could not be taken; the message says why."""


def start(command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None, **pipes: Any) -> Any:
    """A process that cannot outlive this one."""
    with log.open("ab") as opened:
        return subprocess.Popen(  # noqa: S603  # the benchmark's own commands
            [sys.executable, leash.__file__, str(os.getpid()), *command],
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(_ROOT), **(environ or {})},
            stderr=opened,
            **{"stdout": opened, **pipes},
        )


def wait_until(holds: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait until `holds` gives something true, and return that."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise BenchmarkError(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)
    return found


def read_line(process: Any, seconds: float = PATIENCE_SECONDS) -> str:
    """The next line that a process writes."""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(seconds):
            raise BenchmarkError(f"process {process.pid} said nothing for {seconds:g} s")
    line: str = process.stdout.readline()
    if not line:
        raise BenchmarkError(f"process {process.pid} ended before it answered")
    return line


class Stack:
    """Use it as a context manager: everything is ended with it. Workers and upstream are started by their methods."""

    def __init__(self, streams: int, *, workers: int = 1, database_url: str | None = None) -> None:
        self._exits = ExitStack()
        self.directory = Path(self._exits.enter_context(tempfile.TemporaryDirectory(prefix="longhand-bench-")))
        self.database_url = database_url or f"sqlite:///{self.directory}/longhand.db"
        self._streams = streams
        self._workers = workers
        self.environ: dict[str, str] = {}
        """What is set for the workers and the API beside the stack's own; complete when the upstream has started."""

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._exits.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def _start(self) -> None:
        migrate(self.database_url)
        self.database = open_database(self.database_url)
        self._exits.callback(self.database.close)
        plan = embedded.plan_valkey(self.directory / "valkey", choose_port("127.0.0.1", 0))
        self.valkey = self.start(plan.command)
        wait_until(lambda: embedded.answers(plan.url), "Valkey answers")
        self.redis_url = plan.url
        self.start_upstream()
        environ = {
            "LONGHAND_HOME": str(self.directory),
            "LONGHAND_DATABASE_URL": self.database_url,
            "LONGHAND_REDIS_URL": plan.url,
            "LONGHAND_UPSTREAM_URL": self.upstream_url,
            "LONGHAND_UPSTREAM_API_KEY": "none",
            "LONGHAND_STREAMS": str(self._streams),
            **self.environ,
        }
        self.workers = [self.start([sys.executable, "-m", "worker"], environ) for _ in range(self._workers)]
        port = choose_port("127.0.0.1", 0)
        self._api_command = [sys.executable, "-m", "api", "--port", str(port)], environ
        self.api = self.start(*self._api_command)
        self.address = ("127.0.0.1", port)
        self.url = f"http://127.0.0.1:{port}"
        self.client = self._exits.enter_context(httpx.Client(base_url=self.url, timeout=120, trust_env=False))
        wait_until(self._answers, "the API answers")
        # What every process loads only when it is first used is not part of any figure.
        self.wait_ended(self.submit([self.request(deltas=50, rate=500)] * 4 * self._workers))

    def restart_api(self) -> None:
        """Kill the API and start it again; returns as soon as it answers."""
        _end(self.api)
        self.api = self.start(*self._api_command)
        wait_until(self._answers, "the API answers again")

    def start_upstream(self) -> None:
        """Start what the workers call, and set `upstream` and `upstream_url`."""
        self.upstream = self.start([sys.executable, "-m", "benchmarks.upstream"], stdout=subprocess.PIPE, text=True)
        self.upstream_url = read_line(self.upstream).split()[1]

    def start(self, command: Sequence[str], environ: Mapping[str, str] | None = None, **pipes: Any) -> Any:
        """A process that ends with the stack. Its log is in the stack's directory."""
        process = start(command, self.directory / "log", environ, **pipes)
        self._exits.callback(_end, process)
        return process

    def _answers(self) -> bool:
        try:
            with socket.create_connection(self.address, timeout=1):
                return self.client.get("/readyz").is_success
        except (OSError, httpx.TransportError):
            return False

    @staticmethod
    def request(*, deltas: int, rate: float, first_delta_seconds: float = 0.0, thinks: bool = False) -> dict[str, Any]:
        """The request of a job of so many deltas, so many a second (0: as fast as they are read); with `thinks` its
        deltas are of a reasoning that never ends.
        """
        return {
            "model": "simulator",
            "messages": [{"role": "user", "content": "Write."}],
            "max_tokens": deltas,
            "simulate": {
                "deltas_per_second": rate,
                "first_delta_seconds": first_delta_seconds,
                **({"reasoning": 1} if thinks else {}),
            },
        }

    def submit(self, requests: Sequence[Mapping[str, Any]]) -> str:
        """Submit a batch; its id."""
        answer = self.client.post("/v1/batches", json={"requests": [{"body": request} for request in requests]})
        if answer.status_code != 202:
            raise BenchmarkError(answer.text)
        return str(answer.json()["id"])

    def ids_of(self, batch_id: str) -> list[str]:
        """The jobs of a batch."""
        with self.database.read() as connection:
            return list(connection.scalars(select(jobs.c.id).where(jobs.c.batch_id == batch_id).order_by(jobs.c.id)))

    def wait_ended(self, batch_id: str, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Wait until a batch has ended; raises unless all of it is completed."""

        def ended() -> dict[str, Any] | None:
            batch: dict[str, Any] = self.client.get(f"/v1/batches/{batch_id}").json()
            return batch if batch["status"] in ("completed", "failed", "expired", "cancelled") else None

        batch: dict[str, Any] = wait_until(ended, f"{batch_id} has ended", seconds)
        if batch["status"] != "completed" or batch["request_counts"]["failed"]:
            raise BenchmarkError(f"not all jobs of the batch completed: {json.dumps(batch)}")
        return batch

    def upstream_stats(self) -> dict[str, Any]:
        """What the upstream has done so far."""
        stats: dict[str, Any] = httpx.get(self.upstream_url.removesuffix("/v1") + "/stats", trust_env=False).json()
        return stats

    def wait_running(self, streams: int) -> None:
        """Wait until so many streams run."""
        wait_until(lambda: self.upstream_stats()["running"] >= streams, f"{streams} streams run")

    def meter(self) -> Meter:
        """A meter of the parts."""
        return Meter(
            {
                "worker": [worker.pid for worker in self.workers],
                "api": [self.api.pid],
                "valkey": [self.valkey.pid],
                "upstream": [self.upstream.pid],
            }
        )

    def flush_redis(self) -> None:
        """Erase all that is in Redis."""
        with redis.Redis.from_url(self.redis_url) as client:
            client.flushall()

    def worker_bytes(self) -> int:
        """Resident memory of the workers."""
        return sum(resident_bytes(worker.pid) for worker in self.workers)


def _end(process: Any) -> None:
    # SIGKILL: nothing of the stack is needed any more, and draining hundreds of streams takes seconds.
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
