"""A key that is revoked while its request is being sent, or its answer read."""

import asyncio
import socket
from collections.abc import Collection
from typing import Any

import httpx
import pytest

from api.access import keyring
from api.access.shared_lookups import SharedLookups
from api.callers import revoked
from api.server import ApiServer
from jobs.lifecycle.transitions import finish
from jobs.store.database import Database
from jobs.store.keys import ApiKey, create_key, revoke_key
from tests.api.watching import submit, wait_until
from tests.conftest import serve_api
from tests.store.reserving import claim_now
from tests.store.store_fixtures import written


@pytest.fixture(autouse=True)
def remember_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (keyring, revoked):
        monkeypatch.setattr(module, "REMEMBERED_SECONDS", 0.0)


def projects_of(server: ApiServer) -> int:
    """How many connections have shown a good key."""
    connections: Any = server.server_state.connections
    return sum(len(one._room._projects) for one in list(connections))


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/batches", "/v1/files", "/v1/chat/completions"])
def test_a_body_whose_key_was_revoked_on_the_way_is_refused_and_nothing_is_stored(
    sqlite_url: str, redis_url: str, sqlite_database: Database, path: str
) -> None:
    """A prepared request of 10 MB could be held back for hours, and ran."""
    key, secret = create_key(sqlite_database)
    body = b'{"model": "m", "messages": []}'
    kind = "multipart/form-data; boundary=x" if path == "/v1/files" else "application/json"
    if kind != "application/json":
        part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n' + body + b"\r\n--x\r\n"
        body = part + b'Content-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--x--\r\n'
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\nContent-Type: {kind}\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    with (
        serve_api(sqlite_url, redis_url) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=90) as line,
    ):
        line.sendall(head.encode() + body[:10])
        wait_until(lambda: projects_of(server) == 1)  # its key was good
        revoke_key(sqlite_database, key.id)
        line.sendall(body[10:])
        answer = line.recv(65536)
        assert b"401" in answer.splitlines()[0]
        assert b"was revoked while" in answer or b"was revoked while" in line.recv(65536)
    with sqlite_database.read() as connection:
        for table in ("jobs", "batches", "files"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0  # noqa: S608  # names above


def test_a_download_whose_key_was_revoked_breaks_off(
    sqlite_url: str, redis_url: str, sqlite_database: Database
) -> None:
    key, secret = create_key(sqlite_database)
    other = create_key(sqlite_database)[1]
    text = "".join(f"{number:015d}\n" for number in range(1 << 20))  # more than the sockets take at once
    job_id = submit(sqlite_database)
    claim_now(sqlite_database, job_id, "w", 60)
    assert finish(sqlite_database, job_id, 1, written(text))
    with serve_api(sqlite_url, redis_url) as server:
        url = f"http://127.0.0.1:{server.port}/v1/jobs/{job_id}/text"
        headers = {"Authorization": f"Bearer {secret}"}
        with httpx.stream("GET", url, headers=headers, timeout=90) as answer:
            pieces = answer.iter_raw()
            next(pieces)
            revoke_key(sqlite_database, key.id)
            with pytest.raises(httpx.RemoteProtocolError):
                list(pieces)
        whole = httpx.get(url, headers={"Authorization": f"Bearer {other}"}, timeout=90)
        assert whole.text == text


def test_a_key_that_is_asked_for_as_the_last_read_ends_is_looked_up() -> None:
    """It was left waiting until somebody asked for another key."""

    async def ask() -> None:
        reads: list[asyncio.Future[None]] = []

        async def read(_names: Collection[str]) -> dict[str, ApiKey]:
            reads.append(asyncio.get_running_loop().create_future())
            await reads[-1]
            return {}

        lookups = SharedLookups(read, together=200, reads_at_once=2)
        asking = []
        for number in range(2):
            asking.append(asyncio.create_task(lookups.find(f"key {number}")))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert len(reads) == 2
        for one in reads:
            one.set_result(None)
        # In each of the next turns of the loop: one of them is that in which the reads have ended.
        for turn in range(4):
            asking.append(asyncio.create_task(lookups.find(f"late {turn}")))
            await asyncio.sleep(0)
        for _ in range(20):
            for one in reads:
                if not one.done():
                    one.set_result(None)
            await asyncio.sleep(0)
        assert all(one.done() for one in asking)

    asyncio.run(ask())
