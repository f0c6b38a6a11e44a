"""Publishes what became of jobs that were moved here and not by a worker: cancelled, or queued again by a retry."""

import queue
import threading
from collections.abc import Iterable, Sequence
from itertools import islice
from logging import getLogger

import redis

from jobs.channel import channel_name
from jobs.moved import Moved, messages_of

_MESSAGES_PER_WRITE = 500

log = getLogger(__name__)


class Announcer:
    """Publishes from a thread of its own, so that a cancel or a retry never waits for a Redis that is away or frozen.

    A message that cannot be published is dropped: watchers look at the rows every few seconds.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2)
        self._waiting: queue.Queue[Sequence[Moved] | None] = queue.Queue(maxsize=1000)
        self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)
        self._thread.start()

    def announce(self, moved: Iterable[Moved]) -> None:
        """Publish soon what became of these jobs, and tell their batches; returns at once and never raises."""
        waiting = list(moved)
        if not waiting:
            return
        try:
            self._waiting.put_nowait(waiting)
        except queue.Full:
            log.warning("announcements dropped, Redis is behind; watchers will see the rows")

    def close(self) -> None:
        """Stop when everything announced is published, but wait for at most 1 s."""
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(timeout=1)
        if not self._thread.is_alive():
            self._redis.close()

    def _run(self) -> None:
        while (moved := self._waiting.get()) is not None:
            try:
                self._publish(moved)
            except (redis.RedisError, OSError) as error:
                log.warning("announcement failed, watchers will see the rows: %s", error)

    def _publish(self, moved: Sequence[Moved]) -> None:
        messages = messages_of(moved, batches_changed=True)
        while some := list(islice(messages, _MESSAGES_PER_WRITE)):
            pipeline = self._redis.pipeline(transaction=False)
            for resource_id, message in some:
                pipeline.publish(channel_name(resource_id), message)
            pipeline.execute()
