"""`python -m worker` as a real process: started with settings of its own, listened to, and ended."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from jobs.dispatch.queue import make_celery, send_hints
from tests.worker.worker_fixtures import PATIENCE_SECONDS


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
