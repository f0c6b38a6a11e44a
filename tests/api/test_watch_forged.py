"""Clients that send what they were never given, and watches that fail or wait: nobody else is the worse for it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import pytest
import redis

from api.server import ApiServer
from api.watching.batch_cursor import BatchCursor
from api.watching.inbox import Inbox, ReceivedMessage
from api.watching.job_watch import Watch
from jobs.store.database import Database
from tests.api.batch_watching import BatchShown, BatchWatcher, submit_jobs
from tests.api.watchers import Shown, WatcherThread
from tests.api.watching import Writer, submit, wait_until


@contextmanager
def healthy(api: ApiServer) -> Iterator[None]:
    """The process answers others before and after."""
    with httpx.Client(base_url=f"http://127.0.0.1:{api.port}") as client:
        assert client.get("/healthz").status_code == 200
        yield
        assert client.get("/healthz").status_code == 200


def all_wait(api: ApiServer, count: int) -> bool:
    """Whether this many watches have read what there was, and wait for more."""
    waiting = [watcher._wake is not None for watcher in list(api.hub._inboxes)]
    return waiting == [True] * count


def test_a_cursor_inside_a_character_that_is_yet_to_come_begins_again_and_freezes_nobody(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit(sqlite_database)
    writer = Writer(sqlite_database, valkey_client, job_id)
    writer.write("abcd")
    shown = Shown()
    shown.text = "?" * 5
    forged = WatcherThread(sqlite_api.port, job_id, cursor="1:5", shown=shown)
    honest = WatcherThread(sqlite_api.port, job_id)
    wait_until(lambda: all_wait(sqlite_api, 2))
    with healthy(sqlite_api):
        writer.write("é")
        for watcher in (forged, honest):
            watcher.wait_for(lambda shown: shown.text == "abcdé")
        writer.write(" and more")
    text = writer.finish()
    assert (forged.join().text, honest.join().text) == (text, text)
    assert (forged.shown.resets, honest.shown.resets) == (1, 0)


def test_a_batch_cursor_inside_a_character_that_is_yet_to_come_begins_again_and_freezes_nobody(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 1)
    writer = Writer(sqlite_database, valkey_client, ids[0])
    writer.write("abcd")
    shown = BatchShown()
    shown.texts[ids[0]] = "?" * 5
    cursor = BatchCursor(deltas=True, listed=1, under_way=[(0, 1, 5, 0)]).encode()
    forged = BatchWatcher(sqlite_api.port, batch_id, cursor=cursor, shown=shown)
    wait_until(lambda: all_wait(sqlite_api, 1))
    with healthy(sqlite_api):
        writer.write("é")
        forged.wait_for(lambda shown: shown.texts[ids[0]] == "abcdé")
        writer.write(" and more")
    text = writer.finish()
    assert forged.join().texts[ids[0]] == text
    assert shown.resets == [(ids[0], 1)]


def test_a_watch_that_fails_is_ended_and_costs_the_others_nothing(
    sqlite_api: ApiServer,
    sqlite_database: Database,
    valkey_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    relay = Watch._relay_at_once
    failed: list[Watch] = []

    def fail_once(watch: Watch, received: list[object]) -> None:
        if not failed:
            failed.append(watch)
        if watch in failed:
            raise ValueError("canary")
        relay(watch, received)  # type: ignore[arg-type]  # what the hub heard, whatever that is

    monkeypatch.setattr(Watch, "_relay_at_once", fail_once)
    job_id = submit(sqlite_database)
    writer = Writer(sqlite_database, valkey_client, job_id)
    watchers = [WatcherThread(sqlite_api.port, job_id) for _ in range(3)]
    wait_until(lambda: all_wait(sqlite_api, 3))
    with healthy(sqlite_api):
        writer.write("one ")
        wait_until(lambda: sqlite_api.hub.watching == 2)
        writer.write("two")
        text = writer.finish()
    shown = [watcher.join() for watcher in watchers]
    assert sorted(one.text for one in shown) == ["", text, text]
    assert all(watcher.ended_whole for watcher in watchers)
    assert "canary" in caplog.text
    unlucky = next(one for one in shown if not one.text)
    assert WatcherThread(sqlite_api.port, job_id, cursor=unlucky.cursor, shown=unlucky).join().text == text


def test_a_resync_just_after_a_look_that_found_nothing_is_waited_for_without_spinning(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, take = Watch._look, Inbox.take
    takes: list[int] = [0]
    """How often the watch has waited: before each look, and since the last one."""

    async def look_and_miss(watch: Watch, watcher: Inbox) -> AsyncIterator[bytes]:
        async for frame in look(watch, watcher):
            yield frame
        takes.append(0)
        if len(takes) == 3:
            watcher.ask_resync()  # as the hub does when its connection was lost

    async def counted(watcher: Inbox, *relay: object) -> list[ReceivedMessage]:
        takes[-1] += 1
        return await take(watcher, *relay)  # type: ignore[arg-type]  # what the watch gave, whatever that is

    monkeypatch.setattr("api.watching.job_watch._QUIET_SECONDS", 0.01)  # the second look finds nothing, and comes soon
    monkeypatch.setattr(Watch, "_look", look_and_miss)
    monkeypatch.setattr(Inbox, "take", counted)
    job_id = submit(sqlite_database)
    watcher = WatcherThread(sqlite_api.port, job_id)
    wait_until(lambda: len(takes) > 3)
    assert takes[2] < 10
    writer = Writer(sqlite_database, valkey_client, job_id)
    writer.write("text")
    writer.finish()
    assert watcher.join().text == "text"
