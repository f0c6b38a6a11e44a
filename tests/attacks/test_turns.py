"""Turns and locks that projects share: none has all of them, and none waits for all that another one asks."""

import json
import threading
from typing import Any

import pytest
from anyio import create_task_group, run, to_thread

from api.access.turns import ASKING, Turns
from api.server import ApiServer
from jobs.model.fair_lock import FairLock
from jobs.store.database import Database
from jobs.store.keys import create_key
from tests.api.callers import calling
from tests.api.watching import wait_until

PATH = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize("most", [1, 2, 16])
def test_one_project_has_never_all_the_turns(most: int) -> None:
    going, released = threading.Semaphore(0), threading.Event()

    def block() -> None:
        going.release()
        released.wait(20)

    async def ask(turns: Turns, project: str) -> None:
        ASKING.set(project)
        await turns.run(block if project == "red" else released.set)

    async def compete() -> Turns:
        turns = Turns(most)
        async with create_task_group() as group:
            for _ in range(3 * most):
                group.start_soon(ask, turns, "red")
            for _ in range(turns.of_one_project):
                assert await to_thread.run_sync(going.acquire, True, 20)
            if most == 1:
                released.set()
            group.start_soon(ask, turns, "blue")  # it ends the others
        return turns

    turns = run(compete)
    assert released.is_set()
    assert turns._by_project == {}


def test_a_lock_goes_to_the_projects_in_turn() -> None:
    lock = FairLock()
    order: list[str] = []

    def hold(project: str) -> None:
        with lock.hold(project):
            order.append(project)

    threads = []
    with lock.hold("red"):
        for project in ("red", "red", "red", "blue"):
            threads.append(threading.Thread(target=hold, args=(project,)))
            threads[-1].start()
            wait_until(lambda: len(lock._waiting) == len(threads))
    for thread in threads:
        thread.join()
    assert order == ["blue", "red", "red", "red"]
    assert not lock._waiting


def test_a_project_that_comes_during_a_turn_is_next() -> None:
    """It waited for the rest of one slow question and for another whole one."""
    lock = FairLock()
    order: list[str] = []
    threads: list[threading.Thread] = []

    def hold(project: str) -> None:
        with lock.hold(project):
            order.append(project)
            if order == ["red"]:  # blue comes while red has the first of its turns, and more of red waits
                come("blue")

    def come(project: str) -> None:
        threads.append(threading.Thread(target=hold, args=(project,)))
        threads[-1].start()
        wait_until(lambda: len(lock._waiting) + len(order) == len(threads))

    with lock.hold("green"):
        for _ in range(3):
            come("red")
    while len(threads) < 4 or any(thread.is_alive() for thread in threads):
        for thread in threads:
            thread.join()
    assert order == ["red", "blue", "red", "red"]


def test_who_does_not_wait_any_longer_keeps_no_turn() -> None:
    lock = FairLock()
    order: list[str] = []

    def hold() -> None:
        with lock.hold():
            order.append("second")

    with lock.hold():
        with pytest.raises(TimeoutError), lock.hold(timeout=0.01):
            order.append("never")
        waiting = threading.Thread(target=hold)
        waiting.start()
        wait_until(lambda: len(lock._waiting) == 1)
    waiting.join()
    assert order == ["second"]
    assert not lock.locked()


def test_a_thread_that_writes_again_and_again_waits_behind_those_that_came_meanwhile(sqlite_database: Database) -> None:
    """A cancel of 20,000 jobs in rounds had every turn to write, and others waited for two seconds."""
    order: list[str] = []
    turns = sqlite_database._turn
    assert turns is not None

    def write() -> None:
        with sqlite_database.write():
            order.append("another")

    with sqlite_database.write():
        waiting = threading.Thread(target=write)
        waiting.start()
        wait_until(lambda: len(turns._threads._waiting) == 1)
    with sqlite_database.write():
        order.append("again")
    waiting.join()
    assert order == ["another", "again"]


def test_a_small_file_does_not_wait_behind_the_large_ones_of_other_projects(
    sqlite_api: ApiServer, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two projects that made batches of 49,000 lines kept a third one's ten lines waiting for a minute."""
    services = sqlite_api.config.app.state.services  # type: ignore[union-attr]  # FastAPI's
    line = json.dumps({"custom_id": "a", "method": "POST", "url": PATH, "body": {"model": "m", "messages": HELLO}})
    with calling(sqlite_api, create_key(sqlite_database)[1]) as client:
        form: Any = {"file": ("a.jsonl", line.encode()), "purpose": (None, "batch")}
        file = client.post("/v1/files", files=form).json()["id"]
        monkeypatch.setattr(services.file_batches, "run", None)  # whoever needs a place there fails
        order = {"input_file_id": file, "endpoint": PATH, "completion_window": "24h"}
        assert client.post("/v1/batches", json=order).status_code == 200
        assert client.post("/v1/inputs", json={"input_file_id": file}).status_code == 200
