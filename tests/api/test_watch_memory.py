"""Watchers of texts that are too long to be held: the API holds a part of them, however slowly they are read."""

import gc
import socket
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import httpx
import pytest
import redis
from sqlalchemy.exc import OperationalError
from starlette.requests import Request

from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.text_parts import TextPart, read_text_part
from tests.api.batch_watching import BatchShown, submit_jobs
from tests.api.instances import Instances
from tests.api.slow_reading import unchunked
from tests.api.test_batch_watch_faults import end_all
from tests.api.watchers import Shown, events_of
from tests.api.watching import PATIENCE_SECONDS, Writer

LONG = "0123456789 äöü—👩‍👩‍👧" * 300_000


@contextmanager
def slow_reader(port: int, path: str) -> Iterator[Iterator[str]]:
    """The lines of an event stream, for a client that takes little at a time."""
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(PATIENCE_SECONDS)
        slow.connect(("127.0.0.1", port))
        slow.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield (line.decode().rstrip("\n") for line in unchunked(slow))


class Proved:
    """The hash of what was shown, and nothing of the text itself."""

    def __init__(self) -> None:
        self.sha256 = sha256()
        self.comments = 0

    def take(self, name: str, shown: dict[str, Any], _cursor: str) -> None:
        """Take one event."""
        assert name != "reset"
        for delta in shown["deltas"] if name == "deltas" else [shown] if name == "delta" else []:
            self.sha256.update(delta["text"].encode())


@pytest.mark.parametrize("of", ["jobs", "batches"])
def test_a_watch_holds_nothing_of_the_request_that_it_came_by(
    sqlite_api: ApiServer, sqlite_database: Database, of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 1)
    path = f"/v1/jobs/{ids[0]}/events" if of == "jobs" else f"/v1/batches/{batch_id}/events"
    requests = Instances(monkeypatch, Request)
    with slow_reader(sqlite_api.port, path) as lines:
        assert next(events_of(lines, Shown() if of == "jobs" else BatchShown()))
        assert sqlite_api.server_state.connections
        gc.collect()
        assert requests.made
        assert not requests.alive


@pytest.mark.parametrize("of", ["jobs", "batches"])
def test_a_stored_text_is_held_in_parts_for_who_reads_it_slowly(
    sqlite_api: ApiServer, sqlite_database: Database, of: str
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 1)
    end_all(sqlite_database, batch_id, LONG)
    path = f"/v1/jobs/{ids[0]}/events" if of == "jobs" else f"/v1/batches/{batch_id}/events?deltas=true"
    shown = Proved()
    with slow_reader(sqlite_api.port, path) as lines:
        next(events_of(lines, Proved()))  # what is imported and made at the first watch stays, and is none of the text
    tracemalloc.start()
    try:
        with slow_reader(sqlite_api.port, path) as lines:
            names = list(events_of(lines, shown))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert names[-1] == "done"
    assert shown.sha256.digest() == sha256(LONG.encode()).digest()
    assert peak < len(LONG.encode()) / 3


@pytest.mark.parametrize("of", ["jobs", "batches"])
def test_a_job_that_is_run_again_while_its_text_is_read_ends_exact(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis, of: str
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 1)
    writer = Writer(sqlite_database, valkey_client, ids[0])
    writer.text = LONG
    writer.fail()
    shown: Shown | BatchShown = Shown() if of == "jobs" else BatchShown()
    path = f"/v1/jobs/{ids[0]}/events" if of == "jobs" else f"/v1/batches/{batch_id}/events?deltas=true"
    with slow_reader(sqlite_api.port, path) as lines:
        events = events_of(lines, shown)
        assert any(name.startswith("delta") for name in events)
        retried = httpx.post(f"http://127.0.0.1:{sqlite_api.port}/v1/jobs/{ids[0]}/retry")
        assert retried.is_success
        writer = Writer(sqlite_database, valkey_client, ids[0])
        writer.write("again")
        writer.finish()
        assert list(events)[-1] == "done"
    assert (shown.text if isinstance(shown, Shown) else shown.texts[ids[0]]) == "again"
    assert shown.resets in (1, [(ids[0], 2)])


@pytest.mark.parametrize("of", ["jobs", "batches"])
def test_a_database_that_blinks_while_a_text_is_read_costs_and_doubles_no_byte(
    sqlite_api: ApiServer, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 1)
    end_all(sqlite_database, batch_id, LONG)
    reads = 0

    def blink(*arguments: Any) -> TextPart | None:
        nonlocal reads
        reads += 1
        if reads in (3, 5):
            raise OperationalError("SELECT", {}, Exception("canary"))
        return read_text_part(*arguments)

    monkeypatch.setattr("api.watching.job_text.read_text_part", blink)
    monkeypatch.setattr("api.watching.job_watch._QUIET_SECONDS", 0.01)
    monkeypatch.setattr("api.watching.batch_watch._LOOK_SECONDS", 0.01)
    shown: Shown | BatchShown = Shown() if of == "jobs" else BatchShown()
    path = f"/v1/jobs/{ids[0]}/events" if of == "jobs" else f"/v1/batches/{batch_id}/events?deltas=true"
    with httpx.stream("GET", f"http://127.0.0.1:{sqlite_api.port}{path}", timeout=PATIENCE_SECONDS) as answer:
        names = list(events_of(answer.iter_lines(), shown))
    assert names[-1] == "done"
    assert reads > 5
    assert (shown.text if isinstance(shown, Shown) else shown.texts[ids[0]]) == LONG
    assert not shown.resets
