"""Starts the servers, each from the Python of a virtual environment of its own, with a tiny random model."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.stack.running_up import ROOT

START_SECONDS = 120.0
END_SECONDS = 20.0
AWAY_SECONDS = 5.0
"""How long a server that is restarted is not there, before it begins to start."""
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Server:
    """A kind of server: how its model is made and how it is started, with nothing set but the port and the model."""

    name: str
    maker: str
    model: str
    """Its file or folder, and its name in requests: the server runs in the folder where it lies."""
    needs_model: bool
    """The model is named when the server starts, and not by each request alone."""
    module: tuple[str, ...]
    packages: str
    """What `pip install` must be given."""


SERVERS = {
    server.name: server
    for server in (
        Server(
            name="transformers",
            maker="make_transformers.py",
            model="tiny-random",
            needs_model=False,
            module=("-c", "from transformers.cli.transformers import main; main()", "serve"),
            packages="torch 'transformers[serving]'",
        ),
        Server(
            name="llama-cpp-python",
            maker="make_gguf.py",
            model="tiny-random.gguf",
            needs_model=True,
            module=("-m", "llama_cpp.server"),
            packages="'llama-cpp-python[server]' gguf",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    port: int
    model: str
    """As a request names it."""
    restart: Callable[[], None]
    """Kills it in the middle of whatever it writes, leaves it away for a while, and starts it again."""


@contextmanager
def running_server(server: Server, python: Path, folder: Path) -> Iterator[Running]:
    """Make the model, start the server, wait until it answers, and end it."""
    environ = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    maker = [str(python), str(HERE / server.maker), server.model]
    subprocess.run(maker, cwd=folder, env=environ, check=True, stderr=subprocess.DEVNULL)
    port = _free_port()
    command = [str(python), *server.module, "--port", str(port)]
    if server.needs_model:
        command += ["--model", server.model]
    running = _Process(command, environ, folder / f"{server.name}.log", port)

    def restart() -> None:
        running.end(kill=True)
        time.sleep(AWAY_SECONDS)
        running.start()

    try:
        running.start()
        yield Running(port, server.model, restart)
    finally:
        running.end()


class _Process:
    def __init__(self, command: list[str], environ: Mapping[str, str], log: Path, port: int) -> None:
        # Its leash ends it with this process, however that ends.
        self._command = [sys.executable, str(ROOT / "longhand/stack/leash.py"), str(os.getpid()), *command]
        self._environ = environ
        self._log = log
        self._port = port
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as output:
            self._running = subprocess.Popen(
                self._command,
                cwd=self._log.parent,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_it_answers(self._running)

    def end(self, *, kill: bool = False) -> None:
        if self._running is None:
            return
        self._running.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            self._running.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"http://127.0.0.1:{self._port}/v1/models", trust_env=False).is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        last_lines = self._log.read_text(errors="replace").strip().splitlines()[-5:]
        raise RuntimeError(f"the server did not start; its log {self._log} ends so:\n" + "\n".join(last_lines))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
