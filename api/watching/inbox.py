"""A watcher's inbox: a bounded queue that the hub fills and the watch empties."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from jobs.live.channel import Message

_MAX_WAITING = 512
_MAX_WAITING_BYTES = 256 * 1024


class ReceivedMessage:
    """One message, decoded once for all watchers of the channel."""

    __slots__ = ("beside", "end", "frame", "message", "payload", "text")

    def __init__(self, message: Message, payload: bytes) -> None:
        self.message = message
        self.payload = payload
        self.frame: bytes | None = None
        """The event of the whole message; made for the first watcher that sends it, used by all."""
        self.text = b""
        """The delta's text as hashed; set with `frame`."""
        self.end = 0
        """The offset after the delta; set with `frame`."""
        self.beside = 0
        """How far those are in the other text whom `frame` fits; set with it."""


class Listener(Protocol):
    """Receives the messages of a channel: an inbox, or a job channel of a batch's watcher."""

    def put(self, received: ReceivedMessage) -> None:
        """Take a message; returns at once, and the queue is bounded."""

    def ask_resync(self) -> None:
        """Something on this channel may have been missed."""


class Inbox:
    """What one watcher has yet to act on: messages, a resync, an alarm, or the hub's end.

    Messages wait until all that came in the same piece is queued: then the hub flushes every inbox in `touched`.
    """

    __slots__ = (
        "_bytes",
        "_note_resync",
        "_poked",
        "_relay",
        "_touched",
        "_waiting",
        "_wake",
        "alarm_at",
        "closed",
        "resync",
    )

    def __init__(self, touched: "list[Inbox]", note_resync: Callable[[], object] = lambda: None) -> None:
        self._note_resync = note_resync
        self._touched = touched
        self._waiting: list[ReceivedMessage] = []
        self._bytes = 0
        self._wake: asyncio.Future[None] | None = None
        self._relay: Callable[[list[ReceivedMessage]], None] | None = None
        self._poked = False
        self.resync = False
        """Something was missed: read the tail or the row. The reader clears this first."""
        self.closed = False
        self.alarm_at = float("inf")
        """When `take` returns although nothing was heard, in the loop's time."""

    async def take(self, relay: Callable[[list[ReceivedMessage]], None] | None = None) -> list[ReceivedMessage]:
        """What was heard since the last call; waits until there is something to do.

        Each `ask_resync`, `close` or `poke` lets it return once, whether or not its caller acts on it: a caller that
        cannot act yet waits here for the next one, and never spins.

        With `relay`, messages heard while it waits go there instead, at once and without waking a task. It then
        returns only for something else, such as a `poke`.
        """
        if not (self._waiting or self._poked):
            self._wake = asyncio.get_running_loop().create_future()
            self._relay = relay
            try:
                await self._wake
            finally:
                self._wake = self._relay = None
        return self.take_waiting()

    def take_waiting(self) -> list[ReceivedMessage]:
        """What was heard since the last call, without waiting for it."""
        self._poked = False
        taken, self._waiting, self._bytes = self._waiting, [], 0
        return taken

    def put(self, received: ReceivedMessage) -> None:
        """Queue a message. A watcher that cannot keep up is not buffered for: the tail has it all."""
        if self.resync:
            return
        if len(self._waiting) >= _MAX_WAITING or self._bytes >= _MAX_WAITING_BYTES:
            self._note_resync()
            self.ask_resync()
            return
        if not self._waiting:
            self._touched.append(self)
        self._waiting.append(received)
        self._bytes += len(received.payload)

    def flush(self) -> None:
        """Relay what is queued, or let `take` return if it waits."""
        if self._wake is None or self._wake.done() or not self._waiting:
            return
        if self._relay is None:
            self._wake.set_result(None)
        else:
            waiting, self._waiting, self._bytes = self._waiting, [], 0
            self._relay(waiting)

    def ask_resync(self) -> None:
        """Tell the watcher that it may have missed something."""
        self._waiting, self._bytes = [], 0
        self.resync = True
        self.poke()

    def close(self) -> None:
        """Tell the watcher to end."""
        self.closed = True
        self.poke()

    def poke(self) -> None:
        """Let `take` return, now or at its next call: there is something to do that is not queued here."""
        self._poked = True
        self.wake()

    def wake(self) -> None:
        """Let `take` return if it waits."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
