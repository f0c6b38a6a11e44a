"""Many watches that come at once: they open a few at a time, and their rows are read together."""

import asyncio
import threading
from collections.abc import Sequence

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from api.http import opening_gate
from api.http.envelope import ApiCounts, Envelope
from api.http.errors import ApiError, error_answer
from api.http.opening_gate import OPENING_AT_ONCE, OpeningGate, Place
from api.main import ApiServer
from api.watching import job_rows
from api.watching.job_rows import JobRows
from jobs.model.records import Job
from jobs.store.database import Database
from jobs.store.keys import create_key
from jobs.store.queries import read_jobs
from tests.api.callers import calling
from tests.api.watching import PATIENCE_SECONDS, WatcherThread, submit


def test_the_gate_lets_in_a_few_in_the_order_in_which_they_came() -> None:
    async def pass_through() -> list[int]:
        gate = OpeningGate(2)
        let_in: list[int] = []
        places = [await gate.enter(), await gate.enter()]

        async def come(number: int) -> None:
            place = await gate.enter()
            let_in.append(number)
            place.release()

        coming = [asyncio.create_task(come(number)) for number in range(5)]
        await asyncio.sleep(0)
        assert (gate.waiting, let_in) == (5, [])
        coming[1].cancel()
        places[0].release()
        places[0].release()  # once is enough
        await asyncio.gather(*coming, return_exceptions=True)
        places[1].release()
        assert gate.waiting == 0
        return let_in

    assert asyncio.run(pass_through()) == [0, 2, 3, 4]


def test_the_gate_lets_in_the_projects_in_turn() -> None:
    """A thousand watches of one project kept those of all others from opening for a minute."""

    async def pass_through() -> list[str]:
        gate = OpeningGate(1)
        let_in: list[str] = []
        place = await gate.enter("red")

        async def come(project: str) -> None:
            place = await gate.enter(project)
            let_in.append(project)
            place.release()

        coming = [asyncio.create_task(come(project)) for project in ("red", "red", "red", "blue", "green", "blue")]
        await asyncio.sleep(0)
        place.release()
        await asyncio.gather(*coming)
        assert gate.waiting == 0
        return let_in

    assert asyncio.run(pass_through()) == ["blue", "red", "green", "blue", "red", "red"]


@pytest.mark.parametrize("by", ["key", "token"])
def test_a_watch_waits_for_the_turn_of_its_project(
    sqlite_api: ApiServer, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    secret = create_key(sqlite_database, project="red")[1]
    entered: list[str] = []
    enter = OpeningGate.enter

    async def note(gate: OpeningGate, project: str = "") -> Place:
        entered.append(project)
        return await enter(gate, project)

    monkeypatch.setattr(OpeningGate, "enter", note)
    with calling(sqlite_api, secret) as red:
        job_id = red.post("/v1/jobs", json={"model": "m", "messages": [{"role": "user", "content": "Write."}]}).json()[
            "id"
        ]
        token = red.post("/v1/watch_tokens", json={"channel": f"jobs/{job_id}"}).json()["token"]
        url = red.base_url.join(f"/v1/jobs/{job_id}/events")
        headers, query = ({"Authorization": f"Bearer {secret}"}, {}) if by == "key" else ({}, {"token": token})
        with httpx.stream("GET", url, params=query, headers=headers) as watch:
            assert watch.status_code == 200
    assert entered == ["", "red"]


def test_a_place_that_is_left_in_the_moment_it_is_given_goes_to_the_next() -> None:
    async def leave() -> None:
        gate = OpeningGate(1)
        first = await gate.enter()
        second, third = (asyncio.create_task(gate.enter()) for _ in range(2))
        await asyncio.sleep(0)
        first.release()
        second.cancel()
        async with asyncio.timeout(PATIENCE_SECONDS):
            (await third).release()
            (await gate.enter()).release()

    asyncio.run(leave())


def test_a_watch_that_takes_long_to_open_does_not_keep_the_others_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening_gate, "LONGEST_SECONDS", 0.01)

    async def wait() -> None:
        gate = OpeningGate(1)
        await gate.enter()  # and never released
        async with asyncio.timeout(PATIENCE_SECONDS):
            await gate.enter()

    asyncio.run(wait())


def test_a_refusal_that_nobody_reads_keeps_no_watch_from_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty connections without a key, which read nothing, let the next watch open after four seconds."""
    monkeypatch.setattr(opening_gate, "LONGEST_SECONDS", PATIENCE_SECONDS)
    unread: list[Message] = []

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await error_answer(ApiError(404, "not_found", "there is no such job"))(scope, receive, send)

    async def refuse_all() -> None:
        envelope, all_came, read = Envelope(refuse, ApiCounts()), asyncio.Event(), asyncio.Event()

        async def send(message: Message) -> None:
            unread.append(message)
            if len(unread) == len(asked):
                all_came.set()
            await read.wait()

        async def receive() -> Message:
            return {"type": "http.request"}

        scope = {"type": "http", "path": "/x/events", "raw_path": b"/x/events", "method": "GET", "headers": []}
        asked = [asyncio.create_task(envelope(dict(scope), receive, send)) for _ in range(3 * OPENING_AT_ONCE)]
        await all_came.wait()
        read.set()
        await asyncio.gather(*asked)

    asyncio.run(asyncio.wait_for(refuse_all(), PATIENCE_SECONDS / 2))
    assert {message["type"] for message in unread} == {"http.response.start", "http.response.body"}


def test_watches_that_come_at_once_all_open_and_end(
    sqlite_api: ApiServer, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once: list[int] = []

    def counted(database: Database, ids: Sequence[str]) -> list[Job]:
        at_once.append(len(ids))
        return read_jobs(database, ids)

    monkeypatch.setattr(job_rows, "read_jobs", counted)
    job_ids = [submit(sqlite_database) for _ in range(3)]
    watchers = [WatcherThread(sqlite_api.port, job_ids[place % 3]) for place in range(5 * OPENING_AT_ONCE)]
    for watcher in watchers:
        watcher.wait_for(lambda shown: "status" in shown.names())
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}") as client:
        for job_id in job_ids:
            assert client.post(f"/v1/jobs/{job_id}/cancel").is_success
    assert {watcher.join().done["status"] for watcher in watchers} == {"cancelled"}
    assert max(at_once) <= 3  # each of the jobs once


def test_a_row_is_never_older_than_the_question(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = submit(sqlite_database)
    reads: list[list[str]] = []
    started, going_on = threading.Event(), threading.Event()

    def slow(database: Database, ids: Sequence[str]) -> list[Job]:
        reads.append(list(ids))
        found = read_jobs(database, ids)
        started.set()
        assert going_on.wait(PATIENCE_SECONDS)
        return found

    monkeypatch.setattr(job_rows, "read_jobs", slow)

    async def ask() -> None:
        rows = JobRows(sqlite_database)
        first = [asyncio.create_task(rows.read(job_id)) for _ in range(3)]
        assert await asyncio.to_thread(started.wait, PATIENCE_SECONDS)
        later = asyncio.create_task(rows.read(job_id))  # while the read goes on that may have seen the row already
        missing = asyncio.create_task(rows.read("job_missing"))
        first[0].cancel()
        await asyncio.sleep(0)
        going_on.set()
        found = await asyncio.gather(*first[1:], later)
        assert {job.id for job in found if job is not None} == {job_id}
        assert await missing is None

    asyncio.run(ask())
    assert reads == [[job_id], [job_id, "job_missing"]]
