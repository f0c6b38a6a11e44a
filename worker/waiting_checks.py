"""Where attempts are whose streams have ended and whose checks do not come: they keep no stream and no lane waiting.

A check may take seconds and runs alone, so the texts of one project can wait for minutes. Meanwhile they are as safe as
any that is written: their leases are renewed, they are checkpointed, and what stops a stream stops them.
"""

import threading
from collections.abc import Callable
from logging import getLogger
from time import monotonic

from jobs.acceptance.check_turns import GivesUp
from worker.active_attempts import ActiveAttempt, StopReason

log = getLogger(__name__)

PATIENCE_SECONDS = 0.5
"""How long an attempt waits for its check where it is: hundreds of quick checks take less."""

DRAIN_SECONDS = 3.0
"""How long a whole text waits for its check after its process has been told to end. Then it is given back: the next
worker goes on with it, or writes it anew."""

ROOM_FACTOR = 2
"""So many times the process's streams may wait: those that run, and as many before no more are begun."""


class WaitingChecks:
    """The threads in which they wait. When all are taken, an attempt waits where it is, and keeps its stream."""

    def __init__(self, streams: int) -> None:
        self._room = threading.Semaphore(ROOM_FACTOR * streams)
        self._threads: set[threading.Thread] = set()
        self._is_closed = False
        self._starting = threading.Lock()
        """A thread that has not started yet cannot be joined."""

    def take_over(self, running: ActiveAttempt, end: Callable[[], None]) -> bool:
        """Call `end`, which waits and then ends the attempt, in a thread of its own. False: there is no room."""
        with self._starting:
            if self._is_closed or not self._room.acquire(blocking=False):
                return False
            running.waits_for_check = True
            thread = threading.Thread(target=self._run, args=(running, end), name="waiting check")
            self._threads.add(thread)
            try:
                thread.start()
            except RuntimeError:
                # The machine gives no more threads. A pool would have kept `end`, and called it later.
                self._threads.remove(thread)
                self._room.release()
                running.waits_for_check = False
                return False
            return True

    def close(self) -> None:
        """Wait for those that are here: they have been stopped, as all have."""
        with self._starting:
            self._is_closed = True
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _run(self, running: ActiveAttempt, end: Callable[[], None]) -> None:
        try:
            end()
        except Exception:
            log.exception("an attempt that waited for its check has failed", extra={"job_id": running.job.id})
        finally:
            self._threads.discard(threading.current_thread())
            self._room.release()


def patience() -> GivesUp:
    """Give up after `PATIENCE_SECONDS` from now."""
    until = monotonic() + PATIENCE_SECONDS
    return lambda: monotonic() >= until


def until_stopped(running: ActiveAttempt) -> GivesUp:
    """Give up when the attempt is stopped; when its process drains, some seconds later. A pause that gives back what
    runs has no hurry: the text is whole, and would be paid for again.
    """
    drained_at: float | None = None

    def gives_up() -> bool:
        nonlocal drained_at
        if running.stop_reason is not StopReason.DRAIN:
            return running.stop_reason not in (None, StopReason.RELEASE)
        drained_at = drained_at or monotonic()
        return monotonic() - drained_at >= DRAIN_SECONDS

    return gives_up
