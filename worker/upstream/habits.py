"""The habits of an upstream and model, as this process has seen them.

`worker/habits.py` keeps it in the database, so that a new process need not learn it again: each lesson may cost a call.
"""

from collections.abc import Sequence
from enum import StrEnum
from math import inf
from threading import Lock
from time import monotonic

from worker.upstream.dialects.parameters import Change

CHANGE_SECONDS = 86_400.0
"""So long a parameter that is not known is left out. Then one request has it again: the upstream may have been changed,
or it was known all the time."""

NOTED_AGAIN_SECONDS = 3600.0
"""A habit that shows is stored anew after so long: of too many those are forgotten that were noted first."""


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


DOES_NOT_KNOW = "does_not_know:"
"""What versions before stored as `refuses:` is left alone: they learned it of refused values, too."""


class Habits:
    """The habits of all models of one upstream. Read on the event loop, read and written by other threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[str, frozenset[Habit]] = {}
        self._noted_at: dict[tuple[str, Habit], float] = {}
        """When it was last noted, here or elsewhere."""
        self._changes: dict[str, dict[Change, float]] = {}
        """When each is to be forgotten."""
        self._new: list[tuple[str, str, str | None]] = []

    def of(self, model: str) -> frozenset[Habit]:
        """What a model has shown."""
        return self._known.get(model, frozenset())

    def changes_of(self, model: str) -> tuple[Change, ...]:
        """The parameters that this upstream does not know with this model, and what it takes in their place."""
        now = monotonic()
        return tuple(change for change, until in list(self._changes.get(model, {}).items()) if now < until)

    def note(self, model: str, habits: set[Habit]) -> None:
        """A model has shown these."""
        now = monotonic()
        if all(now < self._fresh_until(model, habit) for habit in habits):
            return
        with self._lock:
            noted = [habit for habit in sorted(habits) if now >= self._fresh_until(model, habit)]
            self._new += [(model, str(habit), None) for habit in noted]
            self._add(model, set(noted), now)

    def note_changes(self, model: str, changes: Sequence[Change]) -> None:
        """A model has refused these parameters, and then taken the request without them."""
        with self._lock:
            for change in changes:
                if change not in self.changes_of(model):
                    self._keep(model, change, CHANGE_SECONDS)
                    self._new.append((model, f"{DOES_NOT_KNOW}{change.name}", change.other_name))

    def take_new(self) -> list[tuple[str, str, str | None]]:
        """What is to be stored: model, habit and value. Each is given once."""
        if not self._new:
            return []
        with self._lock:
            new, self._new = self._new, []
        return new

    def learn(self, model: str, habit: str, value: str | None, age_seconds: float = 0.0) -> None:
        """Take over what is stored, and was noted so long ago. What this version does not know is left alone."""
        with self._lock:
            if habit.startswith(DOES_NOT_KNOW):
                self._keep(model, Change(habit.removeprefix(DOES_NOT_KNOW), value), CHANGE_SECONDS - age_seconds)
            elif habit in Habit.__members__.values():
                self._add(model, {Habit(habit)}, monotonic() - age_seconds)

    def _fresh_until(self, model: str, habit: Habit) -> float:
        return self._noted_at.get((model, habit), -inf) + NOTED_AGAIN_SECONDS

    def _add(self, model: str, habits: set[Habit], noted_at: float) -> None:
        self._known[model] = self.of(model) | habits
        for habit in habits:
            self._noted_at[model, habit] = max(noted_at, self._noted_at.get((model, habit), -inf))

    def _keep(self, model: str, change: Change, seconds: float) -> None:
        kept = self._changes.setdefault(model, {})
        kept[change] = max(monotonic() + seconds, kept.get(change, 0.0))  # what was noted here may not be stored yet
