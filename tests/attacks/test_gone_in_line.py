"""Clients that ask and hang up: what they have asked for is not done when its turn comes."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from functools import partial
from inspect import ismodule
from typing import get_args

import httpx
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from api import main
from api.access import turns
from api.access.turns import Client, Turns
from api.endpoints import query
from api.server import ApiServer
from api.services import Services
from api.submitting import inputs
from api.submitting.bodies import NO_BODY, BatchBody, JobBody, SmallBody
from api.submitting.input_files import check_lines
from jobs.model.records import Job
from jobs.store.search import list_jobs
from tests.api.watching import PATIENCE_SECONDS, wait_until
from tests.attacks.test_connections import everything_from, is_told_nothing

GONE = 50
BODY_READERS = {NO_BODY.dependency, *(get_args(kind)[1].dependency for kind in (JobBody, BatchBody, SmallBody))}


def test_a_search_whose_client_has_gone_is_not_made(
    sqlite_api: ApiServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Before, 22,000 waited in memory for 60 clients, and another search of their project had no answer in a minute."""
    begun, go_on = threading.Semaphore(0), threading.Event()
    made = 0

    def slow(*arguments: object, **named: object) -> tuple[list[Job], bool]:
        nonlocal made
        made += 1
        begun.release()
        assert go_on.wait(PATIENCE_SECONDS)
        return list_jobs(*arguments, **named)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(query, "list_jobs", slow)
    services: Services = sqlite_api.config.app.state.services  # type: ignore[union-attr]  # FastAPI's
    waiting = partial(in_line, services)
    first = ask(sqlite_api)
    assert begun.acquire(timeout=PATIENCE_SECONDS)
    others = [ask(sqlite_api) for _ in range(GONE)]
    wait_until(lambda: waiting() == GONE)
    others[0].shutdown(socket.SHUT_WR)
    for line in others[1:]:
        line.close()
    assert waiting() == GONE, "nobody has looked yet"
    last = threading.Thread(target=httpx.get, args=[f"http://127.0.0.1:{sqlite_api.port}/v1/jobs?q=tea"])
    last.start()
    wait_until(lambda: waiting() == GONE + 1)
    go_on.set()
    last.join(PATIENCE_SECONDS)
    assert not last.is_alive()
    assert made == 2, "the first, whose client waits, and the last"
    assert first.recv(15) == b"HTTP/1.1 200 OK"
    assert is_told_nothing(others[0]), "who closes one half has hung up, too"
    assert "ERROR" not in caplog.text
    first.close()
    others[0].close()


def test_what_somebody_has_ordered_and_hung_up_is_done_unless_the_line_is_very_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before, 40 clients that cancelled and hung up had 60,000 in line, and their project waited for minutes."""
    monkeypatch.setattr(turns, "MOST_GONE", 3)
    done, go_on = list[int](), threading.Event()

    def work(number: int) -> None:
        assert go_on.wait(PATIENCE_SECONDS)
        done.append(number)

    async def order() -> list[BaseException | None]:
        of_clients = Turns(1, of_one=1, of_clients=True)
        turns.CLIENT.set(Client(only_reads=False, has_gone=lambda: True))
        tasks = [asyncio.create_task(of_clients.run(work, number)) for number in range(8)]
        await asyncio.sleep(0)  # each stands in line
        assert of_clients._by_project[""].statistics().tasks_waiting == 7
        go_on.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(order())
    assert done == [5, 6, 7]
    assert [type(result) for result in results] == [*[ClientDisconnect] * 5, *[type(None)] * 3]


def test_a_file_is_looked_at_no_longer_than_its_client_waits(
    sqlite_api: ApiServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Before, six clients that hung up after half a second kept a core busy for more than a minute."""
    begun, go_on, ends = threading.Event(), threading.Event(), list[BaseException]()

    def look(*arguments: object, **named: object) -> Iterator[object]:
        lines = check_lines(*arguments, **named)  # type: ignore[arg-type]  # as they came
        try:
            yield next(lines)
            begun.set()
            assert go_on.wait(PATIENCE_SECONDS)
            yield from lines
        except BaseException as error:
            ends.append(error)
            raise

    monkeypatch.setattr(inputs, "check_lines", look)
    address, row = ("127.0.0.1", sqlite_api.port), b'{"prompt": "tea"}\n'
    form = {"file": ("a.jsonl", row * 40_000)}
    file = httpx.post(f"http://{address[0]}:{address[1]}/v1/files", files=form, data={"purpose": "batch"}).json()
    body = json.dumps({"input_file_id": file["id"], "defaults": {"model": "m"}, "input": {}}).encode()
    line = socket.create_connection(address, timeout=PATIENCE_SECONDS)
    line.sendall(b"POST /v1/inputs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
    line.sendall(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert begun.wait(PATIENCE_SECONDS)
    line.close()
    go_on.set()
    wait_until(lambda: bool(ends))
    assert isinstance(ends[0], ClientDisconnect)
    assert "ERROR" not in caplog.text


def test_every_request_without_a_body_is_refused_one(sqlite_api: ApiServer) -> None:
    """Of a POST, too: where it waited for its turn, up to 320 KiB of each were kept and counted by nobody."""
    routers = [module.routes for module in vars(main).values() if ismodule(module) and hasattr(module, "routes")]
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    unread = {route.path for route in routes if "POST" in (route.methods or ()) and not reads_body(route.dependant)}
    assert len(routes) > 40
    assert unread == {"/v1/files"}, "which reads its form itself"
    head = b"POST /v1/jobs/job_1/cancel HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", sqlite_api.port), timeout=PATIENCE_SECONDS) as line:
        line.sendall(head + b" " * 30_000)
        assert everything_from(line).startswith(b"HTTP/1.1 413 ")


def reads_body(dependant: Dependant) -> bool:
    return dependant.call in BODY_READERS or any(map(reads_body, dependant.dependencies))


def ask(server: ApiServer) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS)
    line.sendall(b"GET /v1/jobs?q=tea HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return line


def in_line(services: Services) -> int:
    """How many searches wait for their turn."""
    return sum(own.statistics().tasks_waiting for own in services.searches._by_project.values())
