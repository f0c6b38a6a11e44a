"""Dispatch and rescue: one loop in every worker process, and no leader.

It hints what is due and not hinted, requeues what a dead worker held, expires what is past its time, and closes
batches. Every update is conditional, so any number of these loops may run, and any one process may die.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from logging import getLogger
from time import monotonic

from jobs.dispatch.lanes import Lanes
from jobs.intake.drafts import clear_abandoned
from jobs.intake.idempotency import forget_keys
from jobs.lifecycle import rescue
from jobs.lifecycle.cancel_batch import go_on_cancelling
from jobs.lifecycle.close_batch import close_batches
from jobs.lifecycle.responses import erase_deleted
from jobs.live.channel import encode_batch
from jobs.live.status_changes import StatusChange, notifications
from jobs.model.status import JobStatus
from jobs.settings import Settings
from jobs.store.database import DATABASE_ERRORS, Database
from jobs.store.write_trial import try_write
from worker.active_attempts import ActiveAttempts
from worker.background_loop import BackgroundLoop
from worker.counts import WorkerCounts
from worker.growth import Growth

log = getLogger(__name__)

HINT_CHECK_SECONDS = 1.0
SHORTEST_ROUND_SECONDS = 0.02
"""New and ended jobs wake the loop, and a round begins at once; those that come within this time share the next one."""


class Dispatch(BackgroundLoop):
    """A wake begins a round at once: there are new jobs, or a stream has become free.

    `send_hints` sends hints to the queue; `publish` publishes a message on the channel of a job or a batch;
    `wake_all` wakes the dispatch of every process; `keep_habits` shares with them what the upstreams have shown;
    `behind` names the projects that get no more streams until texts of theirs have been checked.
    """

    def __init__(
        self,
        database: Database,
        running: ActiveAttempts,
        lanes: Lanes,
        settings: Settings,
        send_hints: Callable[[Iterable[str]], None],
        publish: Callable[[str, bytes], None],
        wake_all: Callable[[], None] = lambda: None,
        keep_habits: Callable[[], None] = lambda: None,
        counts: WorkerCounts | None = None,
        behind: Callable[[], Collection[str]] = tuple,
    ) -> None:
        super().__init__("dispatch", HINT_CHECK_SECONDS, shortest_seconds=SHORTEST_ROUND_SECONDS)
        self._database = database
        self._running = running
        self._lanes = lanes
        self._growth = Growth(database, running, lanes)
        self._settings = settings
        self._send_hints = send_hints
        self._publish = publish
        self._wake_all = wake_all
        self._keep_habits = keep_habits
        self._counts = counts or WorkerCounts()
        self._behind = behind
        # Leases that ran out while the database was away, or before this process began, may be renewed any moment.
        self._rescue_at = monotonic() + settings.heartbeat_seconds
        self._looked_at: datetime | None = None
        self._more_to_end = False
        self._was_slow = False

    def _round(self) -> float:
        began, hung = monotonic(), False
        try:
            return self._dispatch()
        except DATABASE_ERRORS:
            hung = True
            raise
        finally:
            self._counts.add_round(monotonic() - began)
            is_slow = monotonic() - began > self._settings.heartbeat_seconds
            if hung or (is_slow and not self._was_slow):
                # While the database was away nobody could renew: the owners of the leases get one lease's time for it.
                # Once: where every round is slow, nothing would ever be rescued or expire.
                self._rescue_at = monotonic() + self._settings.lease_seconds
            self._was_slow = is_slow

    def _dispatch(self) -> float:
        """One round; after how many seconds the next one is due."""
        if self._running.draining:
            return HINT_CHECK_SECONDS
        if monotonic() >= self._rescue_at:
            self._rescue_at = monotonic() + self._settings.heartbeat_seconds
            self._rescue()
        elif self._more_to_end:
            self._expire_and_cancel()
        free = self._settings.streams - self._running.streams
        # Here, and not with the heartbeat: that may store texts, or wait for the database, for many seconds.
        self._growth.look()
        done = self._lanes.reserve(free, self._running.most_crashes(), self._behind())
        if done.reserved:
            log.debug("hint %d jobs", len(done.reserved))
            self._send_hints(done.reserved)
        for batch_id in done.batch_ids:
            self._publish(batch_id, encode_batch())
        if done.lifted:
            log.info("a hold is lifted")
            self._wake_all()
        if done.look_at is None:
            return HINT_CHECK_SECONDS
        return min(HINT_CHECK_SECONDS, max(0.0, (done.look_at - self._database.now()).total_seconds()))

    def _rescue(self) -> None:
        # The heartbeat of a process without streams does not synchronize, and this clock may be ahead.
        self._database.synchronize()
        self._rescue_lost()
        self._expire_and_cancel()
        for batch_id in close_batches(self._database):
            log.info("close batch", extra={"action": "close batch", "batch_id": batch_id})
            self._publish(batch_id, encode_batch())
        self._keep_habits()
        self._publish_changes(erase_deleted(self._database))
        forget_keys(self._database, self._settings.idempotency_seconds)
        for batch_id in clear_abandoned(self._database):
            log.warning("clear away the draft of a process that is gone", extra={"batch_id": batch_id})

    def _rescue_lost(self) -> None:
        """Only leases that had already run out at the last look, if the database took a write then: while it hung, was
        full or only read, nobody could renew, and when it takes writes again, the owners get a heartbeat's time.
        """
        last, self._looked_at = self._looked_at, None
        if not rescue.has_expired_lease(self._database):
            return
        try_write(self._database)
        self._looked_at = self._database.now()
        while last is not None and (lost := rescue.rescue_lost(self._database, run_out_before=last)):
            for change in lost:
                log.warning("rescue, now %s", change.status, extra=_ids_of(change, "rescue"))
            self._counts.add_rescued(len(lost))
            self._publish_changes(lost)

    def _expire_and_cancel(self) -> None:
        of_batch = go_on_cancelling(self._database)
        others = rescue.expire_and_cancel_queued(self._database)
        ended = [*of_batch, *others]
        for change in ended:
            verb = "expire" if change.status is JobStatus.EXPIRED else "cancel"
            log.info(verb, extra=_ids_of(change, verb))
        self._publish_changes(ended)
        # The rest comes in the next rounds, which begin at once: hints and rescues must not wait for all of it.
        self._more_to_end = bool(ended)
        if self._more_to_end:
            self._woken.set()

    def _publish_changes(self, changes: Sequence[StatusChange]) -> None:
        for resource_id, message in notifications(changes):
            self._publish(resource_id, message)


def _ids_of(change: StatusChange, action: str) -> dict[str, object]:
    """What the log has beside the words."""
    ids = {"job_id": change.id, "attempt": change.attempt, "batch_id": change.batch_id}
    return {"action": action, "status": change.status.value, **ids}
