"""Tells watchers of jobs that were moved here and not by a worker: cancelled, or queued again by a retry."""

import queue
import threading
from collections.abc import Iterable, Sequence
from hashlib import sha256
from logging import getLogger

import redis
from sqlalchemy.exc import SQLAlchemyError

from jobs.channel import channel_name, encode_batch, encode_done, encode_job, encode_queued
from jobs.database import Database
from jobs.queries import read_job
from jobs.rescue import Moved
from jobs.status import FINAL, JobStatus

_EMPTY_SHA256 = sha256(b"").hexdigest()
_MESSAGES_PER_WRITE = 500

log = getLogger(__name__)


class Announcer:
    """Publishes from a thread of its own, so that a cancel or a retry never waits for a Redis that is away or frozen.

    A message that cannot be published is dropped: watchers look at the row every few seconds.
    """

    def __init__(self, database: Database, redis_url: str) -> None:
        self._database = database
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2)
        self._waiting: queue.Queue[Sequence[Moved] | None] = queue.Queue(maxsize=1000)
        self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)
        self._thread.start()

    def announce(self, moved: Iterable[Moved]) -> None:
        """Publish soon what became of these jobs, and to their batches; returns at once and never raises."""
        waiting = list(moved)
        if not waiting:
            return
        try:
            self._waiting.put_nowait(waiting)
        except queue.Full:
            log.warning("announcements dropped, Redis is behind; watchers will see the rows")

    def close(self) -> None:
        """Stop after what is being published; waits for at most 1 s."""
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
            except (redis.RedisError, OSError, SQLAlchemyError) as error:
                log.warning("announcement failed, watchers will see the rows: %s", error)

    def _publish(self, moved: Sequence[Moved]) -> None:
        for start in range(0, len(moved), _MESSAGES_PER_WRITE):
            pipeline = self._redis.pipeline(transaction=False)
            for one in moved[start : start + _MESSAGES_PER_WRITE]:
                if one.status in FINAL:
                    pipeline.publish(channel_name(one.id), self._done(one))
                elif one.status is JobStatus.QUEUED:
                    pipeline.publish(channel_name(one.id), encode_queued(one.attempt))
                # A batch of which so many were moved at once is told to look at all of its rows.
                if one.batch_id is not None and len(moved) <= _MESSAGES_PER_WRITE:
                    pipeline.publish(channel_name(one.batch_id), encode_job(one.id, one.attempt, one.status))
            pipeline.execute()
        for batch_id in {one.batch_id for one in moved if one.batch_id is not None}:
            self._redis.publish(channel_name(batch_id), encode_batch())

    def _done(self, one: Moved) -> bytes:
        length, digest = 0, _EMPTY_SHA256
        if one.attempt > 0:  # an earlier attempt may have left a text
            job = read_job(self._database, one.id, project=None)
            if job is not None:
                length, digest = job.bytes or 0, job.sha256 or _EMPTY_SHA256
        return encode_done(one.attempt, one.status, length, digest)
