"""The gate that watches pass while they open: a few at a time, the projects in turn, and no stranger in it."""

import asyncio

import httpx
import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from api.callers import opening_gate
from api.callers.caller import CALLER, Caller
from api.callers.opening_gate import OPENING_AT_ONCE, OpeningGate, Place, WatchGate
from api.http.connections import Connections
from api.http.errors import ApiError, error_answer
from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.keys import create_key, revoke_key
from tests.api.callers import calling
from tests.api.watching import PATIENCE_SECONDS
from tests.conftest import serve_api

SCOPE = {"type": "http", "path": "/v1/jobs/job_1/events", "method": "GET", "headers": [], CALLER: Caller("red", None)}


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The projects whose watches have come to the gate."""
    came: list[str] = []
    enter = OpeningGate.enter

    async def note(gate: OpeningGate, project: str) -> Place:
        came.append(project)
        return await enter(gate, project)

    monkeypatch.setattr(OpeningGate, "enter", note)
    return came


def gate_of(most: int) -> OpeningGate:
    """A gate that lets in so many at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening_gate, "OPENING_AT_ONCE", most)
        return OpeningGate()


async def send_nothing(_message: Message) -> None:
    """For answers that are of no interest."""


def test_the_gate_lets_in_a_few_in_the_order_in_which_they_came() -> None:
    async def pass_through() -> list[int]:
        gate = gate_of(2)
        let_in: list[int] = []
        places = [await gate.enter("red"), await gate.enter("red")]

        async def come(number: int) -> None:
            place = await gate.enter("red")
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
        gate = gate_of(1)
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
    sqlite_api: ApiServer, sqlite_database: Database, entered: list[str], by: str
) -> None:
    secret = create_key(sqlite_database, project="red")[1]
    with calling(sqlite_api, secret) as red:
        order = {"model": "m", "messages": [{"role": "user", "content": "Write."}]}
        job_id = red.post("/v1/jobs", json=order).json()["id"]
        token = red.post("/v1/watch_tokens", json={"channel": f"jobs/{job_id}"}).json()["token"]
        url = red.base_url.join(f"/v1/jobs/{job_id}/events")
        headers, query = ({"Authorization": f"Bearer {secret}"}, {}) if by == "key" else ({}, {"token": token})
        with httpx.stream("GET", url, params=query, headers=headers) as watch:
            assert watch.status_code == 200
    assert entered == ["red"]


def test_a_place_that_is_left_in_the_moment_it_is_given_goes_to_the_next() -> None:
    async def leave() -> None:
        gate = gate_of(1)
        first = await gate.enter("red")
        second, third = (asyncio.create_task(gate.enter("red")) for _ in range(2))
        await asyncio.sleep(0)
        first.release()
        second.cancel()
        async with asyncio.timeout(PATIENCE_SECONDS):
            (await third).release()
            (await gate.enter("red")).release()

    asyncio.run(leave())


def test_a_watch_that_takes_long_to_open_does_not_keep_the_others_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening_gate, "LONGEST_SECONDS", 0.01)

    async def wait() -> None:
        gate = gate_of(1)
        await gate.enter("red")  # and never released
        async with asyncio.timeout(PATIENCE_SECONDS):
            await gate.enter("red")

    asyncio.run(wait())


def test_a_refusal_that_nobody_reads_keeps_no_watch_from_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty connections without a key, which read nothing, let the next watch open after four seconds."""
    monkeypatch.setattr(opening_gate, "LONGEST_SECONDS", PATIENCE_SECONDS)
    unread: list[Message] = []

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await error_answer(ApiError(404, "not_found", "there is no such job"))(scope, receive, send)

    async def refuse_all() -> None:
        gate, all_came, read = WatchGate(refuse), asyncio.Event(), asyncio.Event()

        async def send(message: Message) -> None:
            unread.append(message)
            if len(unread) == len(asked):
                all_came.set()
            await read.wait()

        async def receive() -> Message:
            return {"type": "http.request"}

        asked = [asyncio.create_task(gate(dict(SCOPE), receive, send)) for _ in range(3 * OPENING_AT_ONCE)]
        await all_came.wait()
        read.set()
        await asyncio.gather(*asked)

    asyncio.run(asyncio.wait_for(refuse_all(), PATIENCE_SECONDS / 2))
    assert {message["type"] for message in unread} == {"http.response.start", "http.response.body"}


def test_a_watch_whose_client_did_not_wait_is_not_opened() -> None:
    """Thousands of requests that were reset at once kept the next watch waiting for eleven seconds."""
    opened: list[str] = []

    async def open_watch(scope: Scope, receive: Receive, send: Send) -> None:
        opened.append((await receive())["type"])

    async def be_gone() -> Message:
        return {"type": "http.disconnect"}

    async def be_there() -> Message:
        return {"type": "http.request"}

    async def come() -> None:
        gate = WatchGate(open_watch)
        with pytest.raises(ClientDisconnect):
            await gate(SCOPE, be_gone, send_nothing)
        await gate(SCOPE, be_there, send_nothing)

    asyncio.run(come())
    assert opened == ["http.request"]


def test_so_many_watches_of_a_project_wait_and_the_next_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening_gate, "MOST_WAITING", 2)

    async def come() -> None:
        gate = gate_of(1)
        place = await gate.enter("red")
        waiting = [asyncio.create_task(gate.enter("red")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ApiError, match="2 watches of your project are opening"):
            await gate.enter("red")
        blue = asyncio.create_task(gate.enter("blue"))
        place.release()
        (await blue).release()
        for each in waiting:
            (await each).release()

    asyncio.run(come())


def test_requests_without_a_key_keep_no_watch_from_opening(
    sqlite_url: str, redis_url: str, sqlite_database: Database, entered: list[str]
) -> None:
    """A thousand connections that asked again and again without a key kept the next watch waiting for ten seconds."""
    secret = create_key(sqlite_database, project="red")[1]
    with serve_api(sqlite_url, redis_url) as server:
        url = f"http://127.0.0.1:{server.port}"
        paths = (
            "/x/events",
            "/v1/models/x/events",
            "/v1/jobs/job_1/events",
            "/v1/jobs/job_1/events?token=1.2.3",
            "/v1/batches/b/events",
        )
        assert [httpx.get(url + path).status_code for path in paths] == [404, 401, 401, 401, 401]
        assert entered == []
        answer = httpx.get(f"{url}/v1/jobs/job_1/events", headers={"Authorization": f"Bearer {secret}"})
        assert (answer.status_code, entered) == (404, ["red"])
        httpx.get(f"{url}/v1/models/x/events", headers={"Authorization": f"Bearer {secret}"})
        assert entered == ["red"]  # a model may have any name, and its upstream may be slow
        httpx.get(f"{url}/v1/jobs/job_1/events%0A", headers={"Authorization": f"Bearer {secret}"})
        assert entered == ["red", "red"]  # Starlette takes this for the same route


def test_a_watch_that_waits_is_no_stranger_and_a_key_that_is_revoked_meanwhile_opens_nothing(
    sqlite_url: str, redis_url: str, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, secret = create_key(sqlite_database, project="red")
    room = Connections(100)
    monkeypatch.setattr("api.server.connections_of_process", lambda: room)
    of_red: list[int] = []
    enter = OpeningGate.enter

    async def revoke(gate: OpeningGate, project: str) -> Place:
        of_red.append(room._of_project["red"])
        await asyncio.to_thread(revoke_key, sqlite_database, key.id)
        server.config.app.state.services.keyring._known.clear()  # type: ignore[union-attr]  # its five seconds are over
        return await enter(gate, project)

    monkeypatch.setattr(OpeningGate, "enter", revoke)
    with serve_api(sqlite_url, redis_url) as server:
        url = f"http://127.0.0.1:{server.port}/v1/jobs/job_1/events"
        answer = httpx.get(url, headers={"Authorization": f"Bearer {secret}"})
    assert (answer.status_code, of_red) == (401, [1])


def test_what_is_no_watch_does_not_come_to_the_gate(sqlite_api: ApiServer, entered: list[str]) -> None:
    answer = httpx.post(f"http://127.0.0.1:{sqlite_api.port}/v1/jobs/job_1/events", content=b" " * 300_000)
    assert (answer.status_code, entered) == (405, [])
