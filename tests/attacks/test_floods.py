"""Hundreds of connections that ask again as soon as they are answered keep nobody waiting but themselves."""

import asyncio
import gc
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median
from typing import Any

import httpx
import pytest

from api.access.keyring import Keyring
from api.callers.asker import asker_of
from api.http import request_turns
from api.http.protocol import BoundedProtocol
from api.http.request_turns import BEGUN_AT_ONCE, Asker, Beginning, RequestTurns
from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.keys import create_key
from tests.api.callers import calling
from tests.api.instances import Instances
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
            assert client.get("/v1/jobs").status_code == 200
            meanwhile = []
            for _ in range(20):
                # It needs no thread: that waits for Python's lock, longer where the flood is answered faster.
                before = answered.total_requests
                assert client.get("/v1/me").status_code == 200
                meanwhile.append(answered.total_requests - before)
            assert httpx.get(client.base_url.join("/healthz"), timeout=60).status_code == 200
    assert median(meanwhile) < FLOODING, meanwhile


RED, BLUE = Asker("project", "red"), Asker("project", "blue")
NEAR, FAR = Asker("stranger", "192.0.2.7"), Asker("stranger", "192.0.2.8")


def begun_in_turns(*asking: Asker) -> list[list[str]]:
    """Whose requests are begun in each turn of the loop, if all of these come in the first one."""

    async def begin() -> list[list[str]]:
        turns, begun, now = RequestTurns(), [], list[str]()
        for asker in asking:
            turns.take(Beginning(asker, partial(now.append, asker.name)))
        while now:
            begun.append(now[:])
            now.clear()
            await asyncio.sleep(0)
        turns.take(Beginning(RED, lambda: now.append("at once")))
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


def test_who_goes_away_waits_no_longer() -> None:
    async def begin() -> list[str]:
        turns, begun = RequestTurns(), list[str]()
        coming = [Beginning(RED, partial(begun.append, str(number))) for number in range(10)]
        for one in coming:
            turns.take(one)
        for one in coming[:9]:
            turns.leave(one)
        await asyncio.sleep(0)
        return begun

    assert asyncio.run(begin()) == ["0", "1", "2", "3", "9"]


@pytest.mark.parametrize("lost", ["while it waits for its turn", "while another is answered", "when it is answered"])
def test_nothing_is_kept_of_a_connection_that_was_reset(
    sqlite_api: ApiServer, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """In a flood of heads of 28 KB that were reset at once, 365 a second were kept: 880 MB in a minute."""

    kept = Instances(monkeypatch, BoundedProtocol)
    if "turn" in lost:
        monkeypatch.setattr(request_turns, "PLACES", dict.fromkeys(request_turns.PLACES, 0))
        monkeypatch.setattr(request_turns, "BEGUN_AT_ONCE", 0)
    gc.collect()
    gc.disable()
    try:
        with ExitStack() as lines:
            for _ in range(50):
                line = lines.enter_context(socket.create_connection(("127.0.0.1", sqlite_api.port), timeout=60))
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                line.sendall(b"GET /v1/me HTTP/1.1\r\nHost: localhost\r\n\r\n" * (2 if "another" in lost else 1))
                if "when" in lost:
                    assert line.recv(65536).startswith(b"HTTP/1.1 200 ")
            wait_until(lambda: len(kept.alive) == 50)
        wait_until(lambda: len(kept.alive) == 0)
    finally:
        gc.enable()


def test_a_request_that_cannot_be_begun_keeps_no_other_waiting() -> None:
    def fail() -> None:
        raise RuntimeError("it cannot be begun")

    async def begin() -> list[str]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: begun.append(str(context["exception"])))
        turns = RequestTurns()
        for _ in range(4):
            turns.take(Beginning(RED, lambda: None))
        turns.take(Beginning(RED, fail))
        turns.take(Beginning(RED, lambda: begun.append("begun")))
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
