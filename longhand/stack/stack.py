"""The whole stack on one machine, as `longhand up` runs it: starts Valkey, the workers and the API, and ends them."""

import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from errno import EADDRINUSE
from pathlib import Path

import httpx
from sqlalchemy.exc import SQLAlchemyError

from jobs.settings import Settings
from longhand.client.errors import StackError, first_line
from longhand.stack import embedded
from longhand.stack.dead_workers import give_back_jobs
from longhand.stack.signals import StopSignals
from longhand.stack.supervisor import Child, Supervisor, describe_end
from longhand.words.catalogue import t, translated
from migrations import migrate

_START_SECONDS = 60.0
_LOOK_SECONDS = 0.05
_MARGIN_SECONDS = 2.0
"""How much longer than its grace a process may take to end before it is killed."""
_VALKEY_END_SECONDS = 10.0
_REWRITE_SECONDS = 60.0
"""A text stays in Valkey's file for so long after it has left Valkey."""


class StackStoppedError(Exception):
    """A signal to end came before the stack was ready."""


@dataclass(slots=True)
class Stack:
    """The processes of one stack. `start`, then `run` until a signal, and `end` in any case."""

    settings: Settings
    home: Path
    host: str
    port: int
    workers: int
    api_workers: int
    signals: StopSignals
    supervisor: Supervisor
    redis_url: str = ""
    valkey: Child | None = None
    services: list[Child] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where the API answers, as seen from this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)  # noqa: S104  # read, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def start(self) -> None:
        """Start everything; returns when the API is ready. Raises `StackError`, or `StackStoppedError` for a signal."""
        self.port = choose_port(self.host, self.port)
        self.redis_url = self.settings.redis_url or self.start_valkey()
        try:
            migrate(self.settings.database)
        except SQLAlchemyError as error:
            raise StackError(t("up.database_unusable", why=first_line(error))) from None
        environ = child_environ(
            {
                "LONGHAND_HOME": str(self.home),
                "LONGHAND_REDIS_URL": self.redis_url,
                "LONGHAND_DATABASE_URL": self.settings.database,
            }
        )
        logs = self.home / "logs"
        for number in range(1, self.workers + 1):
            name = f"worker-{number}"
            own = {**environ, **self._metrics_port(number)}
            self.services.append(
                self.supervisor.start(name, python("worker"), own, logs / f"{name}.log", self._give_back_jobs)
            )
        command = python("longhand", "api", "--host", self.host, "--port", str(self.port))
        if self.api_workers > 1:
            command.append("--share-port")
        for number in range(1, self.api_workers + 1):
            name = "api" if self.api_workers == 1 else f"api-{number}"
            self.services.append(self.supervisor.start(name, command, environ, logs / f"{name}.log"))
        wait_until_ready(self.url, self.services, self._wait)

    def run(self) -> None:
        """Keep every process running until a signal to end comes."""
        rewrite_at = time.monotonic()
        while not self.signals.stopped:
            self.supervisor.revive()
            if self.valkey is not None and time.monotonic() >= rewrite_at:
                embedded.rewrite_file(self.redis_url)
                rewrite_at = time.monotonic() + _REWRITE_SECONDS
            self.signals.wait(self.supervisor.seconds_until_due(at_most=_REWRITE_SECONDS))

    def end(self) -> None:
        """End the API and the workers, which have their grace to release their jobs; then end Valkey."""
        self.supervisor.end(self.services, self.settings.grace_seconds + _MARGIN_SECONDS)
        self.supervisor.end_all(_VALKEY_END_SECONDS)

    def start_valkey(self) -> str:
        """Start the embedded Valkey and wait until it answers. Returns its URL."""
        directory = self.home / "valkey"
        for _ in range(5):
            plan = embedded.plan_valkey(directory, choose_port("127.0.0.1", 0))
            log = self.home / "logs" / "valkey.log"
            child = self.supervisor.start("valkey", plan.command, dict(os.environ), log)
            deadline = time.monotonic() + _START_SECONDS
            while _runs(child) and time.monotonic() < deadline:
                if embedded.answers(plan.url):
                    self.valkey = child
                    return plan.url
                self._wait()
            last_line = child.last_log_line()
            self.supervisor.end([child], 1)
            if "Failed listening" in last_line:
                continue  # somebody took the port after it was chosen
            if not embedded.set_aside(directory):
                break
            self.supervisor.report(t("up.valkey_empty", why=last_line))
        raise StackError(t("up.valkey_failed", why=last_line, log=log))

    def _give_back_jobs(self, pid: int, mark: str) -> None:
        give_back_jobs(self.settings.database, self.redis_url, pid, mark)

    def _metrics_port(self, number: int) -> dict[str, str]:
        """Each worker serves its metrics on another port."""
        first = self.settings.worker_metrics_port
        return {"LONGHAND_WORKER_METRICS_PORT": str(first + number - 1)} if first else {}

    def _wait(self) -> None:
        self.signals.wait(_LOOK_SECONDS)
        if self.signals.stopped:
            raise StackStoppedError


def choose_port(host: str, port: int) -> int:
    """The port to listen on: `port`, or a free one if that is 0. Raises `StackError` if nothing can listen there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the server does: a port is free although its last connections are still in TIME_WAIT.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            if port == 0:
                return int(probe.getsockname()[1])
            probe.listen()
    except OSError as error:
        said = t("up.cannot_listen", host=host, port=port, why=translated(str(error.strerror)))
        free = _free_port_after(host, port) if error.errno == EADDRINUSE else None
        raise StackError(said + t("up.free_port", port=free) if free else said) from None
    return port


def _free_port_after(host: str, port: int) -> int | None:
    """One that is easy to remember, and that nothing listens on at this moment."""
    for near in range(port + 1, min(port + 50, 65_536)):
        with suppress(OSError), socket.create_server((host, near)):
            return near
    return None


def wait_until_ready(url: str, children: list[Child], wait: Callable[[], None]) -> None:
    """Wait until `/readyz` succeeds. Raises `StackError` if a child dies before that, or if it takes too long."""
    deadline = time.monotonic() + _START_SECONDS
    why = t("up.no_answer")
    with httpx.Client(base_url=url, trust_env=False, timeout=5) as client:
        while time.monotonic() < deadline:
            for child in children:
                if not _runs(child):
                    code = child.running.returncode if child.running else 0
                    last_line = child.last_log_line()
                    how = describe_end(code)
                    raise StackError(t("up.child_ended", name=child.name, how=how, why=last_line, log=child.log))
            try:
                response = client.get("/readyz")
                if response.is_success:
                    return
                why = f"{response.status_code} {response.text[:200]}"
            except httpx.TransportError as error:
                why = str(error)
            wait()
    raise StackError(t("up.not_ready", url=url, seconds=f"{_START_SECONDS:g}", why=why))


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs one of our modules. `-P`: a `worker.py` in the user's folder must not be taken for ours."""
    return [sys.executable, "-P", "-m", module, *arguments]


def child_environ(changes: Mapping[str, str]) -> dict[str, str]:
    """This environment with `changes`, for a child that must find the same code."""
    environ = {**os.environ, **changes, "PYTHONUNBUFFERED": "1"}
    root = Path(__file__).parents[2]
    if (root / "pyproject.toml").exists():
        # Run from the sources, perhaps without being installed: `-P` hides them from a child that is started there.
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")]))
    return environ


def _runs(child: Child) -> bool:
    return child.running is not None and child.running.poll() is None
