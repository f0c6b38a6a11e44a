"""The processes of Longhand as a test holds them, and how a test waits for something."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from longhand.stack import leash

POLL_SECONDS = 0.03
PATIENCE_SECONDS = 60.0
"""How long tests wait for what must happen, also on a busy machine; nothing is measured with it."""


def wait_until(holds: Callable[[], Any], timeout_seconds: float, what: str) -> Any:
    """Wait until `holds` gives something true, and return that. Raises `TimeoutError`."""
    deadline = time.monotonic() + timeout_seconds
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_seconds} s: {what}")
        time.sleep(POLL_SECONDS)
    return found


class Process:
    """One process of Longhand. It cannot outlive the test, and its log is a file."""

    def __init__(self, name: str, arguments: Sequence[str], environ: Mapping[str, str], directory: Path) -> None:
        self.name = name
        self._log = directory / f"{name}.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, leash.__file__, str(os.getpid()), sys.executable, *arguments],
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environ},
                stdout=log,
                stderr=log,
                cwd=directory,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended; a stopped process is alive."""
        return self._process.poll() is None

    @property
    def log(self) -> str:
        """All that it has logged."""
        return self._log.read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()
        self._process.wait(timeout=10)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def terminate(self) -> None:
        """SIGTERM; see `wait`."""
        self._process.terminate()

    def wait(self, timeout_seconds: float = PATIENCE_SECONDS) -> int:
        """Wait until it has ended; its exit status."""
        return self._process.wait(timeout=timeout_seconds)

    def wait_for_log(self, text: str, timeout_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until a line of its log holds this text. Raises `TimeoutError`, also when the process has ended."""

        def holds() -> bool:
            if text in self.log:
                return True
            if not self.alive:
                raise TimeoutError(f"{self.name} ended without logging {text!r}:\n{self.log[-3000:]}")
            return False

        wait_until(holds, timeout_seconds, f"{text!r} in the log of {self.name}")
