"""The sweeper: one loop in every worker process that deletes what is kept no longer, and amends what a version before
has stored.

Every round is short, and as long as one took, the next one waits: a batch of 50,000 jobs that is deleted takes at most
half of the time in which others could write.
"""

from time import monotonic

from jobs.dispatch.unused_lanes import forget_lanes
from jobs.lifecycle.old_ends import amend_old_ends
from jobs.lifecycle.retention import delete_some
from jobs.store.database import Database
from jobs.store.upstream_habits import forget_habits
from worker.background_loop import BackgroundLoop

LOOK_SECONDS = 10.0


class Sweeper(BackgroundLoop):
    """Each round deletes or amends some rows. Without any, it has the database forget what was deleted."""

    def __init__(self, database: Database, look_seconds: float = LOOK_SECONDS) -> None:
        super().__init__("sweeper", look_seconds)
        self._database = database
        self._look_seconds = look_seconds

    def _round(self) -> float:
        began = monotonic()
        # Each kind in every round: none waits until another has nothing left.
        changed = [sweep(self._database) for sweep in (amend_old_ends, forget_lanes, forget_habits, delete_some)]
        if any(changed):
            return monotonic() - began
        self._database.scrub()
        return self._look_seconds
