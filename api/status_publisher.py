"""Publishes status changes that the API makes and no worker: a cancel, or a retry that queues jobs again."""

from collections.abc import Iterable, Sequence
from itertools import islice
from logging import getLogger

import redis

from jobs.live.background_sender import BackgroundSender
from jobs.live.channel import channel_name, encode_batch
from jobs.live.status_changes import StatusChange, notifications

_MESSAGES_PER_WRITE = 500

_Message = tuple[str, bytes]
"""The id of the job or batch whose channel it is for, and the message."""

log = getLogger(__name__)


class StatusPublisher:
    """Publishes from its own thread. A message that cannot be published is dropped: watchers look at the rows every few
    seconds.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2)
        self._sender = BackgroundSender("status publisher", self._send)

    def publish(self, changes: Iterable[StatusChange]) -> None:
        """Publish soon what became of these jobs, to their batches too; returns at once and never raises."""
        waiting = list(changes)
        if waiting:
            self._put(notifications(waiting, batches_changed=True))

    def publish_batches(self, batch_ids: Sequence[str]) -> None:
        """Publish soon to the watchers of these batches that something has changed about them, such as a hold."""
        if batch_ids:
            self._put([(batch_id, encode_batch()) for batch_id in batch_ids])

    def close(self) -> None:
        """Stop after the last message."""
        if self._sender.close():
            self._redis.close()

    def _put(self, messages: Iterable[_Message]) -> None:
        if not self._sender.put(messages):
            log.warning("status changes dropped, Redis is behind; watchers will see the rows")

    def _send(self, messages: Iterable[_Message]) -> None:
        left = iter(messages)
        try:
            while some := list(islice(left, _MESSAGES_PER_WRITE)):
                pipeline = self._redis.pipeline(transaction=False)
                for resource_id, message in some:
                    pipeline.publish(channel_name(resource_id), message)
                pipeline.execute()
        except (redis.RedisError, OSError) as error:
            log.warning("status changes not published, watchers will see the rows: %s", error)
