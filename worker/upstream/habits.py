"""The habits of an upstream and model, as this process has seen them.

`worker/habits.py` keeps it in the database, so that a new process need not learn it again: each lesson may cost a call.
"""

from enum import StrEnum
from threading import Lock

from worker.upstream.dialects.parameters import Change


class Habit(StrEnum):
    """Something that an upstream and model have done at least once."""

    GIVES_FINISH_REASON = "gives_finish_reason"
    """From then on an answer that ends without one is cut."""
    GIVES_NO_REASON = "gives_no_reason"
    """A request that ran alone ended with `[DONE]` and without a finish_reason."""
    SENDS_DONE = "sends_done"
    FINISHES_EARLY = "finishes_early"
    """It sent content after a finish_reason."""
    RESUMES_AFTER_FINISH = "resumes_after_finish"
    """It sent content even after a finish_reason that stood in a chunk without any."""
    ENDS_BARE = "ends_bare"
    """A body ended as announced, with neither finish_reason nor `[DONE]`."""
    REPEATS_TEXT = "repeats_text"
    """Each delta of an answer held all of the text before it."""
    HANGS_UP = "hangs_up"
    """A body ended with its connection, after a finish_reason beside content and without `[DONE]`."""


class Habits:
    """The habits of all models of one upstream. Read on the event loop, read and written by other threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[str, frozenset[Habit]] = {}
        self._changes: dict[str, tuple[Change, ...]] = {}
        self._new: list[tuple[str, str, str | None]] = []

    def of(self, model: str) -> frozenset[Habit]:
        return self._known.get(model, frozenset())

    def changes_of(self, model: str) -> tuple[Change, ...]:
        """The parameters that this upstream refuses with this model, and what it takes in their place."""
        return self._changes.get(model, ())

    def note(self, model: str, habits: set[Habit]) -> None:
        """A model has shown these."""
        if habits <= self.of(model):
            return
        with self._lock:
            self._new += [(model, str(habit), None) for habit in sorted(habits - self.of(model))]
            self._known[model] = self.of(model) | habits

    def note_change(self, model: str, change: Change) -> None:
        """A model does not take a parameter."""
        with self._lock:
            if change not in self.changes_of(model):
                self._changes[model] = (*self.changes_of(model), change)
                self._new.append((model, f"refuses:{change.name}", change.other_name))

    def take_new(self) -> list[tuple[str, str, str | None]]:
        """What is to be stored: model, habit and value. Each is given once."""
        if not self._new:
            return []
        with self._lock:
            new, self._new = self._new, []
        return new

    def learn(self, model: str, habit: str, value: str | None) -> None:
        """Take over what is stored. What this version does not know is left alone."""
        with self._lock:
            if habit.startswith("refuses:"):
                change = Change(habit.removeprefix("refuses:"), value)
                if change not in self.changes_of(model):
                    self._changes[model] = (*self.changes_of(model), change)
            elif habit in Habit.__members__.values():
                self._known[model] = self.of(model) | {Habit(habit)}
