"""A lane whose errors stop nobody: it logs them and begins anew.

A round of dispatch asks many lanes, and so does the API. An error of one stopped all jobs of all workers, and as it
came of what is stored, a restart did not help.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from logging import getLogger
from typing import Concatenate, ParamSpec, TypeVar

from jobs.pace.lane import Lane
from jobs.pace.reports import Report
from jobs.pace.state import State

P = ParamSpec("P")
R = TypeVar("R")

log = getLogger(__name__)


def _steady(method: Callable[Concatenate[Lane, P], R]) -> Callable[Concatenate["SteadyLane", P], R]:
    def ask(self: "SteadyLane", /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.ask(method, *args, **kwargs)

    return ask


class SteadyLane(Lane):
    """As it is in a row. `name_it` first."""

    name, stored, moment = "", "", 0.0
    _size: float | None = None

    def name_it(self, name: str, stored: str, moment: float) -> None:
        """What the log is to say of it, and when it begins if it begins anew."""
        self.name, self.stored, self.moment = name, stored, moment

    def widen(self, size: float) -> None:
        """Neither its streams nor its ramp hold anything back below this size."""
        self._size = self.state.window.size = self.state.rate.ramp = size

    def ask(self, question: Callable[Concatenate[Lane, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The answer of this lane, or if it has none that of one that begins."""
        try:
            return question(self, *args, **kwargs)
        except Exception as error:
            self._begin_anew(error)
            return question(self, *args, **kwargs)

    def apply(self, reports: Iterable[Report], in_flight: int, now: float) -> None:
        told = list(reports)
        try:
            self.ask(Lane.apply, told, in_flight, now)
        except Exception as error:  # it is in the reports, so they are not told again
            log.exception("these reports to %s are lost: %s", self.name, told)
            self._begin_anew(error)

    room = _steady(Lane.room)
    expect = _steady(Lane.expect)
    reserve = _steady(Lane.reserve)
    release = _steady(Lane.release)
    restart = _steady(Lane.restart)
    limited_by = _steady(Lane.limited_by)
    next_at = _steady(Lane.next_at)
    blocked_for = _steady(Lane.blocked_for)
    estimate_output = _steady(Lane.estimate_output)
    most_streams = _steady(Lane.most_streams)
    token_rate = _steady(Lane.token_rate)
    to_json = _steady(Lane.to_json)

    def _begin_anew(self, error: Exception) -> None:
        _log_once(self.name, repr(error), self.stored)
        self.state = State(at=self.moment)
        if self._size is not None:
            self.widen(self._size)


@lru_cache(maxsize=100)
def _log_once(name: str, _error: str, stored: str) -> None:
    """While an error is handled. Rounds and the API read a row again and again until a turn writes it."""
    said = "the pace of %s fails and begins anew; it was %s"
    log.error(said, name, stored, exc_info=True)  # noqa: LOG014  # it is in a handler
