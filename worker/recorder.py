"""The recorder: stores every delta in Redis and publishes it to the watchers.

One for a process, on its event loop. Each attempt has a `Recording`, the text so far; everything that is due in any of
them goes to Redis in one packed call (`RECORD_SCRIPT`), because the price of a delta falls 5 to 12 times from 5 to 100
deltas a call. Redis being away costs nothing but the watching: the text is in memory, and its tail is written again,
from the beginning, when Redis is back.
"""

import asyncio
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from logging import getLogger
from typing import Any

import hiredis

from jobs.live.channel import RECORD_SCRIPT, encode_started, reasoning_key, tail_key
from jobs.live.redis_connection import RedisConnection, connect, handshake_commands
from jobs.store.database import utc_now
from worker.recording import Recording

log = getLogger(__name__)

MAX_PAUSE_SECONDS = 0.010
"""The longest wait between two calls. It is added to the delay of a delta, and only when there are many."""

FULL_PAUSE_RATE = 500.0
"""At this many deltas a second the pause is longest; below it, proportional; when idle, zero. Ten streams reach it:
five deltas then share the price of a call."""

MAX_CALL_BYTES = 8 * 1024 * 1024
"""The rest waits for the next call: one call must fit in `REDIS_SECONDS`, also after Redis was away for long."""

REDIS_SECONDS = 2.0
"""How long one call may take before Redis counts as away."""

MOST_LATE = 10_000
"""While Redis is away, only the latest of those jobs and batches are kept that have nothing more to say: hours of it
must cost no memory. Watchers of the others read the rows, as they do every few seconds."""


class Recorder:
    """Sends what is due in all recordings of the process. Build it on the event loop that it is to run on.

    `now` is the clock that the rows go by.
    """

    def __init__(
        self,
        redis_url: str,
        tail_seconds: int,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._now = now
        self._redis_url = redis_url
        self._connection: RedisConnection | None = None
        self._sha: str | None = None
        self._tail_seconds = tail_seconds
        self._due: dict[Recording, None] = {}
        self._wake = asyncio.Event()
        self._rate = 0.0
        self._closing = False
        self._away = False
        self._full = False
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._flush_forever(), name="recorder")

    def open(self, job_id: str, attempt: int, text: str = "", reasoning: str = "") -> Recording:
        """Begin to record an attempt, which continues these texts, and publish that it has started."""
        recording = Recording(self.wake, self._now, job_id, attempt, text, reasoning)
        recording.publish(encode_started(attempt, len(recording.text)))
        return recording

    async def read_tails(self, job_id: str, attempt: int) -> tuple[str, str]:
        """The text and the reasoning so far of an attempt, as its watchers have them; empty when Redis is away or no
        longer has them.
        """
        keys = (tail_key(job_id, attempt), reasoning_key(job_id, attempt))
        try:
            # Not over the connection that the deltas go over: these may be megabytes, and would hold them up.
            with closing(await self._connect()) as connection:
                tails = await connection.ask("MGET", *keys, seconds=REDIS_SECONDS)
        except (hiredis.ReplyError, OSError) as error:
            log.warning("tail not read: %s", error, extra={"job_id": job_id, "attempt": attempt})
            return "", ""
        text, reasoning = (tail.decode(errors="ignore") if isinstance(tail, bytes) else "" for tail in tails)
        return text, reasoning

    def publish(self, resource_id: str, message: bytes) -> None:
        """Publish an event about a job that this process does not run, or about a batch."""
        Recording(self.wake, self._now, resource_id, 0, "").publish(message)

    def wake(self, recording: Recording) -> None:
        """Something is due in this recording."""
        self._due[recording] = None
        self._wake.set()

    async def aclose(self) -> None:
        """Send what is due, unless Redis is away, and close the connection."""
        # The call under way is not cancelled: what it sends would be lost.
        self._closing = True
        self._wake.set()
        await self._task
        await self._disconnect()

    async def _flush_forever(self) -> None:
        failures = 0
        last_sent_at = self._loop.time()
        while True:
            await self._wake.wait()
            self._wake.clear()
            sent = await self._flush()
            if self._closing and (sent is None or not self._due):
                return
            if sent is None:
                # The first time at once: mostly one connection was cut, and the next one is good.
                await asyncio.sleep(min(0.5, 0.05 * failures))
                failures += 1
                continue
            failures = 0
            now = self._loop.time()
            elapsed, last_sent_at = max(now - last_sent_at, 0.0001), now
            self._rate += (sent / elapsed - self._rate) * min(1.0, elapsed / 0.1)
            pause = MAX_PAUSE_SECONDS * min(1.0, self._rate / FULL_PAUSE_RATE)
            if pause > 0.0005:
                await asyncio.sleep(pause)

    async def _flush(self) -> int | None:
        """Send all that is due in one call; how many messages that were, or None when Redis is away."""
        due, self._due = self._due, {}
        keys: list[str] = []
        values: list[Any] = []
        now = self._loop.time()
        sent = 0
        spans: list[tuple[Recording, int, int]] = []
        size = 0
        for recording in due:
            if size > MAX_CALL_BYTES:
                self.wake(recording)
                continue
            count = recording.pack(keys, values, now, self._tail_seconds)
            sent += count
            size += recording.packed_bytes
            span = (recording, len(values) - count, len(values))
            spans += [span] * (len(keys) - len(spans))  # one for each of its tails
        try:
            broken = await self._call(keys, values)
        except Exception as error:  # whatever it is: without this task no watcher gets anything
            if not self._away:  # once: there are two tries a second for as long as it lasts
                log.warning("redis is away, watching is interrupted: %s", error)
            self._away = True
            await self._disconnect()
            # Whether the call was carried out is unknown, so every tail is written again.
            for recording, start, end in dict.fromkeys(spans):
                recording.keep_events(values[start:end])
                recording.write_anew()
                self.wake(recording)
            self._drop_oldest()
            return None
        if self._away:
            log.warning("redis is back, watching continues")
            self._away = False
        full = any(place < 0 for place in broken)
        if full or any(values[start - 3] for _, start, _ in spans):  # a call without text proves no room
            self._note_room(full=full)
        self._write_again(broken, spans, values, now)
        return sent

    def _drop_oldest(self) -> None:
        ended = [recording for recording in self._due if recording.has_ended]
        for recording in sorted(ended, key=lambda each: each.made_at)[:-MOST_LATE]:
            del self._due[recording]

    def _write_again(
        self, broken: list[int], spans: list[tuple[Recording, int, int]], values: list[Any], now: float
    ) -> None:
        """Have the tails written again that were lost, and later those for which there was no room."""
        for recording, start, end in dict.fromkeys(spans[place - 1] for place in broken if place > 0):
            log.warning("tail lost, writing all of it again", extra={"job_id": recording.job_id})
            recording.keep_events(values[start:end])
            recording.write_anew()
            self.wake(recording)
        for recording, _, _ in dict.fromkeys(spans[-place - 1] for place in broken if place < 0):
            recording.write_later(now)

    def _note_room(self, *, full: bool) -> None:
        if full != self._full:  # once: every call finds it for as long as it lasts
            log.warning("redis is full, no live text is kept in it" if full else "redis has room again")
        self._full = full

    async def _call(self, keys: list[str], values: list[Any]) -> Any:
        if self._connection is None:
            self._connection, self._sha = await self._connect(), None
        if self._sha is None:
            self._sha = await self._ask("SCRIPT", "LOAD", RECORD_SCRIPT)
        try:
            return await self._ask("EVALSHA", self._sha, len(keys), *keys, *values)
        except hiredis.ReplyError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
            # Redis was restarted or its scripts flushed.
            self._sha = await self._ask("SCRIPT", "LOAD", RECORD_SCRIPT)
            return await self._ask("EVALSHA", self._sha, len(keys), *keys, *values)

    async def _connect(self) -> RedisConnection:
        connection = await asyncio.wait_for(connect(self._redis_url, RedisConnection), REDIS_SECONDS)
        try:
            for command in handshake_commands(self._redis_url, "longhand-worker-recorder"):
                await connection.ask(*command, seconds=REDIS_SECONDS)
        except BaseException:
            connection.close()
            raise
        return connection

    async def _ask(self, *command: Any) -> Any:
        if self._connection is None:
            raise ConnectionError("not connected")
        return await self._connection.ask(*command, seconds=REDIS_SECONDS)

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
