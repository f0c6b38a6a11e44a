"""Tells whoever runs `longhand up` that an upstream does not work any more, and that it works again.

A job's failures hold its upstream (`jobs/dispatch/outages.py`), and only a probe lifts that: both happen in a worker,
whose log nobody reads. So this looks at the rows.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from jobs.dispatch.holds import Hold, HoldKind, read_holds
from jobs.store.database import DATABASE_ERRORS, open_database
from longhand.terminal.waiting_words import first_step, is_so
from longhand.words.catalogue import t

_LOOK_SECONDS = 2.0
_MOST_LINES, _IN_SECONDS = 4, 300.0
"""Of one upstream. What goes on and off all the time is told seldom, and at last as it is."""


@dataclass(slots=True)
class UpstreamNews:
    """What was told of each upstream, and what is to be told now."""

    report: Callable[[str], None]
    addresses: Mapping[str, str]
    """Of the upstreams, by their names."""
    now: Callable[[], float] = time.monotonic
    _told: dict[str, str] = field(default_factory=dict)
    """The reason for which an upstream is held, as it was told last."""
    _moments: dict[str, deque[float]] = field(default_factory=dict)

    def look(self, holds: Collection[Hold]) -> None:
        """Report what has changed. Who pauses an upstream knows that, so a person's hold is no news."""
        of_upstreams = {hold.target: hold for hold in holds if hold.kind is HoldKind.UPSTREAM}
        for name in {*of_upstreams, *self._told}:
            hold = of_upstreams.get(name)
            reason = hold.reason if hold else None
            if (hold is None or hold.held_by == "system") and reason != self._told.get(name) and self._may_tell(name):
                self.report(self._line(hold) if hold else t("up.upstream_well", name=name))
                if reason is None:
                    del self._told[name]
                else:
                    self._told[name] = reason

    def _may_tell(self, name: str) -> bool:
        moments = self._moments.setdefault(name, deque(maxlen=_MOST_LINES))
        now = self.now()
        if len(moments) == _MOST_LINES and now - moments[0] < _IN_SECONDS:
            return False
        moments.append(now)
        return True

    def _line(self, hold: Hold) -> str:
        step = first_step(hold.reason, self.addresses.get(hold.target)) or t("hold.other.first")
        return t("up.upstream_held", name=hold.target, is_so=is_so(hold.reason), step=step)


def tell_upstream_news(database_url: str, news: UpstreamNews) -> None:
    """Look every few seconds, for as long as this process runs. Returns at once."""
    threading.Thread(target=_watch, args=(database_url, news), daemon=True, name="upstream-news").start()


def _watch(database_url: str, news: UpstreamNews) -> None:
    database = open_database(database_url, connections=1)
    while True:
        with suppress(*DATABASE_ERRORS):  # the workers wait for it, too, and then go on
            news.look(read_holds(database))
        time.sleep(_LOOK_SECONDS)
