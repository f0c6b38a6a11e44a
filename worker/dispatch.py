"""Dispatch and rescue: one loop in every worker process, and no leader.

It hints what is due and not hinted, requeues what a dead worker held, expires what is past its time, and settles
batches. Every update is conditional, so any number of these loops may run, and any one process may die.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from logging import getLogger
from time import monotonic

from jobs import rescue
from jobs.channel import encode_batch
from jobs.database import AWAY, Database, cause_of
from jobs.drafts import clear_abandoned
from jobs.due import take_due
from jobs.idempotency import forget_keys
from jobs.moved import Moved, messages_of
from jobs.responses import erase_deleted
from jobs.settings import Settings
from jobs.settle import settle_batches
from jobs.status import JobStatus
from worker.running import RunningAttempts

log = getLogger(__name__)

HINT_CHECK_SECONDS = 1.0
SHORTEST_ROUND_SECONDS = 0.05
"""Ended jobs wake the loop; those that end within this time share one round."""


class Dispatch:
    """Start it after the parts are made; it ends with `stop`.

    `send_hints` sends hints to the queue; `say` publishes a message on the channel of a job or a batch.
    """

    def __init__(
        self,
        database: Database,
        running: RunningAttempts,
        settings: Settings,
        send_hints: Callable[[Iterable[str]], None],
        say: Callable[[str, bytes], None],
    ) -> None:
        self._database = database
        self._running = running
        self._settings = settings
        self._send_hints = send_hints
        self._say = say
        self._ended = threading.Event()
        self._woken = threading.Event()
        # Leases that ran out while the database was away, or before this process began, may be renewed any moment.
        self._rescue_at = monotonic() + settings.heartbeat_seconds
        self._looked_at: datetime | None = None
        self._more_to_end = False
        self._thread = threading.Thread(target=self._loop, name="dispatch", daemon=True)

    def start(self) -> None:
        """Begin to dispatch."""
        self._thread.start()

    def wake(self) -> None:
        """Look for due jobs now: a stream has become free."""
        self._woken.set()

    def stop(self) -> None:
        """End after the current round, if there is one."""
        self._ended.set()
        self._woken.set()
        self._thread.join(timeout=5)

    def _loop(self) -> None:
        while not self._ended.wait(SHORTEST_ROUND_SECONDS):
            began = monotonic()
            hung = False
            try:
                self._round()
            except AWAY as error:
                log.warning("dispatch failed, trying again: %s", cause_of(error))
                hung = True
            except Exception:
                log.exception("dispatch failed, trying again")
            if hung or monotonic() - began > self._settings.heartbeat_seconds:
                # While the database was away nobody could renew: the owners of the leases get one lease's time for it.
                self._rescue_at = monotonic() + self._settings.lease_seconds
            self._woken.wait(HINT_CHECK_SECONDS)
            self._woken.clear()

    def _round(self) -> None:
        if self._running.draining:
            return
        if monotonic() >= self._rescue_at:
            self._rescue_at = monotonic() + self._settings.heartbeat_seconds
            self._rescue()
        elif self._more_to_end:
            self._end_waiting()
        room = self._settings.streams - len(self._running)
        if room <= 0:
            return
        most_crashes = self._running.most_crashes()
        due = take_due(self._database, room, self._settings.hint_seconds, most_crashes=most_crashes)
        if due:
            log.debug("hint %d jobs", len(due))
            self._send_hints(due)

    def _rescue(self) -> None:
        # The heartbeat of a process without streams does not synchronize, and this clock may be ahead.
        self._database.synchronize()
        # Only leases that had already run out at the last look: while the database hung nobody could renew, and when it
        # answers again, the owners get a heartbeat's time to do it.
        last, self._looked_at = self._looked_at, self._database.now()
        lost = rescue.rescue_lost(self._database, run_out_before=last) if last is not None else []
        for moved in lost:
            log.warning("rescue, now %s", moved.status, extra={"job_id": moved.id, "attempt": moved.attempt})
        self._tell(lost)
        self._end_waiting()
        for batch_id in settle_batches(self._database):
            log.info("settle", extra={"batch_id": batch_id})
            self._say(batch_id, encode_batch())
        self._tell(erase_deleted(self._database))
        forget_keys(self._database, self._settings.idempotency_seconds)
        for batch_id in clear_abandoned(self._database):
            log.warning("clear away the draft of a process that is gone", extra={"batch_id": batch_id})

    def _end_waiting(self) -> None:
        ended = rescue.end_waiting(self._database)
        for moved in ended:
            verb = "cancel" if moved.status is JobStatus.CANCELLED else "expire"
            log.info(verb, extra={"job_id": moved.id, "attempt": moved.attempt})
        self._tell(ended)
        # The rest comes in the next rounds, which begin at once: hints and rescues must not wait for all of it.
        self._more_to_end = len(ended) == rescue.MOST_ENDED
        if self._more_to_end:
            self._woken.set()

    def _tell(self, moved: Sequence[Moved]) -> None:
        for resource_id, message in messages_of(moved):
            self._say(resource_id, message)
