"""A thread that sends what others hand to it."""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from logging import getLogger
from typing import Generic, TypeVar

T = TypeVar("T")

log = getLogger(__name__)


class BackgroundSender(Generic[T]):
    """Calls `send` in its own thread, so that nobody waits for a Redis that is away or frozen."""

    def __init__(self, name: str, send: Callable[[T], None], most: int = 1000) -> None:
        self._send = send
        self._waiting: queue.Queue[T | None] = queue.Queue(most)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: T) -> bool:
        """Send this soon. False: `most` others wait already, and this one is dropped."""
        try:
            self._waiting.put_nowait(item)
        except queue.Full:
            return False
        return True

    def close(self) -> bool:
        """End after what waits is sent, but wait for at most 1 s: a frozen Redis must not hold up the end. True: it has
        ended.
        """
        self._closing = True
        with suppress(queue.Full):  # then it sees `_closing` after what waits
            self._waiting.put_nowait(None)
        self._thread.join(timeout=1)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            try:
                self._send(item)
            except Exception:  # without this thread nothing would be sent any more
                log.exception("%s failed", self._thread.name)
            if self._closing and self._waiting.empty():
                return
