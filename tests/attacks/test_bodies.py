"""Bodies that lack their last byte: together they take no more memory than the budget, and the others go on."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest

from api.access.budget import FREE_BYTES, Budget, HeldBytes, body_budget
from api.http import protocol
from api.http.errors import ApiError
from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.keys import create_key
from tests.api.watching import wait_until
from tests.attacks.test_connections import everything_from
from tests.conftest import serve_api

MOST = 1024 * 1024
JOB = {"model": "m", "messages": [{"role": "user", "content": "x" * 4 * FREE_BYTES}]}


@pytest.fixture
def keys(sqlite_database: Database) -> tuple[str, str]:
    """The attacker's and another one's."""
    attackers, others = (create_key(sqlite_database, name=name)[1] for name in ("attacker", "other"))
    return attackers, others


@pytest.fixture
def small_api(sqlite_url: str, redis_url: str, keys: tuple[str, str]) -> Iterator[ApiServer]:
    """An API whose largest body is a megabyte."""
    with serve_api(sqlite_url, redis_url, max_body_bytes=MOST) as server:
        yield server


def budget_of(server: ApiServer) -> Budget:
    budget: Budget = server.config.app.state.services.body_budget  # type: ignore[union-attr]  # FastAPI's
    return budget


def send_all_but_one_byte(server: ApiServer, key: str, path: str = "/v1/batches", length: int = MOST) -> socket.socket:
    """A body, of a megabyte, without its end. What the API does not read any more is not sent."""
    line = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
    line.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode())
    with suppress(BrokenPipeError, ConnectionResetError):
        line.sendall(b" " * (length - 1))
    return line


def test_bodies_without_an_end_take_half_of_the_budget_at_most(small_api: ApiServer, keys: tuple[str, str]) -> None:
    budget = budget_of(small_api)
    with ExitStack() as lines:
        for _ in range(2):
            lines.enter_context(send_all_but_one_byte(small_api, keys[0]))
        wait_until(lambda: budget.held == 2 * (MOST - 1 - FREE_BYTES))  # they fill the half
        more = [lines.enter_context(send_all_but_one_byte(small_api, keys[0])) for _ in range(18)]
        for line in more:
            assert b"too_many_bodies" in everything_from(line)
        assert MOST < budget.held <= budget.most // 2
        with httpx.Client(base_url=f"http://127.0.0.1:{small_api.port}") as client:
            mine = client.post("/v1/jobs", json=JOB, headers={"Authorization": f"Bearer {keys[0]}"})
            assert (mine.status_code, mine.headers["retry-after"]) == (503, "2")
            small = client.post("/v1/jobs", json=JOB | {"messages": []}, headers={"Authorization": f"Bearer {keys[0]}"})
            assert small.status_code == 400  # it was read
            others = client.post("/v1/jobs", json=JOB, headers={"Authorization": f"Bearer {keys[1]}"})
            assert others.status_code == 202
    wait_until(lambda: budget.held == 0)


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/inputs", "/v1/watch_tokens", "/v1/webhooks"])
def test_a_small_body_without_an_end_counts_as_well(small_api: ApiServer, keys: tuple[str, str], path: str) -> None:
    budget = budget_of(small_api)
    with send_all_but_one_byte(small_api, keys[0], path, 64 * 1024):
        wait_until(lambda: budget.held == 64 * 1024 - 1 - FREE_BYTES)
    wait_until(lambda: budget.held == 0)


def test_bodies_that_stop_coming_give_their_room_back(
    small_api: ApiServer, keys: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.5)
    budget = budget_of(small_api)
    with send_all_but_one_byte(small_api, keys[0]) as line:
        assert b"body_too_slow" in everything_from(line)
        wait_until(lambda: budget.held == 0)
    answer = httpx.post(
        f"http://127.0.0.1:{small_api.port}/v1/jobs", json=JOB, headers={"Authorization": f"Bearer {keys[0]}"}
    )
    assert answer.status_code == 202
    wait_until(lambda: budget.held == 0)


def test_however_many_hold_what_they_may_the_next_finds_room() -> None:
    budget = body_budget(2_000)
    holding: list[HeldBytes] = []

    def fill(project: str, key_id: str) -> int:
        """As many as it may have, in pieces of one byte."""
        held = budget.open((project, key_id))
        holding.append(held)
        held.add(FREE_BYTES)
        for taken in range(budget.most):
            try:
                held.add(1)
            except ApiError:
                return taken
        raise AssertionError("it has them all")

    assert fill("red", "one") == 4_000 == budget.most_of_one
    assert fill("red", "two") == 2_000  # so red has half
    assert fill("red", "three") == 0
    assert [fill(project, "one") for project in ("blue", "green", "white")] == [2_000, 1_333, 889]
    for held in holding:
        held.release()
        held.release()
    assert budget.held == 0
