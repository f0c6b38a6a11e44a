"""The recorder against a real Valkey that is erased, cut, frozen, full and restarted while it records."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis as redis_py

from jobs.channel import encode_done, tail_key
from tests.conftest import free_port
from tests.worker.worker_fixtures import PATIENCE_SECONDS, Ear, listening
from worker import recorder as recorder_module
from worker.event_loop import EventLoop
from worker.recorder import Recorder
from worker.recording import Recording

JOB = "job_1"
PIECES = [f"{number} – ü🙂 " for number in range(400)]


class OneRecording:
    """A recorder on its loop, with one recording that the test's thread feeds."""

    def __init__(self, redis_url: str, *, text: str = "", tail_seconds: int = 3600) -> None:
        self.loop = EventLoop()
        self.recorder = self.loop.run(self._open(redis_url, tail_seconds))
        self.recording = self.loop.run(self._begin(JOB, text))

    async def _open(self, redis_url: str, tail_seconds: int) -> Recorder:
        return Recorder(redis_url, tail_seconds)

    async def _begin(self, job_id: str, text: str) -> Recording:
        return self.recorder.open(job_id, 1, text)

    def add(self, *pieces: str) -> None:
        """Add pieces, each in a turn of the loop of its own."""

        async def write() -> None:
            for piece in pieces:
                self.recording.add(piece)
                await asyncio.sleep(0)

        self.loop.run(write())

    def say(self, message: bytes) -> None:
        self.loop.call(self.recording.say, message)

    @property
    def text(self) -> str:
        return self.recording.text.decode()

    def close(self) -> None:
        self.loop.run(self.recorder.aclose())
        self.loop.close()


@contextmanager
def recording_on(redis_url: str, **options: Any) -> Iterator[OneRecording]:
    one = OneRecording(redis_url, **options)
    try:
        yield one
    finally:
        one.close()


@pytest.fixture
def ear(redis_url: str) -> Iterator[Ear]:
    with listening(redis_url, JOB) as heard:
        yield heard


@contextmanager
def counting_warnings(about: str) -> Iterator[Callable[[int], None]]:
    """Gives a function that waits until the recorder has warned so many times since the block began."""
    warned = threading.Semaphore(0)

    class Counter(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if about in record.getMessage():
                warned.release()

    def wait_for(times: int) -> None:
        for _ in range(times):
            assert warned.acquire(timeout=PATIENCE_SECONDS), f"no warning about {about!r}"

    counter = Counter(logging.WARNING)
    log = logging.getLogger("worker.recorder")
    log.addHandler(counter)
    try:
        yield wait_for
    finally:
        log.removeHandler(counter)


def tail_of(client: redis_py.Redis, attempt: int = 1) -> str:
    tail = client.get(tail_key(JOB, attempt))
    assert isinstance(tail, bytes | None)
    return (tail or b"").decode()


def test_every_delta_is_told_once_in_order_and_is_in_the_tail_before_it_is_told(redis_url: str, ear: Ear) -> None:
    with recording_on(redis_url) as one:
        one.add(*PIECES)
        ear.wait_for_bytes(len(one.recording.text))
        assert ear.text(1) == "".join(PIECES) == one.text
        assert [message.text for message in ear.deltas(1)] == PIECES
        assert ear.messages[0].event == "started"
    assert ear.short_tails == []


def test_an_attempt_that_goes_on_writes_the_text_before_it_into_its_own_tail(
    redis_url: str, ear: Ear, valkey_client: redis_py.Redis
) -> None:
    with recording_on(redis_url, text="Before – ") as one:
        one.add("after")
        ear.wait_for_bytes(len(one.recording.text))
    assert tail_of(valkey_client) == "Before – after"
    assert ear.wait_for_event("started")[-1].attempt == 1
    started = next(message for message in ear.messages if message.event == "started")
    assert started.offset == len("Before – ".encode())
    assert ear.short_tails == []


def test_a_tail_expires_some_time_after_the_last_write(redis_url: str, ear: Ear, valkey_client: redis_py.Redis) -> None:
    with recording_on(redis_url, tail_seconds=600) as one:
        ear.wait_for_event("started")  # told before there is a tail whose time could be set
        one.add("text")
        ear.wait_for_bytes(4)
        assert 590 <= int(valkey_client.ttl(tail_key(JOB, 1))) <= 600


def test_many_recordings_share_one_call(redis_url: str, valkey_client: redis_py.Redis) -> None:
    with recording_on(redis_url) as one, listening(redis_url, "job_49") as last:

        async def write() -> None:
            others = [one.recorder.open(f"job_{number}", 1) for number in range(50)]
            for piece in PIECES[:40]:
                for other in others:
                    other.add(piece)

        valkey_client.config_resetstat()
        one.loop.run(write())
        last.wait_for_bytes(len("".join(PIECES[:40]).encode()))
        stats: Any = valkey_client.info("commandstats")
        calls, published = stats["cmdstat_evalsha"]["calls"], stats["cmdstat_publish"]["calls"]
    assert published >= 50 * 41
    assert calls <= 3


def test_an_idle_process_tells_a_single_delta_at_once(
    redis_url: str, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With so long a pause before it, a delta would not be heard in the time that the ear waits for it.
    monkeypatch.setattr(recorder_module, "MAX_PAUSE_SECONDS", 10 * PATIENCE_SECONDS)
    with recording_on(redis_url) as one:
        one.add("one")
        ear.wait_for_bytes(3)


@pytest.mark.parametrize("turns", range(8))
def test_closing_tells_what_is_due_whatever_is_under_way(
    redis_url: str, ear: Ear, valkey_client: redis_py.Redis, turns: int
) -> None:
    one = OneRecording(redis_url)

    async def end() -> None:
        one.recording.add("the text")
        for _ in range(turns):
            await asyncio.sleep(0)
        one.recording.say(encode_done(1, "completed", 8, ""))
        await one.recorder.aclose()

    one.loop.run(end())
    one.loop.close()
    assert tail_of(valkey_client) == "the text"
    ear.wait_for_event("done")
    assert any(message.event == "started" for message in ear.messages)


def test_a_tail_can_be_read_back_and_is_empty_when_redis_is_away(redis_url: str, ear: Ear) -> None:
    with recording_on(redis_url) as one:
        one.add(*PIECES)
        ear.wait_for_bytes(len(one.recording.text))
        assert one.loop.run(one.recorder.read_tail(JOB, 1)) == "".join(PIECES)
        assert one.loop.run(one.recorder.read_tail(JOB, 2)) == ""
    with (
        recording_on(f"redis://127.0.0.1:{free_port()}") as one,
        counting_warnings("tail not read") as wait_for_warnings,
    ):
        assert one.loop.run(one.recorder.read_tail(JOB, 1)) == ""
        wait_for_warnings(1)
