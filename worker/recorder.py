"""The recorder: keeps every delta, and tells it to whoever watches.

One for a process, on its event loop. Each attempt has a `Recording`, the text so far; everything that is due in any of
them goes to Redis in one packed call (`RECORD_SCRIPT`), because the price of a delta falls 5 to 12 times from 5 to 100
deltas a call. Redis being away costs nothing but the watching: the text is in memory, and its tail is written anew when
Redis is back.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from logging import getLogger
from typing import Any

import hiredis
from redis.asyncio import Connection, ConnectionPool, Redis
from redis.exceptions import NoScriptError, RedisError

from jobs.channel import RECORD_SCRIPT, channel_name, encode_delta, encode_started, tail_key
from jobs.database import utc_now

log = getLogger(__name__)

MAX_PAUSE_SECONDS = 0.010
"""The longest wait between two calls. It is added to the delay of a delta, and only when there are many."""

FULL_PAUSE_RATE = 500.0
"""Deltas a second from which the pause is the longest; below, it is in proportion, and none on an idle process. That is
ten streams: what a call costs is shared by five deltas there, and by the more the more streams there are."""

MAX_CALL_BYTES = 8 * 1024 * 1024
"""What is over waits for the next call: one call must fit in `REDIS_SECONDS`, also after Redis was away for long."""

REDIS_SECONDS = 2.0
"""How long one call may take before Redis counts as away."""

_EVENT_START = b'{"event"'


class Recording:
    """The text so far of one attempt, and what of it the watchers have not been told yet.

    `text` is written by the event loop alone. Other threads may copy it at any time: a piece is appended whole.
    """

    def __init__(self, recorder: "Recorder", job_id: str, attempt: int, text: str) -> None:
        self.job_id = job_id
        self.attempt = attempt
        self.text = bytearray(text.encode())
        self.deltas = 0
        self.first_delta_at: datetime | None = None
        self.channel = channel_name(job_id)
        self.tail = tail_key(job_id, attempt)
        self._recorder = recorder
        self._told = 0
        self._messages: list[bytes] = []
        self._whole = bool(text)
        self._finished = False
        self._expire_at = 0.0

    def add(self, piece: str) -> None:
        """Take the next piece of text, and tell it soon."""
        if self.deltas == 0:
            self.first_delta_at = self._recorder.now()
        self.deltas += 1
        self._messages.append(encode_delta(self.attempt, len(self.text), piece))
        self.text += piece.encode()
        self._recorder.wake(self)

    def say(self, message: bytes) -> None:
        """Tell an event, after all that was added before."""
        self._messages.append(message)
        self._recorder.wake(self)

    def pack(self, keys: list[str], values: list[Any], now: float, tail_seconds: int) -> int:
        """Add what is due to a call of `RECORD_SCRIPT`; returns how many messages."""
        messages, self._messages = self._messages, []
        seconds = 0
        if self.text and now >= self._expire_at:  # before the first text there is no tail that could expire
            seconds = tail_seconds
            self._expire_at = now + tail_seconds / 4
        if self._whole:
            # Watchers may have missed anything before this: a nudge at the end shows them. It comes after `started`, or
            # it would be of an attempt that they do not know yet.
            messages.append(encode_delta(self.attempt, len(self.text), ""))
            values += [tail_seconds, -1, bytes(self.text), self.channel, len(messages)]
            self._whole = False
        else:
            values += [seconds, self._told, bytes(self.text[self._told :]), self.channel, len(messages)]
        values += messages
        keys.append(self.tail)
        self._told = len(self.text)
        return len(messages)

    def finish(self, message: bytes) -> None:
        """Tell the last event. From here on the text is in the row."""
        self._finished = True
        self.say(message)

    def write_anew(self) -> None:
        """The tail in Redis is gone or unknown: send the whole text with the next call.

        Of a finished attempt only the events: while Redis is away, thousands of jobs may end and must not stay in
        memory.
        """
        if self._finished:
            self.text.clear()
            self._told = 0
        self._whole = bool(self.text)

    def keep_events(self, messages: list[bytes]) -> None:
        """Of messages that could not be told, tell the events again; the deltas are in the tail."""
        self._messages = [message for message in messages if message.startswith(_EVENT_START)] + self._messages


class Recorder:
    """Sends what all recordings of the process have to tell. Build it on the event loop that it is to run on.

    `now` is the clock that the rows go by.
    """

    def __init__(
        self,
        redis_url: str,
        tail_seconds: int,
        max_streams: int = 100,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.now = now
        self._pool = ConnectionPool.from_url(
            redis_url,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
            socket_keepalive=True,
            max_connections=max_streams + 1,
        )
        self._connection: Connection | None = None
        self._sha: str | None = None
        self._tail_seconds = tail_seconds
        self._due: dict[Recording, None] = {}
        self._wake = asyncio.Event()
        self._rate = 0.0
        self._closing = False
        self._away = False
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._tell_forever(), name="recorder")

    def open(self, job_id: str, attempt: int, text: str = "") -> Recording:
        """Begin to record an attempt, which goes on after `text`, and tell the watchers that it has started."""
        recording = Recording(self, job_id, attempt, text)
        recording.say(encode_started(attempt, len(recording.text)))
        return recording

    async def read_tail(self, job_id: str, attempt: int) -> str:
        """The text so far of an attempt, as watchers were told it; empty when Redis is away or has it no more."""
        redis = Redis(connection_pool=self._pool)
        try:
            tail = await redis.get(tail_key(job_id, attempt)) or b""
            return tail.decode(errors="ignore") if isinstance(tail, bytes) else tail
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("tail not read: %s", error, extra={"job_id": job_id, "attempt": attempt})
            return ""

    def say(self, resource_id: str, message: bytes) -> None:
        """Tell an event about a job that this process does not run, or about a batch."""
        Recording(self, resource_id, 0, "").say(message)

    def wake(self, recording: Recording) -> None:
        """Something is due in this recording."""
        self._due[recording] = None
        self._wake.set()

    async def aclose(self) -> None:
        """Tell what is due, unless Redis is away, and give up the connection."""
        # The call under way is not cancelled: what it tells would be lost, and redis-py swallows some cancels.
        self._closing = True
        self._wake.set()
        await self._task
        await self._disconnect()
        await self._pool.disconnect()

    async def _tell_forever(self) -> None:
        failures = 0
        last_told_at = self._loop.time()
        while True:
            await self._wake.wait()
            self._wake.clear()
            told = await self._tell()
            if self._closing and (told is None or not self._due):
                return
            if told is None:
                # The first time at once: mostly one connection was cut, and the next one is good.
                await asyncio.sleep(min(0.5, 0.05 * failures))
                failures += 1
                continue
            failures = 0
            now = self._loop.time()
            elapsed, last_told_at = max(now - last_told_at, 0.0001), now
            self._rate += (told / elapsed - self._rate) * min(1.0, elapsed / 0.1)
            pause = MAX_PAUSE_SECONDS * min(1.0, self._rate / FULL_PAUSE_RATE)
            if pause > 0.0005:
                await asyncio.sleep(pause)

    async def _tell(self) -> int | None:
        """Send all that is due in one call; how many messages that were, or None when Redis is away."""
        due, self._due = self._due, {}
        keys: list[str] = []
        values: list[Any] = []
        now = self._loop.time()
        told = 0
        spans = []
        size = 0
        for recording in due:
            if size > MAX_CALL_BYTES:
                self.wake(recording)
                continue
            count = recording.pack(keys, values, now, self._tail_seconds)
            told += count
            size += sum(map(len, values[len(values) - count :])) + len(values[len(values) - count - 3])
            spans.append((recording, len(values) - count, len(values)))
        try:
            broken = await self._call(keys, values)
        except Exception as error:  # whatever it is: without this task nobody is told anything any more
            if not self._away:  # once: there are two tries a second for as long as it lasts
                log.warning("redis is away, watching is interrupted: %s", error)
            self._away = True
            await self._disconnect()
            # Whether the call was carried out is unknown, so every tail is written anew.
            for recording, start, end in spans:
                recording.keep_events(values[start:end])
                recording.write_anew()
                self.wake(recording)
            return None
        if self._away:
            log.warning("redis is back, watching continues")
            self._away = False
        for place in broken:
            recording, start, end = spans[place - 1]
            log.warning("tail lost, writing it anew", extra={"job_id": recording.job_id})
            recording.keep_events(values[start:end])
            recording.write_anew()
            self.wake(recording)
        return told

    async def _call(self, keys: list[str], values: list[Any]) -> Any:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._pool.make_connection()  # type: ignore[no-untyped-call]  # so in redis-py
            await connection.connect()
            self._sha = None
        if self._sha is None:
            self._sha = await self._ask(connection, "SCRIPT", "LOAD", RECORD_SCRIPT)
        try:
            return await self._ask(connection, "EVALSHA", self._sha, len(keys), *keys, *values)
        except NoScriptError:  # Redis was restarted or its scripts flushed
            self._sha = await self._ask(connection, "SCRIPT", "LOAD", RECORD_SCRIPT)
            return await self._ask(connection, "EVALSHA", self._sha, len(keys), *keys, *values)

    async def _ask(self, connection: Connection, *command: Any) -> Any:
        # Packed by hiredis: redis-py's own packing was a sixth of the CPU of a delta.
        packed = hiredis.pack_command(command)
        await connection.send_packed_command([packed])
        return await connection.read_response()

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
