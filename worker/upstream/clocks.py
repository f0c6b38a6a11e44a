"""The three clocks of a stream, run by one timer."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from worker.upstream.errors import ClockRanOut, NoFirstDelta, Stalled, TookTooLong

AFTER_DONE_SECONDS = 2.0
"""How long to wait for the end of the body after a `[DONE]`: where it breaks off, the request was dropped."""

IN_DOUBT = 2
"""How many times as long to wait after a finish_reason in an answer that also sends it beside its text."""


@dataclass(frozen=True)
class Clocks:
    """How long an upstream may take, in seconds: to write the first delta, between two deltas, and in all.

    `after_finish_seconds` is how long to wait for the usage and the [DONE] that may follow a finish_reason. A server
    that sends neither and keeps the connection open holds its stream for that long.
    """

    first_delta_seconds: float = 600
    between_deltas_seconds: float = 180
    total_seconds: float = 3600
    after_finish_seconds: float = 10


_CLOCKS: Mapping[type[ClockRanOut], tuple[str, str]] = {
    NoFirstDelta: ("first_delta_seconds", "wrote nothing within"),
    Stalled: ("between_deltas_seconds", "wrote nothing more for"),
    TookTooLong: ("total_seconds", "was still writing after"),
}
"""For each clock, the name of its setting, and what the upstream did until it ran out."""


class Watchdog:
    """Cancels the task that reads a stream when one of the clocks has run out.

    A timer per delta would cost more than the delta. So a delta only notes the time, and the one timer, when it fires,
    sets itself again if there was progress. Comments and empty deltas are not noted: they do not count.

    `ahead` are the requests to the same model that were sent before this one and still ran then. While they write, this
    one may wait in the upstream's own queue, so its clock for the first delta starts again with each of their deltas
    and when they end. What is sent later does not move it: a request that was lost is not waited for without end.
    """

    def __init__(self, clocks: Clocks, task: asyncio.Task[object], ahead: "Sequence[Watchdog]" = ()) -> None:
        self._clocks = clocks
        self._task = task
        self._cancelling = task.cancelling()
        self._loop = task.get_loop()
        self._started = self._loop.time()
        self._last_delta: float | None = None
        self._ahead = ahead
        self._finished = False
        self._is_done = False
        self._in_doubt = False
        self._ran_out: type[ClockRanOut] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._set_timer()

    def note_delta(self) -> None:
        """The upstream wrote something."""
        is_first = self._last_delta is None
        self._last_delta = self._loop.time()
        if is_first:
            self._ahead = ()
            self._set_timer()

    def note_finish(self, finished: bool, *, is_done: bool = False, in_doubt: bool = False) -> None:
        """Whether nothing more need come: then a clock that runs out is not an error. More may come even so.

        After a `[DONE]` (`is_done`) only the end of the body can. One whose finish_reasons are `in_doubt` is given more
        time to contradict them.
        """
        self._in_doubt = in_doubt
        if self._finished is not finished or self._is_done is not is_done:
            self._finished, self._is_done = finished, is_done
            self.note_delta()
            self._set_timer()

    def end(self) -> None:
        """The request is over. If it was written, the one behind it in the upstream's queue may be next."""
        self.stop()
        self._ahead = ()
        if self._last_delta is not None:
            self._last_delta = self._loop.time()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def caused(self) -> bool:
        """Whether the `CancelledError` just caught is the watchdog's own; if so, the task is no longer cancelled.

        False when somebody else cancelled the task, even if a clock ran out at the same moment: a cancel must win.
        """
        return self._ran_out is not None and self._task.uncancel() <= self._cancelling

    def error(self) -> ClockRanOut | None:
        """The error of the clock that ran out; None when the text was whole by then."""
        if self._ran_out is None or self._finished:
            return None
        name, what = _CLOCKS[self._ran_out]
        seconds = getattr(self._clocks, name)
        return self._ran_out(
            f"The upstream {what} {seconds:g} seconds. To give it longer, raise `{name}` in the upstreams file,"
            f" or LONGHAND_{name.upper()}."
        )

    def _deadline(self) -> tuple[float, type[ClockRanOut]]:
        error: type[ClockRanOut] = Stalled
        if self._last_delta is None:
            progress = [watchdog._last_delta for watchdog in self._ahead if watchdog._last_delta is not None]
            error, deadline = NoFirstDelta, max(self._started, *progress, 0.0) + self._clocks.first_delta_seconds
        elif self._finished:
            patience = self._clocks.after_finish_seconds * (IN_DOUBT if self._in_doubt else 1)
            deadline = self._last_delta + (min(patience, AFTER_DONE_SECONDS) if self._is_done else patience)
        else:
            deadline = self._last_delta + self._clocks.between_deltas_seconds
        end = self._started + self._clocks.total_seconds
        return (deadline, error) if deadline < end else (end, TookTooLong)

    def _set_timer(self) -> None:
        self.stop()
        self._timer = self._loop.call_at(self._deadline()[0], self._look)

    def _look(self) -> None:
        deadline, error = self._deadline()
        if self._loop.time() < deadline:
            self._set_timer()
            return
        self._timer = None
        self._ran_out = error
        self._task.cancel()
