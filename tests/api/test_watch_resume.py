"""`Last-Event-ID`: a client that comes back goes on with no byte lost or doubled, wherever it was cut."""

import random

import httpx
import pytest
import redis

from api.server import ApiServer
from jobs.store.database import Database
from tests.api.watchers import Shown, WatcherThread, events_of
from tests.api.watching import Writer, pieces, submit

either_text = pytest.mark.usefixtures("either_text")


def write_one_by_one(writer: Writer, watcher: WatcherThread, seed: int) -> None:
    """So that no two deltas are joined to one, and there are as many places to be cut at as can be."""
    for piece in pieces(20, seed):
        writer.write(piece)
        watcher.wait_for(lambda shown: shown.text == writer.text)


@either_text
def test_resuming_after_any_event_of_an_ended_job_is_exact(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit(sqlite_database, on_interrupt="continue")
    before_each: list[tuple[str | None, str, str, int]] = []

    class Recorded(Shown):
        def take(self, name: str, shown: dict[str, object], cursor: str) -> None:
            super().take(name, shown, cursor)
            before_each.append((self.cursor, self.text, self.reasoning, self.attempt))

    watcher = WatcherThread(sqlite_api.port, job_id, shown=Recorded())
    first = Writer(sqlite_database, valkey_client, job_id)
    watcher.wait_for(lambda shown: shown.attempt == 1)
    write_one_by_one(first, watcher, seed=1)
    first.retry()
    second = Writer(sqlite_database, valkey_client, job_id)  # anew
    watcher.wait_for(lambda shown: shown.attempt == 2)
    write_one_by_one(second, watcher, seed=2)
    second.retry()
    third = Writer(sqlite_database, valkey_client, job_id, continued=second.text)
    write_one_by_one(third, watcher, seed=3)
    text = third.finish()
    assert watcher.join().text == text
    assert len(before_each) > 60
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}") as client:
        for cursor, had, thought, attempt in before_each[:-1]:
            shown = Shown()
            shown.text, shown.reasoning = had, thought
            with client.stream("GET", f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": cursor or ""}) as answer:
                list(events_of(answer.iter_lines(), shown))
            assert shown.text == text, cursor
            assert shown.done is not None
            assert shown.resets == (1 if attempt == 1 and had else 0), cursor
        last = {"Last-Event-ID": before_each[-1][0] or ""}
        assert client.get(f"/v1/jobs/{job_id}/events", headers=last).status_code == 204


@either_text
@pytest.mark.parametrize(
    ("either_text", "seed"), [("text", 0), ("text", 1), ("reasoning", 2), ("reasoning", 3)], indirect=["either_text"]
)
def test_a_client_that_is_cut_again_and_again_while_the_text_grows_is_exact(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis, seed: int
) -> None:
    chance = random.Random(seed)
    job_id = submit(sqlite_database)
    writer = Writer(sqlite_database, valkey_client, job_id)
    shown = Shown()
    cuts = 0
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}") as client:
        for round_ in range(25):
            writer.write(*pieces(chance.randint(0, 20), seed=seed + round_))
            if round_ == 12:
                writer.retry()
                writer = Writer(sqlite_database, valkey_client, job_id)
                writer.write("anew ")
            if round_ == 24:
                writer.finish()
            headers = {"Last-Event-ID": shown.cursor} if shown.cursor else {}
            with client.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer:
                wanted = chance.randint(1, 4)
                for count, _ in enumerate(events_of(answer.iter_lines(), shown), start=1):
                    # What is read from the tail comes in one piece: then there is no more to wait for.
                    if count == wanted or shown.text == writer.text:
                        break
                cuts += 1
    last = WatcherThread(sqlite_api.port, job_id, cursor=shown.cursor, shown=shown)
    last.join()
    assert shown.text == writer.text
    assert cuts == 25


def test_a_query_parameter_serves_clients_that_cannot_set_a_header(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit(sqlite_database)
    writer = Writer(sqlite_database, valkey_client, job_id)
    writer.write("one ", "two")
    writer.finish()
    url = f"http://127.0.0.1:{sqlite_api.port}/v1/jobs/{job_id}/events"
    shown = Shown()
    shown.text = "one "
    list(events_of(iter(httpx.get(url, params={"last_event_id": "1:4"}).text.split("\n")), shown))
    assert [event["text"] for name, event in shown.events if name == "delta"] == ["two"]
    assert httpx.get(url, params={"last_event_id": "1:7:completed"}).status_code == 204


@pytest.mark.parametrize("cursor", ["1:3", "1:500", "7:2", "1:500:completed", "0:2"])
def test_a_cursor_that_was_never_given_out_ends_with_the_exact_text_after_a_reset(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis, cursor: str
) -> None:
    job_id = submit(sqlite_database)
    writer = Writer(sqlite_database, valkey_client, job_id)
    writer.write("日本", "語")
    writer.finish()
    url = f"http://127.0.0.1:{sqlite_api.port}/v1/jobs/{job_id}/events"
    lines = httpx.get(url, headers={"Last-Event-ID": cursor}).text.split("\n")
    if cursor == "1:3":  # the end of a character: as good as one that was given out
        shown = Shown()
        shown.text = "日"
        list(events_of(iter(lines), shown))
        assert shown.resets == 0
    else:
        at_reset = lines.index("event: reset")
        shown = Shown()
        list(events_of(iter(lines[at_reset - 1 :]), shown))
    assert shown.text == "日本語"


def test_who_was_told_one_end_is_told_another_that_came_without_a_byte(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit(sqlite_database)
    writer = Writer(sqlite_database, valkey_client, job_id)
    writer.write("a part")
    writer.fail()
    shown = WatcherThread(sqlite_api.port, job_id).join()
    assert (shown.done["status"], shown.cursor) == ("failed", "1:6:failed")
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}") as client:
        told = {"Last-Event-ID": shown.cursor}
        assert client.get(f"/v1/jobs/{job_id}/events", headers=told).status_code == 204
        for verb in ("retry", "cancel"):  # before any worker takes it: attempt and bytes stay as they are
            assert client.post(f"/v1/jobs/{job_id}/{verb}").is_success
        WatcherThread(sqlite_api.port, job_id, cursor=shown.cursor, shown=shown).join()
        assert (shown.done["status"], shown.text, shown.resets) == ("cancelled", "a part", 0)
        told = {"Last-Event-ID": shown.cursor}
        assert client.get(f"/v1/jobs/{job_id}/events", headers=told).status_code == 204
