"""Watching over several attempts: resets, true continuations, and zombies."""

from datetime import timedelta

import pytest
import redis

from api.server import ApiServer
from jobs.lifecycle.rescue import rescue_lost
from jobs.lifecycle.transitions import finish
from jobs.store.database import Database, utc_now
from tests.api.watchers import Shown, WatcherThread
from tests.api.watching import Writer, pieces, submit

pytestmark = pytest.mark.usefixtures("either_text")


def lose(database: Database) -> None:
    """Let every lease run out."""
    later = Database(database.engine, clock=lambda: utc_now() + timedelta(hours=1))
    assert rescue_lost(later)
    # The next claim goes by the time of today.
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET due_at = created_at")


def test_a_new_attempt_that_writes_anew_resets(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit(sqlite_database)
    early = WatcherThread(sqlite_api.port, job_id)
    first = Writer(sqlite_database, valkey_client, job_id)
    first.write("a first try ")
    early.wait_for(lambda shown: shown.text == "a first try ")
    first.retry()
    early.wait_for(lambda shown: shown.events[-1][1].get("status") == "queued")
    second = Writer(sqlite_database, valkey_client, job_id)
    second.write("a second ")
    late = WatcherThread(sqlite_api.port, job_id)
    second.write("try")
    second.finish()
    assert (early.join().text, early.shown.resets) == ("a second try", 1)
    assert (late.join().text, late.shown.resets) == ("a second try", 0)
    assert ("reset", {"attempt": 2}) in early.shown.events


@pytest.mark.parametrize("seen", [True, False])
def test_a_true_continuation_goes_on_without_a_reset(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis, seen: bool
) -> None:
    job_id = submit(sqlite_database, on_interrupt="continue")
    first = Writer(sqlite_database, valkey_client, job_id)
    watcher = WatcherThread(sqlite_api.port, job_id)
    first.write(*pieces(30, seed=1))
    watcher.wait_for(lambda shown: shown.text == first.text)
    first.retry()
    if not seen:
        valkey_client.client_kill_filter(_type="pubsub")  # `started` may be lost: the rows must tell it
    second = Writer(sqlite_database, valkey_client, job_id, continued=first.text)
    second.write(*pieces(30, seed=2))
    text = second.finish()
    assert (watcher.join().text, watcher.shown.resets) == (text, 0)
    assert text.startswith(first.text)
    assert watcher.shown.done is not None
    assert watcher.shown.done["attempt"] == 2


def test_a_watcher_ahead_of_the_point_where_the_next_attempt_goes_on_is_reset(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit(sqlite_database, on_interrupt="continue")
    first = Writer(sqlite_database, valkey_client, job_id)
    watcher = WatcherThread(sqlite_api.port, job_id)
    first.write("kept, ", "lost")
    watcher.wait_for(lambda shown: shown.text == "kept, lost")
    lose(sqlite_database)
    second = Writer(sqlite_database, valkey_client, job_id, continued="kept, ")
    second.write("found")
    assert second.finish() == "kept, found"
    assert (watcher.join().text, watcher.shown.resets) == ("kept, found", 1)


def test_no_watcher_shows_a_byte_of_a_zombie(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit(sqlite_database)
    zombie = Writer(sqlite_database, valkey_client, job_id)
    early = WatcherThread(sqlite_api.port, job_id)
    zombie.write("living ")
    early.wait_for(lambda shown: shown.text == "living ")
    lose(sqlite_database)
    second = Writer(sqlite_database, valkey_client, job_id)
    watchers = [early]
    for number in range(20):
        second.write(f"{number:06} ")
        zombie.write("ZOMBIE ")  # at exactly the byte that the watchers wait for next
        assert len(zombie.text) == len(second.text) + 7
        if number % 5 == 0:
            watchers.append(WatcherThread(sqlite_api.port, job_id))
    text = second.finish()
    zombie.write("ZOMBIE ")
    assert not finish(sqlite_database, job_id, zombie.attempt, zombie.written())
    watchers.append(WatcherThread(sqlite_api.port, job_id))
    for watcher in watchers:
        assert watcher.join().text == text
        assert not [event for _, event in watcher.shown.events if "ZOMBIE" in event.get("text", "")]


def test_a_job_whose_second_attempt_left_nothing_ends_with_the_text_of_the_first(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    """The row keeps the checkpoint of attempt 1; what attempt 2 had shown was never stored, and must not stay."""
    job_id = submit(sqlite_database)
    first = Writer(sqlite_database, valkey_client, job_id)
    first.write("stored, and longer than what is lost")
    first.retry()
    second = Writer(sqlite_database, valkey_client, job_id)
    watcher = WatcherThread(sqlite_api.port, job_id)
    second.write("shown and lost")
    watcher.wait_for(lambda shown: shown.text == "shown and lost")
    cursor = watcher.shown.cursor
    came_back = Shown()
    came_back.text, came_back.reasoning = watcher.shown.text, watcher.shown.reasoning
    with sqlite_database.write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET cancel_requested_at = created_at")
    lose_and_end(sqlite_database)
    assert (watcher.join().text, watcher.shown.resets) == ("stored, and longer than what is lost", 1)
    # One who comes back with a cursor of attempt 2 has its text, and must be reset as well.
    again = WatcherThread(sqlite_api.port, job_id, cursor=cursor, shown=came_back)
    assert (again.join().text, again.shown.resets) == ("stored, and longer than what is lost", 1)


def lose_and_end(database: Database) -> None:
    """Let every lease run out of jobs that somebody wants cancelled: they end."""
    later = Database(database.engine, clock=lambda: utc_now() + timedelta(hours=1))
    assert [change.status for change in rescue_lost(later)] == ["cancelled"]
