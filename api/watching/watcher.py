"""What a watcher has yet to be told: a bounded queue that the hub fills and the watch empties."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from jobs.channel import Message

_MAX_WAITING = 512
_MAX_WAITING_BYTES = 256 * 1024


class Heard:
    """One message, decoded once for all who watch the channel."""

    __slots__ = ("end", "frame", "message", "payload", "text")

    def __init__(self, message: Message, payload: bytes) -> None:
        self.message = message
        self.payload = payload
        self.frame: bytes | None = None
        """What a watcher that needs all of it sends; made by the first one, used by all."""
        self.text = b""
        """With `frame`: the delta's text as it is hashed,"""
        self.end = 0
        """and the offset after it."""


class Listener(Protocol):
    """Who is told what comes on a channel: a watcher itself, or one of the ears with which it hears many."""

    def put(self, heard: Heard) -> None:
        """Take a message; returns at once and keeps no more than is bounded."""

    def ask_resync(self) -> None:
        """Something on this channel may have been missed."""


class Watcher:
    """What one watcher has yet to be told: messages, a resync, an alarm, or that the hub has closed.

    Messages wait until all that has come with them is queued as well: then the hub calls `flush` of each watcher that
    stands in `touched`.
    """

    __slots__ = ("_bytes", "_poked", "_relay", "_touched", "_waiting", "_wake", "alarm_at", "closed", "resync")

    def __init__(self, touched: "list[Watcher]") -> None:
        self._touched = touched
        self._waiting: list[Heard] = []
        self._bytes = 0
        self._wake: asyncio.Future[None] | None = None
        self._relay: Callable[[list[Heard]], None] | None = None
        self._poked = False
        self.resync = False
        """Something was missed: read the tail or the row. Whoever does that clears it first."""
        self.closed = False
        self.alarm_at = float("inf")
        """When `take` returns although nothing was heard, in the loop's time."""

    async def take(self, relay: Callable[[list[Heard]], None] | None = None) -> list[Heard]:
        """What was heard since the last call; waits until there is something to do.

        Each `ask_resync`, `close` and `poke` lets it return once, whether its caller does something about it or not:
        a caller that cannot yet do so waits here for what comes next, and never spins.

        With `relay`, what is heard while it waits goes there instead, at once and without a task being woken for it.
        Then it returns for anything else, such as a `poke`.
        """
        if not (self._waiting or self._poked):
            self._wake = asyncio.get_running_loop().create_future()
            self._relay = relay
            try:
                await self._wake
            finally:
                self._wake = self._relay = None
        return self.take_waiting()

    def take_waiting(self) -> list[Heard]:
        """What was heard since the last call, without waiting for it."""
        self._poked = False
        taken, self._waiting, self._bytes = self._waiting, [], 0
        return taken

    def put(self, heard: Heard) -> None:
        """Queue a message. One who cannot keep up is not buffered for: the tail has it all."""
        if self.resync:
            return
        if len(self._waiting) >= _MAX_WAITING or self._bytes >= _MAX_WAITING_BYTES:
            self.ask_resync()
            return
        if not self._waiting:
            self._touched.append(self)
        self._waiting.append(heard)
        self._bytes += len(heard.payload)

    def flush(self) -> None:
        """Let what is queued be relayed, or let `take` return if it waits."""
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
