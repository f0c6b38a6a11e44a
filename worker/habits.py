"""Stores the habits of upstreams in the database, for all workers and for later processes."""

from collections import defaultdict
from datetime import datetime

from jobs.store.database import Database
from jobs.store.upstream_habits import ShownHabit, read_habits, store_habits
from worker.upstream.habits import Habits


class HabitKeeper:
    """The habits of each upstream of a process, by its name; `synchronize` shares them with the other processes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._habits: defaultdict[str, Habits] = defaultdict(Habits)
        self._read_at: datetime | None = None
        self._unstored: list[ShownHabit] = []

    def of(self, upstream: str) -> Habits:
        """The habits of one upstream, which its streams read and add to."""
        return self._habits[upstream]

    def synchronize(self) -> None:
        """Store what was noted here, and learn what was noted elsewhere. Call it in one thread."""
        for upstream, habits in list(self._habits.items()):
            self._unstored += [ShownHabit(upstream, *noted) for noted in habits.take_new()]
        if self._unstored:  # when the database is away they stay for the next call
            store_habits(self._database, self._unstored)
            self._unstored = []
        shown, self._read_at = read_habits(self._database, self._read_at)
        for habit in shown:
            age_seconds = max(0.0, (self._read_at - habit.noted_at).total_seconds()) if habit.noted_at else 0.0
            self._habits[habit.upstream].learn(habit.model, habit.habit, habit.value, age_seconds)
