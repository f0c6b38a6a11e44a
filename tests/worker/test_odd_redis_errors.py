"""redis-py raises errors that are none of its own, such as an IndexError for an OSError without words: they mean that
Redis does not answer, and end no thread.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from functools import partial

import pytest
from redis.asyncio.connection import Connection as AsyncConnection
from redis.connection import Connection

from api.watching.tails import Tails
from jobs.dispatch import queue
from jobs.dispatch.queue import Hinter, make_celery
from jobs.live import wake
from jobs.live.background_sender import BackgroundSender
from jobs.settings import Settings
from jobs.store.database import Database
from tests.worker.worker_fixtures import PATIENCE_SECONDS
from worker.active_attempts import ActiveAttempts
from worker.signs import SignsOfLife

URL = "redis://127.0.0.1:1/0"


@pytest.fixture
def second_try(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when redis-py was asked to connect a second time. It never does."""
    tries = []
    again = threading.Event()

    def fail(_: object) -> None:
        tries.append(1)
        if len(tries) > 1:
            again.set()
        raise IndexError("tuple index out of range")

    async def fail_in_the_loop(connection: object, **_: object) -> None:
        fail(connection)

    monkeypatch.setattr(Connection, "_connect", fail)
    monkeypatch.setattr(AsyncConnection, "connect", fail_in_the_loop)
    return again


@pytest.mark.usefixtures("second_try")
def test_a_tail_is_not_there_and_a_trial_says_that_redis_does_not_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def ask() -> None:
        tails = Tails(URL)
        assert await tails.read("job_1", 1, 0) is None
        for trial in (tails.try_write, partial(tails.read_signs, 0.0)):
            with pytest.raises(OSError, match="IndexError"):
                await trial()
        await tails.close()

    asyncio.run(ask())
    assert "IndexError" in caplog.text


def test_wakes_are_listened_for_again(second_try: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wake, "RECONNECT_SECONDS", 0.01)
    listener = wake.WakeListener(URL, lambda: None)
    listener.start()
    try:
        assert second_try.wait(PATIENCE_SECONDS)
    finally:
        listener.stop()


def test_signs_of_life_go_on(second_try: threading.Event, sqlite_database: Database) -> None:
    settings = Settings(redis_url=URL, heartbeat_seconds=0.01)
    signs = SignsOfLife(sqlite_database, ActiveAttempts(), "w", settings)
    signs.start()
    try:
        assert second_try.wait(PATIENCE_SECONDS)
    finally:
        signs.stop()


def test_what_comes_after_something_that_could_not_be_sent_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    sent = threading.Event()

    def send(item: Callable[[], None]) -> None:
        item()

    sender = BackgroundSender("sender of tests", send)
    sender.put(partial([].pop, 0))  # an IndexError
    sender.put(sent.set)
    assert sent.wait(PATIENCE_SECONDS)
    assert sender.close()
    assert "sender of tests failed" in caplog.text


def test_jobs_that_cannot_be_hinted_for_such_an_error_run_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise IndexError("tuple index out of range")

    monkeypatch.setattr(queue, "send_hints", fail)
    here: list[str] = []
    came = threading.Event()

    def run_here(job_ids: Sequence[str]) -> None:
        here.extend(job_ids)
        came.set()

    hinter = Hinter(make_celery(URL), run_here)
    hinter.hint(["job_1"])
    assert came.wait(PATIENCE_SECONDS)
    assert here == ["job_1"]
    hinter.close()
