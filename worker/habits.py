"""Keeps what upstreams have shown of themselves in the database, for all workers and all who come after them."""

import threading
from collections import defaultdict
from datetime import datetime
from logging import getLogger

from jobs.database import AWAY, Database, cause_of
from jobs.upstream_habits import ShownHabit, read_habits, store_habits
from worker.upstream.habits import Habits

log = getLogger(__name__)

SYNCHRONIZE_SECONDS = 5.0


class HabitKeeper:
    """The habits of each upstream of a process, by its name, shared with the other processes by a thread.

    What an upstream has shown of itself counts for its name: another key or limit in the upstreams file changes none
    of it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="habits", daemon=True)
        self._habits: defaultdict[str, Habits] = defaultdict(Habits)
        self._read_at: datetime | None = None
        self._unstored: list[ShownHabit] = []

    def start(self) -> None:
        """Learn what is known, and begin to share."""
        self._thread.start()

    def stop(self) -> None:
        """Share what is left, and end."""
        self._ended.set()
        self._thread.join(timeout=5)

    def of(self, upstream: str) -> Habits:
        """The habits of one upstream, which its streams read and add to."""
        return self._habits[upstream]

    def synchronize(self) -> None:
        """Store what was noted here, and learn what was noted elsewhere. Only one thread may call it."""
        for upstream, habits in list(self._habits.items()):
            self._unstored += [ShownHabit(upstream, *noted) for noted in habits.take_new()]
        if self._unstored:  # when the database is away they stay for the next call
            store_habits(self._database, self._unstored)
            self._unstored = []
        shown, self._read_at = read_habits(self._database, self._read_at)
        for one in shown:
            self._habits[one.upstream].learn(one.model, one.habit, one.value)

    def _loop(self) -> None:
        self._try()
        while not self._ended.wait(SYNCHRONIZE_SECONDS):
            self._try()
        self._try()

    def _try(self) -> None:
        try:
            self.synchronize()
        except AWAY as error:
            log.warning("habits of upstreams are not shared, trying again: %s", cause_of(error))
        except Exception:
            log.exception("habits of upstreams are not shared, trying again")
