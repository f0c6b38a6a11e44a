"""Sweeps: one loop in every worker process, in a thread of its own, deletes what is kept no longer.

Every round is short, and as long as one took, the next one waits: a batch of 50,000 jobs that is deleted takes at most
half of the time in which others could write.
"""

import threading
from logging import getLogger
from time import monotonic

from jobs.lifecycle.retention import delete_some
from jobs.store.database import DATABASE_ERRORS, Database, driver_message

log = getLogger(__name__)

LOOK_SECONDS = 10.0


class Sweeper:
    """Start it after the parts are made; it ends with `stop`."""

    def __init__(self, database: Database, look_seconds: float = LOOK_SECONDS) -> None:
        self._database = database
        self._look_seconds = look_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin to sweep."""
        self._thread.start()

    def stop(self) -> None:
        """End after the current round."""
        self._ended.set()
        self._thread.join(timeout=5)

    def _loop(self) -> None:
        wait = 0.0
        while not self._ended.wait(wait):
            wait = self._look_seconds
            try:
                began = monotonic()
                if delete_some(self._database):
                    wait = monotonic() - began
                else:
                    self._database.scrub()
            except DATABASE_ERRORS as error:
                log.warning("the sweep failed, trying again: %s", driver_message(error))
            except Exception:
                log.exception("the sweep failed, trying again")
