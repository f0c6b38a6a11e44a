"""A thread that works in rounds; a worker process has several of them."""

import threading
from logging import getLogger
from time import monotonic

from jobs.store.database import DATABASE_ERRORS, driver_message

log = getLogger(__name__)


class BackgroundLoop:
    """Start it after the parts are made; it ends with `stop`, after the round that may be under way.

    `_round` returns the seconds until the next one. A round that fails is logged and tried again: without its thread
    the process would run on and leave this work undone. Wakes that come within `shortest_seconds` share one round.
    """

    def __init__(
        self, name: str, retry_seconds: float, *, first_wait: float = 0.0, shortest_seconds: float = 0.0
    ) -> None:
        self._name = name
        self._retry_seconds = retry_seconds
        self._first_wait = first_wait
        self._shortest_seconds = shortest_seconds
        self._ended = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Begin the next round now."""
        self._woken.set()

    def stop(self) -> None:
        """Begin no other round, and wait some seconds for the one under way."""
        self._ended.set()
        self._woken.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        self._woken.wait(self._first_wait)
        while not self._ended.is_set():
            began = monotonic()
            wait = self._retry_seconds
            try:
                wait = self._round()
            except DATABASE_ERRORS as error:
                log.warning("%s failed, trying again: %s", self._name, driver_message(error))
            except Exception:
                log.exception("%s failed, trying again", self._name)
            self._woken.wait(wait)
            self._ended.wait(began + self._shortest_seconds - monotonic())
            self._woken.clear()

    def _round(self) -> float:
        raise NotImplementedError
