"""A recorder on a loop of its own, with one recording that a test feeds."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis as redis_py

from jobs.live.channel import tail_key
from tests.worker.worker_fixtures import PATIENCE_SECONDS
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

    def publish(self, message: bytes) -> None:
        self.loop.call(self.recording.publish, message)

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
