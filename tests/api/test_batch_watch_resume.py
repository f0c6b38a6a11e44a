"""A client of a batch that comes back, wherever and whenever it was cut: no byte of any job is lost or doubled."""

import random
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
import redis
from sqlalchemy.exc import OperationalError

from api.server import ApiServer
from api.watching.batch_cursor import BatchCursor
from jobs.model.records import Job
from jobs.store.database import Database
from jobs.store.queries import read_jobs, read_result
from tests.api.batch_watching import BatchShown, BatchWatcher, submit_jobs
from tests.api.watchers import events_of
from tests.api.watching import Writer, pieces, wait_until
from tests.conftest import serve_api

pytestmark = pytest.mark.usefixtures("either_text")


class Room:
    """Writers of many jobs, some of which end and some of which are tried again."""

    def __init__(self, database: Database, client: redis.Redis, ids: list[str], seed: int) -> None:
        self.chance = random.Random(seed)
        self.database = database
        self.client = client
        self.waiting = list(ids)
        self.writers: dict[str, Writer] = {}
        self.texts: dict[str, str] = {}
        self.retried = 0

    def go_on(self) -> None:
        """Let something happen in some of the jobs."""
        for _ in range(self.chance.randint(0, 6)):
            if self.waiting and self.chance.random() < 0.4:
                job_id = self.waiting.pop(0)
                self.writers[job_id] = Writer(self.database, self.client, job_id)
            if self.writers:
                self._move(self.chance.choice(list(self.writers)))

    def finish(self) -> None:
        """Let every job end."""
        for job_id in self.waiting:
            self.writers[job_id] = Writer(self.database, self.client, job_id)
        for job_id in list(self.writers):
            self._write(job_id)
            self.writers.pop(job_id).finish()

    def _move(self, job_id: str) -> None:
        self._write(job_id)
        what = self.chance.random()
        writer = self.writers[job_id]
        if what < 0.06:
            writer.finish() if self.chance.random() < 0.7 else writer.fail()
            del self.writers[job_id]
            ended = read_result(self.database, job_id, project=None)
            assert ended is not None
            self.texts[job_id] = ended.text or ""  # of a failed job that of its longest attempt
        elif what < 0.12:
            writer.retry()
            self.retried += 1
            self.writers[job_id] = Writer(self.database, self.client, job_id)
            self.texts[job_id] = ""

    def _write(self, job_id: str) -> None:
        self.writers[job_id].write(*pieces(self.chance.randint(1, 8), self.chance.randint(0, 999)))
        self.texts[job_id] = self.writers[job_id].text


def read_a_part(client: httpx.Client, batch_id: str, shown: BatchShown, room: Room) -> None:
    """Come back with the cursor, read a random number of lines, and hang up in the middle of whatever comes next."""
    headers = {"Last-Event-ID": shown.cursor} if shown.cursor else {}
    wanted = room.chance.randint(1, 30)
    with client.stream("GET", f"/v1/batches/{batch_id}/events?deltas=true", headers=headers) as answer:
        assert answer.status_code == 200

        def lines_until_cut() -> object:
            for count, line in enumerate(answer.iter_lines(), start=1):
                yield line
                if count >= wanted or {job: text for job, text in shown.texts.items() if text} == {
                    job: text for job, text in room.texts.items() if text
                }:
                    return

        list(events_of(lines_until_cut(), shown))  # type: ignore[arg-type]  # a generator, told so nowhere


@pytest.mark.parametrize(
    ("either_text", "seed"), [("text", 0), ("reasoning", 1), ("reasoning", 2)], indirect=["either_text"]
)
def test_twenty_jobs_are_exact_for_a_client_that_is_cut_thirty_times(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis, seed: int
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 20, max_attempts=20)
    room = Room(sqlite_database, valkey_client, ids, seed)
    shown = BatchShown()
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}", timeout=60) as client:
        for _ in range(30):
            room.go_on()
            read_a_part(client, batch_id, shown, room)
    assert shown.done is None
    room.finish()
    BatchWatcher(sqlite_api.port, batch_id, cursor=shown.cursor, shown=shown).join()
    assert room.retried > 0
    assert len(shown.jobs) == 20
    for job_id in ids:
        result = read_result(sqlite_database, job_id, project=None)
        assert result is not None
        assert shown.texts.get(job_id, "") == result.text
        assert shown.jobs[job_id]["sha256"] == result.job.sha256


def test_a_client_that_comes_back_is_shown_only_what_it_may_not_know(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 10)
    for job_id in ids[:4]:
        writer = Writer(sqlite_database, valkey_client, job_id)
        writer.write("whole")
        writer.finish()
    running = Writer(sqlite_database, valkey_client, ids[4])
    running.write("half, ")
    shown = BatchShown()
    url = f"http://127.0.0.1:{sqlite_api.port}/v1/batches/{batch_id}/events?deltas=true"
    with httpx.stream("GET", url) as answer:
        for _ in events_of(answer.iter_lines(), shown):
            if len(shown.jobs) == 10 and shown.texts.get(ids[4]):
                break
    again = BatchShown()
    again.texts, again.reasoning = dict(shown.texts), dict(shown.reasoning)
    watcher = BatchWatcher(sqlite_api.port, batch_id, cursor=shown.cursor, shown=again)
    watcher.wait_for(lambda shown: ids[4] in shown.jobs)
    running.write("whole")
    watcher.wait_for(lambda shown: shown.texts[ids[4]] == "half, whole")
    assert list(again.jobs) == [ids[4]]
    sqlite_api.should_exit = True
    watcher.join()


def test_watchers_of_an_api_that_is_stopped_go_on_at_another(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis, sqlite_url: str, redis_url: str
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 20)
    with serve_api(sqlite_url, redis_url) as stopped:
        watchers = [BatchWatcher(stopped.port, batch_id) for _ in range(5)]
        for watcher in watchers:
            watcher.wait_for(lambda shown: len(shown.jobs) == 20)
        writers = [Writer(sqlite_database, valkey_client, job_id) for job_id in ids]
        for seed, writer in enumerate(writers):
            writer.write(*pieces(10, seed))
        written = sum(len(writer.text) for writer in writers)
        for watcher in watchers:
            watcher.wait_for(lambda shown: shown.bytes() == written)
    for watcher in watchers:
        assert watcher.join().done is None
        assert watcher.ended_whole
    for writer in writers:
        writer.write("and elsewhere")
        writer.finish()
    for watcher in watchers:
        shown = BatchWatcher(sqlite_api.port, batch_id, cursor=watcher.shown.cursor, shown=watcher.shown).join()
        assert shown.texts == {writer.job_id: writer.text for writer in writers}
        assert (shown.resets, shown.proved) == ([], 20)


def test_a_cursor_of_another_way_of_asking_begins_anew_with_resets(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 2)
    ended = Writer(sqlite_database, valkey_client, ids[0])
    ended.write("ended")
    ended.finish()
    running = Writer(sqlite_database, valkey_client, ids[1])
    running.write("running")
    watcher = BatchWatcher(sqlite_api.port, batch_id, query="?deltas=true&texts=running")
    watcher.wait_for(lambda shown: shown.texts.get(ids[1]) == "running")
    shown = BatchShown()
    shown.texts, shown.reasoning = dict(watcher.shown.texts), dict(watcher.shown.reasoning)
    again = BatchWatcher(sqlite_api.port, batch_id, cursor=watcher.shown.cursor, shown=shown)
    again.wait_for(lambda shown: shown.texts == {ids[0]: "ended", ids[1]: "running"})
    assert [job_id for job_id, _ in shown.resets] == ids
    running.finish()
    again.join()
    watcher.join()


class Remembering(BatchShown):
    """Also remembers after each event what a client that is cut there has."""

    def __init__(self) -> None:
        super().__init__()
        self.moments: list[tuple[str, dict[str, str], dict[str, str]]] = []

    def take(self, name: str, shown: dict[str, Any], cursor: str) -> None:
        super().take(name, shown, cursor)
        self.moments.append((cursor, dict(self.texts), dict(self.reasoning)))


def test_a_database_that_blinks_while_the_batch_is_listed_doubles_no_text_for_who_is_cut_then(
    sqlite_api: ApiServer,
    sqlite_database: Database,
    valkey_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 5)
    for job_id in ids[:4]:
        writer = Writer(sqlite_database, valkey_client, job_id)
        writer.write("whole")
        writer.finish()
    reads = 0

    def blink(database: Database, job_ids: Sequence[str]) -> list[Job]:
        nonlocal reads
        reads += 1
        if reads == 2:
            raise OperationalError("SELECT", {}, Exception("canary"))
        return read_jobs(database, job_ids)

    monkeypatch.setattr("api.watching.batch_jobs.read_jobs", blink)
    monkeypatch.setattr("api.watching.batch_watch._JOBS_PER_EVENT", 2)
    shown = Remembering()
    shown.texts = dict.fromkeys(ids[:4], "whole")
    # A cursor that says nothing of what the client has: one that had become too long.
    watcher = BatchWatcher(sqlite_api.port, batch_id, cursor=BatchCursor(deltas=True, known=0).encode(), shown=shown)
    wait_until(lambda: "does not answer: canary" in caplog.text)
    last = Writer(sqlite_database, valkey_client, ids[4])  # told to the watcher before it has listed the others
    last.write("whole")
    watcher.wait_for(lambda shown: set(shown.jobs) == set(ids))
    last.finish()
    assert watcher.join().proved == 5
    assert reads > 2
    for cursor, texts, reasoning in shown.moments[:-1]:
        again = BatchShown()
        again.texts, again.reasoning = texts, reasoning
        BatchWatcher(sqlite_api.port, batch_id, cursor=cursor, shown=again).join()
        assert again.texts == dict.fromkeys(ids, "whole"), cursor
