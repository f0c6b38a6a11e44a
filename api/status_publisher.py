"""Publishes status changes that the API makes and no worker: a cancel, or a retry that queues jobs again."""

import queue
import threading
from collections.abc import Iterable, Sequence
from itertools import islice
from logging import getLogger

import redis

from jobs.live.channel import channel_name, encode_batch
from jobs.live.status_changes import StatusChange, notifications

_MESSAGES_PER_WRITE = 500

_Message = tuple[str, bytes]
"""The id of the job or batch whose channel it is for, and the message."""

log = getLogger(__name__)


class StatusPublisher:
    """Publishes from a thread of its own, so that a cancel or a retry never waits for a Redis that is away or frozen.

    A message that cannot be published is dropped: watchers look at the rows every few seconds.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2)
        self._waiting: queue.Queue[Iterable[_Message] | None] = queue.Queue(maxsize=1000)
        self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)
        self._thread.start()

    def publish(self, changes: Iterable[StatusChange]) -> None:
        """Publish soon what became of these jobs, and tell their batches; returns at once and never raises."""
        waiting = list(changes)
        if waiting:
            self._put(notifications(waiting, batches_changed=True))

    def publish_batches(self, batch_ids: Sequence[str]) -> None:
        """Tell the watchers of these batches soon that something about their batch has changed, such as a hold."""
        if batch_ids:
            self._put([(batch_id, encode_batch()) for batch_id in batch_ids])

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
        while (messages := self._waiting.get()) is not None:
            try:
                self._publish(messages)
            except (redis.RedisError, OSError) as error:
                log.warning("announcement failed, watchers will see the rows: %s", error)

    def _put(self, messages: Iterable[_Message]) -> None:
        try:
            self._waiting.put_nowait(messages)
        except queue.Full:
            log.warning("announcements dropped, Redis is behind; watchers will see the rows")

    def _publish(self, messages: Iterable[_Message]) -> None:
        left = iter(messages)
        while some := list(islice(left, _MESSAGES_PER_WRITE)):
            pipeline = self._redis.pipeline(transaction=False)
            for resource_id, message in some:
                pipeline.publish(channel_name(resource_id), message)
            pipeline.execute()
