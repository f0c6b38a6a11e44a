"""Uploads that do not end: a key has a few of them at once, each with little in memory, and the others go on."""

import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from python_multipart.multipart import MultipartParser

from api.access import budget
from api.server import ApiServer
from api.services import Services
from api.submitting import uploads
from jobs.store.database import Database
from jobs.store.keys import create_key
from tests.api.callers import calling
from tests.api.file_serving import folder, upload
from tests.api.watching import wait_until
from tests.attacks.test_connections import everything_from, is_told_nothing
from tests.conftest import serve_api

__all__ = ["folder"]  # a fixture

MOST = 9
OF_ONE_KEY = MOST // 3


@pytest.fixture
def keys(sqlite_database: Database) -> list[str]:
    """Two keys of the attacker's project and one of another project."""
    return [create_key(sqlite_database, project=project)[1] for project in ("attacker", "attacker", "other")]


@pytest.fixture
def files_api(
    sqlite_url: str, redis_url: str, folder: Path, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[ApiServer]:
    """An API that takes nine uploads at once."""
    monkeypatch.setattr(budget, "MOST_UPLOADS", MOST)
    with serve_api(sqlite_url, redis_url, files=folder) as server:
        yield server


def services_of(server: ApiServer) -> Services:
    services: Services = server.config.app.state.services  # type: ignore[union-attr]  # FastAPI's
    return services


def begin_upload(server: ApiServer, key: str, size: int, boundary: str = "x") -> socket.socket:
    """The head of an upload and so many bytes of its file, and not its end."""
    line = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    head = f"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Length: 400000000\r\n"
    head += f"Content-Type: multipart/form-data; boundary={boundary}\r\n\r\n--{boundary}\r\n"
    part = 'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    line.sendall((head + part).encode() + b"l" * size)
    return line


def test_a_key_has_a_third_of_the_uploads_at_once_and_the_next_key_and_project_find_room(
    files_api: ApiServer, keys: list[str], folder: Path
) -> None:
    budget = services_of(files_api).upload_budget
    with ExitStack() as lines:
        for _ in range(OF_ONE_KEY):
            lines.enter_context(begin_upload(files_api, keys[0], 1000))
        wait_until(lambda: budget.held == OF_ONE_KEY)
        with closing(begin_upload(files_api, keys[0], 1000)) as refused:
            answer = everything_from(refused)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b'"code":"too_many_uploads"' in answer
        assert b"retry-after: 2" in answer.lower()
        assert len(list(folder.glob("*"))) == OF_ONE_KEY
        for key in keys[1:]:
            with calling(files_api, key) as client:
                assert upload(client).status_code == 200
    wait_until(lambda: budget.held == 0)
    with calling(files_api, keys[0]) as client:
        assert upload(client).status_code == 200
    wait_until(lambda: not list(folder.glob("*.part-*")))


def test_what_came_of_an_upload_is_on_the_disk_and_not_in_memory(
    files_api: ApiServer, keys: list[str], folder: Path
) -> None:
    with closing(begin_upload(files_api, keys[0], 900_000)):
        wait_until(lambda: any(path.stat().st_size > 800_000 for path in folder.glob("*")))


def test_an_upload_whose_client_has_gone_takes_no_more_turns(
    files_api: ApiServer, keys: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, go_on = threading.Event(), threading.Event()
    slices: Counter[bytes] = Counter()

    class SlowParser(MultipartParser):
        def write(self, data: bytes) -> int:
            name = self.boundary.rpartition(b"-")[2]
            slices[name] += 1
            if name == b"slow":
                reading.set()
                assert go_on.wait(60)
            return super().write(data)

    monkeypatch.setattr(uploads, "MultipartParser", SlowParser)
    services = services_of(files_api)
    with closing(begin_upload(files_api, keys[0], 1000, "slow")):
        assert reading.wait(60)  # it has the one turn of its project
        gone = begin_upload(files_api, keys[0], 1_000_000, "gone")
        wait_until(lambda: services.upload_budget.held == 2 and len(list(folder.glob("*"))) == 2)
        wait_until(lambda: services.uploads._by_project["attacker"].statistics().tasks_waiting == 1)
        # Little enough for the system's buffers: its end must have come, and not wait behind what we do not read.
        half = begin_upload(files_api, keys[0], 50_000, "half")
        wait_until(lambda: services.uploads._by_project["attacker"].statistics().tasks_waiting == 2)
        half.shutdown(socket.SHUT_WR)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.close()  # a reset
        go_on.set()
        wait_until(lambda: services.upload_budget.held == 1)
        assert slices == {b"slow": 1, b"gone": 1, b"half": 1}  # that for which each waited already
        assert is_told_nothing(half), "who closes one half has hung up"
        half.close()
        wait_until(lambda: len(list(folder.glob("*"))) == 1)
