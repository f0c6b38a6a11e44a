"""A process that is stopped inside a write transaction on SQLite: reads go on, and writes end with an answer."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic

import httpx
import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from api.main import WRITES_AT_ONCE
from api.server import ApiServer
from jobs.store import write_turn
from jobs.store.database import Database, open_database
from tests.api.watching import REQUEST, submit, wait_until

_WRITER = """
import sys
from sqlalchemy import text
from jobs.store.database import open_database
with open_database(sys.argv[1]).write() as connection:
    connection.execute(text("UPDATE batches SET completed = 0"))
    print("inside", flush=True)
    sys.stdin.read(1)
print("out", flush=True)
"""


@contextmanager
def stopped_writer(sqlite_url: str) -> Iterator[subprocess.Popen[str]]:
    """Another process, stopped inside its transaction."""
    line = [sys.executable, "-c", _WRITER, sqlite_url]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "inside\n"
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)  # the fault has happened
        try:
            yield process
        finally:
            process.kill()


def test_reads_go_on_and_writes_are_answered_while_another_process_is_stopped_inside_a_transaction(
    sqlite_api: ApiServer, sqlite_database: Database, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_turn, "LOCK_SECONDS", 3)
    known = submit(sqlite_database)
    services = sqlite_api.config.app.state.services  # type: ignore[union-attr]  # it is the application
    limits = httpx.Limits(max_connections=None)
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}", timeout=60, limits=limits) as client,
        ThreadPoolExecutor(60) as pool,
        stopped_writer(sqlite_url) as writer,
    ):
        began = monotonic()
        writes = [pool.submit(client.post, "/v1/jobs", json=REQUEST) for _ in range(60)]
        # On a busy machine the first have given up before the last has come.
        taken, of_one = services.writes.all, services.writes.of_one_project
        wait_until(lambda: taken.borrowed_tokens == of_one or any(write.done() for write in writes))
        for _ in range(20):
            assert client.get(f"/v1/jobs/{known}").status_code == 200
        assert not any(write.done() and write.result().status_code == 202 for write in writes)
        answers = [write.result() for write in writes]
        assert {answer.status_code for answer in answers} == {503}
        assert monotonic() - began < 3 * WRITES_AT_ONCE / 2  # all of them wait at once, not one after the other
        assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
        began = monotonic()
        assert client.post("/v1/jobs", json=REQUEST).status_code == 503
        assert monotonic() - began < 3  # nobody waits again for one that is known to be stopped
        writer.send_signal(signal.SIGCONT)
        assert writer.stdin is not None
        writer.stdin.write("x")
        writer.stdin.close()
        assert writer.stdout is not None
        assert writer.stdout.readline() == "out\n"
        wait_until(lambda: client.post("/v1/jobs", json=REQUEST).status_code == 202)


def test_a_process_that_gave_up_its_turn_does_not_keep_it_when_it_comes(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_turn, "LOCK_SECONDS", 0.2)
    first, second, third = (open_database(sqlite_url) for _ in range(3))
    with first.write():
        with pytest.raises(PoolTimeoutError), second.write():
            raise AssertionError("two write at once")
        assert second._turn is not None
        assert second._turn._lock is not None
        assert second._turn._lock.waited_seconds() > 0
    wait_until(lambda: writes(third))
    wait_until(lambda: writes(second))
    for database in (first, second, third):
        database.close()


def writes(database: Database) -> bool:
    try:
        with database.write():
            return True
    except PoolTimeoutError:
        return False
