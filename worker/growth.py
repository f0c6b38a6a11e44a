"""Notes which lanes' streams get text, so that what one project is told holds no upstream that writes for others."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic

from jobs.dispatch.lane_news import LaneNews
from jobs.dispatch.lanes import Lanes
from jobs.dispatch.rounds import Key
from jobs.dispatch.writing import NEVER, find_written, has_several_projects, is_any_held
from jobs.pace.state import WRITING_SECONDS
from jobs.store.database import Database
from worker.active_attempts import ActiveAttempts

LOOK_SECONDS = 1.0
"""How often the streams are looked at."""

FRESH_SECONDS = 1.5
"""A lane whose row says that it got text so lately is not noted again: each note costs a turn, 0.7 ms on SQLite and
2.5 ms on PostgreSQL, and twenty processes would pay it each second.
"""

MOST_NOTED = 8
"""So many lanes of an upstream are noted at a look, those with the most streams."""


class Growth:
    """Used by the dispatch of one process, just before each round: the round writes what is noted."""

    def __init__(self, database: Database, running: ActiveAttempts, lanes: Lanes) -> None:
        self._database = database
        self._running = running
        self._lanes = lanes
        self._look_at = 0.0
        self._grown: dict[Key, datetime] = {}
        """When a stream of the lane was last seen to have got text, if that was a moment ago."""
        self._written: dict[Key, datetime] = {}
        """The same as the lane's row says, when it was read or noted last."""
        self._is_shared = False

    def look(self) -> None:
        """Note the lanes that have got text and whose rows do not say so yet."""
        if monotonic() < self._look_at:
            return
        self._look_at = monotonic() + LOOK_SECONDS
        now = self._database.now()
        streams = self._count_grown()
        lately = {key: at for key, at in self._grown.items() if _is_within(WRITING_SECONDS, at, now)}
        self._grown = lately | dict.fromkeys(streams, now)
        self._written = {key: at for key, at in self._written.items() if key in self._grown}
        if chosen := _most_of_each(filter(lambda key: self._is_due(key, now), self._grown), streams):
            self._note(chosen, now)

    def _count_grown(self) -> Counter[Key]:
        """How many streams of each lane have got text since the last look."""
        grown = [attempt.sent for attempt in self._running.all() if attempt.has_grown()]
        return Counter(sent.key for sent in grown if sent is not None and not sent.is_doubted)

    def _is_due(self, key: Key, now: datetime) -> bool:
        written = self._written.get(key, NEVER)
        return not (self._grown[key] <= written <= now or _is_within(FRESH_SECONDS, written, now))

    def _note(self, keys: Sequence[Key], now: datetime) -> None:
        with self._database.read() as connection:
            # Nobody asks for it where there is one project, but for the window with which a held lane begins again.
            self._is_shared = self._is_shared or has_several_projects(connection)
            if not self._is_shared and not is_any_held(connection):
                return
            self._written |= find_written(connection, keys)
        for key in keys:
            if self._is_due(key, now):
                self._lanes.note(key, LaneNews(wrote_at=self._grown[key], has_grown=True))
                self._written[key] = self._grown[key]


def _is_within(seconds: float, at: datetime, now: datetime) -> bool:
    """A time that is ahead is none: the clock was set back."""
    return timedelta(0) <= now - at < timedelta(seconds=seconds)


def _most_of_each(keys: Iterable[Key], streams: Mapping[Key, int]) -> list[Key]:
    """Of each upstream the lanes with the most streams that have grown."""
    of_upstream: defaultdict[str, list[Key]] = defaultdict(list)
    for key in sorted(keys, key=lambda key: -streams.get(key, 0)):
        of_upstream[key[0]].append(key)
    return [key for some in of_upstream.values() for key in some[:MOST_NOTED]]
