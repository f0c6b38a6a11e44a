"""The hub: one subscriber connection per process, shared by however many watchers.

Pub/sub loses messages without an error: a connection may break, the server drops subscribers that are slow, and a
watcher's own queue is bounded. Each of these ends here in the same way: the watchers concerned are told to resync, and
read what they missed from the tail or the row.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from logging import getLogger

import msgspec

from api.watching.subscriber import Subscriber, connect_subscriber
from api.watching.watcher import Heard, Listener, Watcher
from jobs.channel import channel_name, decode

_CONNECT_SECONDS = 3
_CONFIRM_SECONDS = 2
_PING_SECONDS = 4
_SILENT_SECONDS = 9
"""Redis is taken for frozen when it has not answered for this long."""
_TICK_SECONDS = 0.25

log = getLogger(__name__)


class _Topic:
    """A channel, and who listens to it."""

    __slots__ = ("confirmed", "watchers")

    def __init__(self) -> None:
        self.watchers: set[Listener] = set()
        self.confirmed = asyncio.Event()


class Hub:
    """Hears every watched channel on one connection and passes each message to the watchers of it."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._topics: dict[bytes, _Topic] = {}
        self._watchers: set[Watcher] = set()
        self._touched: list[Watcher] = []
        """Who has been put something since the last `_flush`."""
        self._subscriber: Subscriber | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.closed = False

    @property
    def connected(self) -> bool:
        """Whether messages can be heard now."""
        return self._subscriber is not None

    @property
    def watching(self) -> int:
        """How many watchers there are."""
        return len(self._watchers)

    def start(self) -> None:
        """Begin to connect, in the running loop. It goes on until `close`."""
        self._tasks = [asyncio.create_task(self._stay_connected()), asyncio.create_task(self._ring_alarms())]

    def close(self) -> None:
        """End every watcher and the connection. Safe to call twice."""
        self.closed = True
        for watcher in self._watchers:
            watcher.close()
        for task in self._tasks:
            task.cancel()

    @asynccontextmanager
    async def watch(self, resource_id: str) -> AsyncIterator[Watcher]:
        """A watcher of a channel. Begins when the server has confirmed the subscription, or when it is known that it
        cannot now: the watcher is then told to resync as soon as it could.
        """
        watcher = Watcher(self._touched)
        self._watchers.add(watcher)
        topic = self._join(resource_id, watcher)
        try:
            if self.closed:
                watcher.close()
            elif self._subscriber is not None and not topic.confirmed.is_set():
                try:
                    async with asyncio.timeout(_CONFIRM_SECONDS):
                        await topic.confirmed.wait()
                    watcher.resync = False  # nothing was missed: nothing has been read yet
                except TimeoutError:
                    log.warning("Redis did not confirm a subscription within %s s", _CONFIRM_SECONDS)
            yield watcher
        finally:
            self._watchers.discard(watcher)
            self.leave(resource_id, watcher)

    def join(self, resource_id: str, listener: Listener) -> bool:
        """Let somebody listen to a channel too. True: it is heard already. False: as soon as it is, the listener is
        told to resync, so it need not wait.
        """
        return self._join(resource_id, listener).confirmed.is_set()

    def leave(self, resource_id: str, listener: Listener) -> None:
        """End a `join`. Safe to call twice."""
        name = channel_name(resource_id).encode()
        topic = self._topics.get(name)
        if topic is None:
            return
        topic.watchers.discard(listener)
        if not topic.watchers:
            del self._topics[name]
            if self._subscriber is not None:
                self._subscriber.unsubscribe(name)

    def _join(self, resource_id: str, listener: Listener) -> _Topic:
        name = channel_name(resource_id).encode()
        topic = self._topics.get(name)
        if topic is None:
            topic = self._topics[name] = _Topic()
            if self._subscriber is not None:
                self._subscriber.subscribe([name])
        topic.watchers.add(listener)
        return topic

    async def _stay_connected(self) -> None:
        delay = 0.05
        while not self.closed:
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    subscriber = await connect_subscriber(self._redis_url, self._pass_on, self._confirm, self._flush)
                log.info("subscriber connected, %d channels", len(self._topics))
                delay = 0.05
                self._subscriber = subscriber
                try:
                    subscriber.subscribe(self._topics)
                    await self._watch_over(subscriber)
                finally:
                    subscriber.abort()
                    self._subscriber = None
                    for topic in self._topics.values():
                        topic.confirmed.clear()
                log.warning("subscriber connection lost")
            except OSError as error:  # TimeoutError is one
                log.warning("no subscriber connection: %s", str(error) or "no answer in time")
            await asyncio.sleep(delay * random.uniform(0.5, 1))
            delay = min(delay * 2, 2)

    async def _watch_over(self, subscriber: Subscriber) -> None:
        """Return when the connection is lost, or nothing was heard on it although it was asked."""
        loop = asyncio.get_running_loop()
        while not subscriber.lost.done():
            await asyncio.wait({subscriber.lost}, timeout=_PING_SECONDS)
            if loop.time() - subscriber.heard_at > _SILENT_SECONDS:
                log.warning("Redis has not answered for %s s", _SILENT_SECONDS)
                return
            subscriber.send("PING")

    async def _ring_alarms(self) -> None:
        """One clock for all: a timer per event and watcher would cost more than the event."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = loop.time()
            for watcher in self._watchers:
                if watcher.alarm_at <= now:
                    watcher.wake()

    def _pass_on(self, channel: bytes, payload: bytes) -> None:
        topic = self._topics.get(channel)
        if topic is None:
            return
        try:
            heard = Heard(decode(payload), payload)
        except msgspec.DecodeError as error:
            log.warning("a message that is none on %s: %s", channel, error)
            return
        for watcher in topic.watchers:
            watcher.put(heard)

    def _flush(self) -> None:
        """All that came at once is queued: let each watcher send its part in one piece."""
        for watcher in self._touched:
            try:
                watcher.flush()
            except Exception:  # one watcher's fault must not cost the others what they have yet to be told
                log.exception("a watcher failed, and is ended")
                watcher.close()
        self._touched.clear()

    def _confirm(self, channel: bytes) -> None:
        topic = self._topics.get(channel)
        if topic is not None:
            topic.confirmed.set()
            for watcher in topic.watchers:
                watcher.ask_resync()
