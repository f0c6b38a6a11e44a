"""A listener on the bare channels, with no API between."""

import time
from collections.abc import Callable, Iterable

import redis as redis_py

from jobs.live.channel import Message, channel_name, decode
from tests.chaos.processes import PATIENCE_SECONDS


class Listener:
    """Hears what is published on channels, with nothing between."""

    def __init__(self, redis: redis_py.Redis, resource_ids: Iterable[str]) -> None:
        names = [channel_name(resource_id) for resource_id in resource_ids]
        self._id_of = dict(zip((name.encode() for name in names), resource_ids, strict=True))
        self._pubsub = redis.pubsub()  # type: ignore[no-untyped-call]  # so in redis-py
        self._pubsub.subscribe(*names)
        for _ in names:
            self._pubsub.get_message(timeout=PATIENCE_SECONDS)
        self.heard: list[tuple[str, Message]] = []

    def wait_for(self, holds: Callable[[str, Message], bool], timeout_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for a message, from now on, of whose job and itself this holds. All that came are kept in `heard`."""
        deadline = time.monotonic() + timeout_seconds
        while (left := deadline - time.monotonic()) > 0:
            got = self._pubsub.get_message(timeout=left)
            if got is None or got["type"] != "message":
                continue
            job_id, message = self._id_of[got["channel"]], decode(got["data"])
            self.heard.append((job_id, message))
            if holds(job_id, message):
                return
        raise TimeoutError(f"not heard within {timeout_seconds} s; the last were {self.heard[-3:]}")

    def wait_done(self, job_ids: Iterable[str], timeout_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until `done` was heard of each of these jobs."""
        wanted = set(job_ids)

        def all_done(*_: object) -> bool:
            return wanted <= {job_id for job_id, message in self.heard if message.event == "done"}

        if not all_done():
            self.wait_for(all_done, timeout_seconds)

    def close(self) -> None:
        """Hear no more."""
        self._pubsub.close()
