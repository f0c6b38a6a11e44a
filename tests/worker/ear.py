"""A hearer of the raw messages of a job's channel."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import redis as redis_py

from jobs.live.channel import Message, channel_name, decode, tail_key
from tests.worker.worker_fixtures import PATIENCE_SECONDS, WorkerParts


class Ear:
    """Hears all messages of a job's channel, and reads the tail at the moment that it hears each."""

    def __init__(self, redis_url: str, job_id: str) -> None:
        self._job_id = job_id
        self._client = redis_py.Redis.from_url(redis_url)
        self._pubsub = self._client.pubsub()  # type: ignore[no-untyped-call]  # so in redis-py
        self._pubsub.subscribe(channel_name(job_id))
        self._pubsub.get_message(timeout=PATIENCE_SECONDS)
        self._heard = threading.Condition()
        self._ended = False
        self._on_message: Callable[[Message], None] = lambda _: None
        self.messages: list[Message] = []
        self.short_tails: list[tuple[Message, int]] = []
        """Messages whose text was not in the tail yet when they were heard."""
        self._thread = threading.Thread(target=self._listen, name="ear", daemon=True)

    def start(self, on_message: Callable[[Message], None] | None = None) -> None:
        """Begin to hear; `on_message` is called in the ear's own thread."""
        if on_message is not None:
            self._on_message = on_message
        self._thread.start()

    def _listen(self) -> None:
        while not self._ended:
            heard = self._pubsub.get_message(timeout=0.05)
            if heard is None or heard["type"] != "message":
                continue
            message = decode(heard["data"])
            if not message.event:
                end = message.offset + len(message.text.encode())
                there = int(self._client.strlen(tail_key(self._job_id, message.attempt)))
                if there < end:
                    self.short_tails.append((message, there))
            self._on_message(message)
            with self._heard:
                self.messages.append(message)
                self._heard.notify_all()

    def wait_for(self, holds: Callable[[list[Message]], bool]) -> list[Message]:
        """Wait until `holds` of what was heard, and return that."""
        with self._heard:
            if not self._heard.wait_for(lambda: holds(self.messages), PATIENCE_SECONDS):
                raise TimeoutError(f"not heard; the last were {self.messages[-5:]}")
            return list(self.messages)

    def wait_for_event(self, event: str, attempt: int | None = None) -> list[Message]:
        return self.wait_for(lambda all_: any(m.event == event and attempt in (None, m.attempt) for m in all_))

    def wait_for_bytes(self, length: int) -> list[Message]:
        """Wait until text up to this byte was told."""
        return self.wait_for(lambda all_: any(m.offset + len(m.text.encode()) >= length for m in all_ if not m.event))

    def deltas(self, attempt: int) -> list[Message]:
        return [message for message in self.messages if message.attempt == attempt and not message.event]

    def text(self, attempt: int) -> str:
        """The texts of an attempt put together. Each must start where the one before it ended: none lost or doubled."""
        text = b""
        for message in self.deltas(attempt):
            assert message.offset == len(text), f"at {message.offset} instead of {len(text)}"
            text += message.text.encode()
        return text.decode()

    def close(self) -> None:
        self._ended = True
        if self._thread.ident is not None:
            self._thread.join(PATIENCE_SECONDS)
        self._pubsub.close()
        self._client.close()


@contextmanager
def listening(redis_url: str, job_id: str, on_message: Callable[[Message], None] | None = None) -> Iterator[Ear]:
    """An ear that has subscribed before the block begins."""
    ear = Ear(redis_url, job_id)
    try:
        ear.start(on_message)
        yield ear
    finally:
        ear.close()


def run_to_the_end(worker: WorkerParts, job_id: str) -> list[Message]:
    """Hint a job as submit does, and let dispatch hint it again when it is due; returns what was told."""
    with listening(worker.settings.require_redis_url(), job_id) as ear:
        worker.hint([job_id])
        worker.dispatch.start()
        return ear.wait_for_event("done")
