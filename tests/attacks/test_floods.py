"""Hundreds of connections that ask again as soon as they are answered keep nobody waiting but themselves."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
import pytest

from api.access.keyring import Keyring
from api.callers.asker import asker_of
from api.http.request_turns import BEGUN_AT_ONCE, Asker, RequestTurns
from jobs.store.database import Database
from jobs.store.keys import create_key
from tests.api.callers import calling
from tests.api.watching import wait_until
from tests.conftest import serve_api

FLOODING = 200


@contextmanager
def flood(port: int, path: str, key: str = "") -> Iterator[None]:
    """Another process floods this path, by the time that all its connections are open."""
    command = [sys.executable, "-m", "tests.attacks.flood", str(port), path, str(FLOODING), *[key][: len(key)]]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"all ask\n"
            yield
        finally:
            process.kill()


@pytest.mark.processes
@pytest.mark.parametrize(("path", "with_key"), [("/v1/jobs", False), ("/v1/me", True)])
def test_a_flood_of_requests_delays_another_project_by_a_few_answers(
    sqlite_url: str, redis_url: str, sqlite_database: Database, path: str, with_key: bool
) -> None:
    """All of them were answered in each turn of the loop, and a request needs up to eight turns."""
    red = create_key(sqlite_database, project="red")[1] if with_key else ""
    blue = create_key(sqlite_database, project="blue")[1]
    with serve_api(sqlite_url, redis_url) as api, calling(api, blue) as client:
        answered = api.server_state
        assert client.get("/v1/jobs").status_code == 200
        with flood(api.port, path, red):
            began = answered.total_requests
            wait_until(lambda: answered.total_requests > began + 2 * FLOODING)
            before = answered.total_requests
            assert client.get("/v1/jobs").status_code == 200
            meanwhile = answered.total_requests - before
            assert httpx.get(client.base_url.join("/healthz"), timeout=60).status_code == 200
    assert meanwhile < FLOODING


RED, BLUE = Asker("project", "red"), Asker("project", "blue")
NEAR, FAR = Asker("stranger", "192.0.2.7"), Asker("stranger", "192.0.2.8")


def begun_in_turns(*asking: Asker) -> list[list[str]]:
    """Whose requests are begun in each turn of the loop, if all of these come in the first one."""

    async def begin() -> list[list[str]]:
        turns, begun, now = RequestTurns(), [], list[str]()
        for asker in asking:
            turns.take(asker, partial(now.append, asker.name))
        while now:
            begun.append(now[:])
            now.clear()
            await asyncio.sleep(0)
        turns.take(RED, lambda: now.append("at once"))
        return [*begun, now]

    return asyncio.run(begin())


def test_a_few_requests_are_begun_in_one_turn_of_the_loop_and_the_askers_take_turns() -> None:
    assert BEGUN_AT_ONCE == 4
    turns = begun_in_turns(*[RED] * 10, BLUE)
    assert turns == [["red"] * 4, ["blue", *["red"] * 3], ["red"] * 3, ["at once"]]


def test_however_many_addresses_ask_projects_and_checks_are_not_behind_them() -> None:
    """Who has one IPv6 address may have 65,536 networks of them."""
    addresses = [Asker("stranger", f"2001:db8:{number:x}::/48") for number in range(100)]
    turns = begun_in_turns(*addresses, *[RED] * 3, *[BLUE] * 3, Asker("check", "192.0.2.7"))
    assert turns[1] == ["red", "blue", "192.0.2.7", addresses[4].name]
    assert turns[2] == ["red", "blue", addresses[5].name, "red"]


def test_a_request_that_cannot_be_begun_keeps_no_other_waiting() -> None:
    def fail() -> None:
        raise RuntimeError("it cannot be begun")

    async def begin() -> list[str]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: begun.append(str(context["exception"])))
        turns = RequestTurns()
        for _ in range(4):
            turns.take(RED, lambda: None)
        turns.take(RED, fail)
        turns.take(RED, lambda: begun.append("begun"))
        for _ in range(4):
            await asyncio.sleep(0)
        return begun

    begun: list[str] = []
    assert asyncio.run(begin()) == ["it cannot be begun", "begun"]


def test_strangers_take_turns_by_their_addresses() -> None:
    assert begun_in_turns(*[NEAR] * 6, FAR) == [[NEAR.name] * 4, [FAR.name, NEAR.name, NEAR.name], ["at once"]]


@pytest.mark.parametrize(
    ("client", "path", "asker"),
    [
        (("192.0.2.7", 1), "/v1/jobs", NEAR),
        (("192.0.2.7", 1), "/healthz", Asker("check", "192.0.2.7")),
        (("2001:db8::1:2:3:4", 1), "/", Asker("stranger", "2001:db8::/48")),
        (None, "/", Asker("stranger", "a socket")),
    ],
)
def test_who_is_not_known_asks_in_turn_with_all_of_the_same_address(
    sqlite_database: Database, client: tuple[str, int] | None, path: str, asker: Asker
) -> None:
    scope: Any = {"headers": [(b"authorization", b"Bearer \xff")], "client": client, "path": path}
    assert asker_of(scope, Keyring(sqlite_database)) == asker


def test_who_has_shown_a_good_key_asks_for_its_project(sqlite_database: Database) -> None:
    secret = create_key(sqlite_database, project="red")[1]
    keyring = Keyring(sqlite_database)
    scope: Any = {
        "headers": [(b"authorization", f"Bearer {secret}".encode())], "client": ("192.0.2.7", 1), "path": "/v1/jobs",
    }  # fmt: skip
    assert asker_of(scope, keyring) == NEAR
    assert asyncio.run(keyring.find(secret)) is not None
    assert asker_of(scope, keyring) == RED
