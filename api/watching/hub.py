"""The hub: one subscriber connection per process, shared by all its watchers.

Pub/sub loses messages without an error: a connection may break, the server drops subscribers that are slow, and a
watcher's own queue is bounded. Each of these ends here in the same way: the watchers concerned resync, and
read what they missed from the tail or the row.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from logging import getLogger

import msgspec

from api.watching.inbox import Inbox, Listener, ReceivedMessage
from api.watching.subscriber import Subscriber, connect_subscriber
from jobs.live.channel import channel_name, decode

_CONNECT_SECONDS = 3
_CONFIRM_SECONDS = 2
_PING_SECONDS = 4
_SILENT_SECONDS = 9
"""Redis is taken for frozen when it has not answered for this long."""
_TICK_SECONDS = 0.25

log = getLogger(__name__)


class _Channel:
    """A channel, and its listeners."""

    __slots__ = ("confirmed", "listeners", "was_heard")

    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        self.confirmed = asyncio.Event()
        self.was_heard = False


class Watcher:
    """Reads messages from the hub until `stop`."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._inbox: Inbox | None = None
        self._stopping = False

    @property
    def stopped(self) -> bool:
        """Whether it was told to end before what it watches has."""
        return self._stopping or self._hub.closed or (self._inbox is not None and self._inbox.closed)

    def stop(self) -> None:
        """End soon: the client is gone."""
        self._stopping = True
        if self._inbox is not None:
            self._inbox.close()


class Hub:
    """Hears every watched channel on one connection and passes each message to the watchers of it."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._channels: dict[bytes, _Channel] = {}
        self._inboxes: set[Inbox] = set()
        self._touched: list[Inbox] = []
        """The inboxes that messages were put into since the last `_flush`."""
        self._subscriber: Subscriber | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.closed = False
        self.resyncs = 0
        """How often a watcher that had begun may have missed something."""

    @property
    def connected(self) -> bool:
        """Whether messages can be heard now."""
        return self._subscriber is not None

    @property
    def watching(self) -> int:
        """How many watchers there are."""
        return len(self._inboxes)

    def start(self) -> None:
        """Begin to connect, in the running loop. It goes on until `close`."""
        self._tasks = [asyncio.create_task(self._stay_connected()), asyncio.create_task(self._ring_alarms())]

    def close(self) -> None:
        """End every watcher and the connection. Safe to call twice."""
        self.closed = True
        for inbox in self._inboxes:
            inbox.close()
        for task in self._tasks:
            task.cancel()

    @asynccontextmanager
    async def watch(self, resource_id: str) -> AsyncIterator[Inbox]:
        """The inbox of a new watcher of a channel. Begins when the server has confirmed the subscription, or when it is
        known that it cannot now: the watcher is then told to resync as soon as it could.
        """
        inbox = Inbox(self._touched, self.note_resync)
        self._inboxes.add(inbox)
        channel = self._join(resource_id, inbox)
        try:
            if self.closed:
                inbox.close()
            elif self._subscriber is not None and not channel.confirmed.is_set():
                try:
                    async with asyncio.timeout(_CONFIRM_SECONDS):
                        await channel.confirmed.wait()
                    inbox.resync = False  # nothing was missed: nothing has been read yet
                except TimeoutError:
                    log.warning("Redis did not confirm a subscription within %s s", _CONFIRM_SECONDS)
            yield inbox
        finally:
            self._inboxes.discard(inbox)
            self.leave(resource_id, inbox)

    def join(self, resource_id: str, listener: Listener) -> bool:
        """Add a listener to a channel. True: the channel is heard already. False: the listener is told to resync as
        soon as it is, so it need not wait.
        """
        return self._join(resource_id, listener).confirmed.is_set()

    def leave(self, resource_id: str, listener: Listener) -> None:
        """End a `join`. Safe to call twice."""
        name = channel_name(resource_id).encode()
        channel = self._channels.get(name)
        if channel is None:
            return
        channel.listeners.discard(listener)
        if not channel.listeners:
            del self._channels[name]
            if self._subscriber is not None:
                self._subscriber.unsubscribe(name)

    def note_resync(self) -> None:
        """A watcher has missed a message."""
        self.resyncs += 1

    def _join(self, resource_id: str, listener: Listener) -> _Channel:
        name = channel_name(resource_id).encode()
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = _Channel()
            if self._subscriber is not None:
                self._subscriber.subscribe([name])
        channel.listeners.add(listener)
        return channel

    async def _stay_connected(self) -> None:
        delay = 0.05
        while not self.closed:
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    subscriber = await connect_subscriber(self._redis_url, self._pass_on, self._confirm, self._flush)
                log.info("subscriber connected, %d channels", len(self._channels))
                delay = 0.05
                self._subscriber = subscriber
                try:
                    subscriber.subscribe(self._channels)
                    await self._watch_over(subscriber)
                finally:
                    subscriber.abort()
                    self._subscriber = None
                    for channel in self._channels.values():
                        channel.confirmed.clear()
                log.warning("subscriber connection lost")
            except OSError as error:  # TimeoutError is one
                log.warning("no subscriber connection: %s", str(error) or "no answer in time")
            await asyncio.sleep(delay * random.uniform(0.5, 1))
            delay = min(delay * 2, 2)

    async def _watch_over(self, subscriber: Subscriber) -> None:
        """Return when the connection is lost, or when Redis does not answer on it."""
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
            for inbox in self._inboxes:
                if inbox.alarm_at <= now:
                    inbox.wake()

    def _pass_on(self, name: bytes, payload: bytes) -> None:
        channel = self._channels.get(name)
        if channel is None:
            return
        try:
            received = ReceivedMessage(decode(payload), payload)
        except msgspec.DecodeError as error:
            log.warning("a message that is none on %s: %s", name.decode(), error)
            return
        for listener in channel.listeners:
            listener.put(received)

    def _flush(self) -> None:
        """All that came in one piece is queued: let each watcher send its part in one piece too."""
        for inbox in self._touched:
            try:
                inbox.flush()
            except Exception:  # one watcher's fault must not cost the others their messages
                log.exception("a watcher failed, and is ended")
                inbox.close()
        self._touched.clear()

    def _confirm(self, name: bytes) -> None:
        channel = self._channels.get(name)
        if channel is not None:
            channel.confirmed.set()
            self.resyncs += len(channel.listeners) if channel.was_heard else 0
            channel.was_heard = True
            for listener in channel.listeners:
                listener.ask_resync()
