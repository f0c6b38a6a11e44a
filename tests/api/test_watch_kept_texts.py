"""A job whose later attempts write less: every watcher ends with exactly the longer text that is stored."""

import random
from hashlib import sha256

import pytest
import redis

from api.server import ApiServer
from jobs.store.database import Database
from longhand.client.client import Client
from longhand.client.events import Delta, Done, Reset
from tests.api.batch_watching import BatchWatcher, submit_jobs
from tests.api.watchers import Shown, WatcherThread
from tests.api.watching import Writer, pieces, submit


def texts(seed: int) -> tuple[str, str]:
    """A long text, and a shorter one that begins as it does or is another."""
    chance = random.Random(seed)
    long = "".join(pieces(30, seed))
    return long, long[: len(long) // 3] if seed % 2 else "".join(pieces(chance.randint(0, 9), seed + 100))


@pytest.mark.usefixtures("either_text")
@pytest.mark.parametrize(
    ("either_text", "seed"), [("text", 0), ("text", 1), ("reasoning", 2), ("reasoning", 3)], indirect=["either_text"]
)
def test_every_watcher_ends_with_the_longest_text(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis, seed: int
) -> None:
    long, short = texts(seed)
    batch_id, (job_id,) = submit_jobs(sqlite_database, 1)
    early = WatcherThread(sqlite_api.port, job_id)
    of_batch = BatchWatcher(sqlite_api.port, batch_id)
    first = Writer(sqlite_database, valkey_client, job_id)
    first.write(long)
    early.wait_for(lambda shown: shown.text == long)
    cursor = early.shown.cursor
    first.retry()
    second = Writer(sqlite_database, valkey_client, job_id)
    early.wait_for(lambda shown: shown.attempt == 2)
    if short:
        second.write(short)
        early.wait_for(lambda shown: shown.text == short)
    late_cursor = early.shown.cursor
    second.fail()
    assert early.join().text == long
    assert of_batch.join().texts[job_id] == long
    done = early.shown.done
    assert done is not None
    assert (done["status"], done["attempt"], done["text_attempt"]) == ("failed", 2, 1)
    # Those that come later, also with a cursor from the middle of either attempt.
    assert WatcherThread(sqlite_api.port, job_id).join().text == long
    assert BatchWatcher(sqlite_api.port, batch_id).join().texts[job_id] == long
    for came_with, had in ((cursor, long), (late_cursor, short)):
        shown = Shown()
        shown.text = had
        shown.reasoning = had if Writer.thinks else ""
        assert WatcherThread(sqlite_api.port, job_id, cursor=came_with, shown=shown).join().text == long


def test_the_python_client_proves_the_longest_text(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit(sqlite_database)
    first = Writer(sqlite_database, valkey_client, job_id)
    first.write("a long first text")
    shown, resets = "", 0
    with Client(f"http://127.0.0.1:{sqlite_api.port}") as client:
        for event in client.watch(job_id):
            match event:
                case Delta(text=text):
                    shown += text
                    if shown == "a long first text" and not resets:
                        first.retry()
                        second = Writer(sqlite_database, valkey_client, job_id)
                        second.write("second")
                    elif shown == "second":
                        second.fail()
                case Reset():
                    shown, resets = "", resets + 1
                case Done(job=job):
                    assert (job["status"], job["text_attempt"]) == ("failed", 1)
                    assert job["sha256"] == sha256(shown.encode()).hexdigest()
        assert (shown, resets) == ("a long first text", 2)
        assert client.text(job_id, partial=True) == shown
