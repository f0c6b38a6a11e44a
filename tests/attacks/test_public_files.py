"""What anybody may read without a key is made once, and held once for all who read it slowly."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi import FastAPI

from api.endpoints import page, reference
from api.http.listener import listen
from api.server import ApiServer


def test_the_description_is_made_once_and_not_on_the_event_loop(
    sqlite_api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = FastAPI.openapi

    def count(app: FastAPI) -> dict[str, object]:
        made.append(threading.current_thread().name)
        return make(app)

    monkeypatch.setattr(FastAPI, "openapi", count)
    url = f"http://127.0.0.1:{sqlite_api.port}/openapi.json"
    with ThreadPoolExecutor(20) as asking:  # each of them made it: 50 at once took 48 s of CPU
        answers = list(asking.map(lambda _: httpx.get(url, timeout=60), range(20)))
    answers.append(httpx.get(url, timeout=60))
    assert {answer.json()["info"]["title"] for answer in answers} == {"Longhand"}
    assert len(made) == 1
    assert made != ["api"]  # the thread of the event loop


@pytest.mark.parametrize("name", ["main.js", "index.html"])
def test_all_readers_of_a_file_share_one_copy(name: str) -> None:
    path = page.FOLDER / name
    changed_at = path.stat().st_mtime_ns
    assert page._read(path, changed_at) is page._read(path, changed_at)
    assert reference._read("swagger-ui-bundle.js") is reference._read("swagger-ui-bundle.js")


def test_the_kernel_keeps_little_of_what_a_client_does_not_read() -> None:
    """Left to itself it keeps up to 4 MB for each of them, and no budget counts these."""
    with listen("127.0.0.1", 0, share_port=False) as listener, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listener.getsockname())
        opened, _ = listener.accept()
        with opened:
            opened.setblocking(False)
            taken, size = 0, 1
            while size:
                try:
                    size = opened.send(bytes(65_536))
                except BlockingIOError:
                    size = 0
                taken += size
    assert 0 < taken <= 512 * 1024
