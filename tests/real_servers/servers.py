"""Starts the servers, each from the Python of a virtual environment of its own, with a tiny random model."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.stack.running_up import ROOT

START_SECONDS = 120.0
END_SECONDS = 20.0
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
    log = folder / f"{server.name}.log"
    with log.open("wb") as output:
        # Its leash ends it with this process, however that ends.
        leash = [sys.executable, str(ROOT / "longhand/stack/leash.py"), str(os.getpid())]
        process = subprocess.Popen(
            [*leash, *command],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_it_answers(process, port, log)
        yield Running(port, server.model)
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/v1/models", trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    last_lines = log.read_text(errors="replace").strip().splitlines()[-5:]
    raise RuntimeError(f"the server did not start; its log {log} ends so:\n" + "\n".join(last_lines))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
