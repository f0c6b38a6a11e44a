"""Watching a job: what is shown, when a watcher may come and go, and what it costs the server."""

import random

import httpx
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from api.server import ApiServer
from api.watching.frames import split_text
from jobs.lifecycle.rescue import cancel_job
from jobs.store.database import Database
from tests.api.watchers import Shown, WatcherThread
from tests.api.watching import Writer, pieces, submit, wait_until


def test_a_watcher_sees_the_statuses_the_text_and_the_end(
    api: ApiServer, database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit(database)
    watcher = WatcherThread(api.port, job_id)
    watcher.wait_for(lambda shown: shown.names() == ["status"])
    writer = Writer(database, valkey_client, job_id)
    watcher.wait_for(lambda shown: len(shown.events) == 2)
    writer.write(*pieces(50, seed=1))
    text = writer.finish()
    shown = watcher.join()
    assert shown.text == text
    assert shown.names() == ["status", "delta", "status", "done"]
    assert [event["status"] for name, event in shown.events if name == "status"] == [
        "queued",
        "in_progress",
        "completed",
    ]
    assert shown.done is not None
    assert shown.done["status"] == "completed"
    assert not {"request", "text"} & shown.done.keys()
    assert watcher.ended_whole


@pytest.mark.usefixtures("either_text")
@pytest.mark.parametrize(
    ("either_text", "seed"), [("text", 0), ("text", 1), ("reasoning", 2), ("reasoning", 3)], indirect=["either_text"]
)
def test_late_watchers_at_random_instants_get_every_byte_once(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis, seed: int
) -> None:
    instants = random.Random(seed)
    job_id = submit(sqlite_database)
    writer = Writer(sqlite_database, valkey_client, job_id)
    watchers = []
    for piece in pieces(300, seed):
        writer.write(piece)
        if instants.random() < 0.07:
            watchers.append(WatcherThread(sqlite_api.port, job_id))
    text = writer.finish()
    watchers.append(WatcherThread(sqlite_api.port, job_id))
    assert len(watchers) > 5
    for watcher in watchers:
        shown = watcher.join()
        assert (shown.text, shown.resets) == (text, 0)
        assert shown.done is not None


@pytest.mark.usefixtures("either_text")
def test_a_text_that_is_read_in_slices_is_never_cut_inside_a_character(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.watching.tails._SLICE_BYTES", 7)
    monkeypatch.setattr("api.watching.job_text._EVENT_BYTES", 5)
    job_id = submit(sqlite_database)
    writer = Writer(sqlite_database, valkey_client, job_id)
    writer.write("".join(pieces(40, seed=3)))
    running = WatcherThread(sqlite_api.port, job_id)
    running.wait_for(lambda shown: shown.text == writer.text)
    text = writer.finish()
    ended = WatcherThread(sqlite_api.port, job_id)
    assert running.join().text == ended.join().text == text
    assert len(ended.shown.events) > len(text.encode()) / 5


@pytest.mark.usefixtures("either_text")
def test_a_failed_job_ends_with_exactly_the_text_that_it_keeps(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit(sqlite_database)
    early = WatcherThread(sqlite_api.port, job_id)
    writer = Writer(sqlite_database, valkey_client, job_id)
    writer.write("half of ", "a sentence")
    writer.fail()
    late = WatcherThread(sqlite_api.port, job_id)
    for watcher in (early, late):
        shown = watcher.join()
        assert shown.text == "half of a sentence"
        assert shown.done is not None
        assert shown.done["status"] == "failed"
        assert shown.done["error"]["code"] == "upstream_error"


def test_a_queued_job_that_is_cancelled_ends_its_watchers_at_once(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.watching.job_watch._QUIET_SECONDS", 3600)  # `done` ends it, not a look at the row
    job_id = submit(sqlite_database)
    watcher = WatcherThread(sqlite_api.port, job_id)
    watcher.wait_for(lambda shown: shown.names() == ["status"])
    assert valkey_client.pubsub_numsub(f"longhand:{{{job_id}}}:channel")[0][1] == 1
    answer = httpx.post(f"http://127.0.0.1:{sqlite_api.port}/v1/jobs/{job_id}/cancel")
    assert answer.status_code == 200
    assert watcher.join().done is not None


def test_a_lost_done_is_found_in_the_row(sqlite_api: ApiServer, sqlite_database: Database) -> None:
    job_id = submit(sqlite_database)
    watcher = WatcherThread(sqlite_api.port, job_id)
    watcher.wait_for(lambda shown: shown.names() == ["status"])
    assert cancel_job(sqlite_database, job_id) is not None  # and nobody publishes it
    shown = watcher.join()
    assert shown.done is not None
    assert shown.done["status"] == "cancelled"


def test_a_hundred_watchers_share_one_subscriber_connection(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit(sqlite_database)
    writer = Writer(sqlite_database, valkey_client, job_id)
    watchers = [WatcherThread(sqlite_api.port, job_id) for _ in range(100)]
    for watcher in watchers:
        watcher.wait_for(lambda shown: "status" in shown.names())
    assert len(valkey_client.client_list(_type="pubsub")) == 1
    writer.write(*pieces(20, seed=4))
    text = writer.finish()
    assert all(watcher.join().text == text for watcher in watchers)
    wait_until(lambda: sqlite_api.hub.watching == 0)
    wait_until(lambda: valkey_client.pubsub_channels() == [])


def test_watchers_that_hang_up_are_freed_and_cancel_nothing(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit(sqlite_database)
    writer = Writer(sqlite_database, valkey_client, job_id)
    writer.write("begun, ")
    url = f"http://127.0.0.1:{sqlite_api.port}/v1/jobs/{job_id}/events"
    with httpx.Client() as client:
        for _ in range(10):
            with client.stream("GET", url) as response:
                next(response.iter_bytes())
    wait_until(lambda: sqlite_api.hub.watching == 0)
    writer.write("and ended")
    writer.finish()
    assert WatcherThread(sqlite_api.port, job_id).join().text == "begun, and ended"


def test_an_idle_stream_says_that_it_is_alive(
    sqlite_api: ApiServer, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.watching.job_watch._COMMENT_SECONDS", 0.5)
    watcher = WatcherThread(sqlite_api.port, submit(sqlite_database))
    wait_until(lambda: watcher.shown.comments >= 2)
    sqlite_api.should_exit = True
    assert watcher.join().names() == ["status"]


def test_the_stream_tells_proxies_and_browsers_what_they_must_know(
    sqlite_api: ApiServer, sqlite_database: Database
) -> None:
    job_id = submit(sqlite_database)
    cancel_job(sqlite_database, job_id)
    answer = httpx.get(f"http://127.0.0.1:{sqlite_api.port}/v1/jobs/{job_id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["x-request-id"]
    assert answer.text.startswith("retry: 1000\n")


@pytest.mark.parametrize("cursor", ["x", "1", "1:2:3:4", "1:-2", "1:2:ended", "99999999999:1"])
def test_a_malformed_cursor_is_refused(sqlite_api: ApiServer, sqlite_database: Database, cursor: str) -> None:
    url = f"http://127.0.0.1:{sqlite_api.port}/v1/jobs/{submit(sqlite_database)}/events"
    for answer in (httpx.get(url, headers={"Last-Event-ID": cursor}), httpx.get(url, params={"last_event_id": cursor})):
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "Last-Event-ID"


def test_watching_a_job_that_does_not_exist_is_404(sqlite_api: ApiServer) -> None:
    answer = httpx.get(f"http://127.0.0.1:{sqlite_api.port}/v1/jobs/job_0/events")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(4, 9), st.data())
def test_a_text_cut_anywhere_is_split_into_whole_characters(text: str, size: int, data: st.DataObject) -> None:
    encoded = text.encode()
    cut = encoded[: data.draw(st.integers(0, len(encoded)))]
    parts = list(split_text(cut, size))
    assert "".join(parts) == cut.decode(errors="ignore")
    assert all(0 < len(part.encode()) <= size for part in parts)


def test_the_watcher_of_these_tests_notices_a_byte_lost_or_doubled() -> None:
    shown = Shown()
    shown.take("delta", {"attempt": 1, "offset": 0, "text": "ab"}, "1:2")
    for offset in (1, 3):
        with pytest.raises(AssertionError, match="lost or doubled"):
            shown.take("delta", {"attempt": 1, "offset": offset, "text": "c"}, f"1:{offset + 1}")
