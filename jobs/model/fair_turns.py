"""Whose turn it is, among those who share something by weight: start-time fair queueing.

Each has a virtual time, which grows by cost / weight with each turn, and the smallest is next. One that was away does
not come back with turns saved up: it starts where the others are. So shares follow the weights whether there is one
stream or four hundred, and a new one is next.
"""

from collections.abc import Collection, Container, Iterable, Mapping
from typing import Any, Self

MOST_REMEMBERED = 500
"""One that has no turn for a long time is forgotten: it would start where the others are anyway."""

MOST_OPEN = 1000
"""With so many turns whose cost is not known yet, half of them are forgotten: the cost of some is never reported."""

MOST_SEEN = 10
"""The average of so many costs is plain; then the latest counts `_LEARNING`."""

_LEARNING = 0.1
"""How much the latest cost counts in the average of costs."""


class Turns:
    """The virtual times of those who share. Without reported costs every turn costs the same."""

    def __init__(self) -> None:
        self._now = 0.0
        self._times: dict[str, float] = {}
        self._costs: dict[str, float] = {}
        self._cost: float | None = None
        self._contenders: set[str] = set()
        """Those that could have had the latest turn. As long as one is among them it was not away, so its next turn
        begins at its own time, even if what it was given back sets that before the others.
        """
        self._floors: dict[str, float] = {}
        """The time of each of them when it began to wait beside others. What it is given back sets its time no further
        back: nobody else has had what it was charged before.
        """
        self._seen: dict[str, int] = {}
        """How many costs of each are known, up to `MOST_SEEN`."""
        self._open: dict[str, tuple[float, float]] = {}
        """How many turns of each wait for their cost, and what they were charged together."""

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        turns = cls()
        turns._now = float(stored.get("now", 0.0))
        turns._times = {str(name): float(time) for name, time in stored.get("times", {}).items()}
        turns._costs = {str(name): float(cost) for name, cost in stored.get("costs", {}).items()}
        turns._cost = stored.get("cost")
        turns._contenders = set(map(str, stored.get("contenders", ())))
        turns._floors = {str(name): float(time) for name, time in stored.get("floors", {}).items()}
        turns._seen = {str(name): int(seen) for name, seen in stored.get("seen", {}).items()}
        turns._open = {str(name): (float(count), float(cost)) for name, (count, cost) in stored.get("open", {}).items()}
        return turns

    def as_json(self) -> dict[str, Any]:
        if len(self._times) > MOST_REMEMBERED:
            self.forget_others(set(sorted(self._times, key=self.time_of)[-MOST_REMEMBERED:]))
        costs = {"costs": self._costs, "cost": self._cost, "seen": self._seen}
        waiting = {"contenders": sorted(self._contenders), "floors": self._floors}
        return {"now": self._now, "times": self._times, **costs, "open": self._open, **waiting}

    def copy(self) -> Self:
        """The same turns, to look ahead in."""
        same = type(self)()
        same._now, same._cost = self._now, self._cost
        same._times, same._costs = dict(self._times), dict(self._costs)
        same._seen, same._open = dict(self._seen), dict(self._open)
        same._contenders, same._floors = set(self._contenders), dict(self._floors)
        return same

    def forget_others(self, names: Container[str]) -> None:
        """Forget those that are not among these, if there are too many."""
        if len(self._times) > MOST_REMEMBERED:
            self._times = {name: time for name, time in self._times.items() if name in names}
            self._costs = {name: cost for name, cost in self._costs.items() if name in self._times}
            self._contenders = {name for name in self._contenders if name in self._times}
            self._floors = {name: floor for name, floor in self._floors.items() if name in self._times}
            self._seen = {name: seen for name, seen in self._seen.items() if name in self._times}
            self._open = {name: open_turns for name, open_turns in self._open.items() if name in self._times}

    def time_of(self, name: str) -> float:
        """Its virtual time: of some that share, the one with the smallest is next."""
        return self._times.get(name, 0.0)

    def has_several(self) -> bool:
        """Whether more than one has a time: had a turn, or waits for one."""
        return len(self._times) > 1

    def next(self, names: Iterable[str]) -> str:
        return min(names, key=self.place)

    def in_order(self, names: Iterable[str]) -> list[str]:
        """These, as they would be next if each had one turn."""
        return sorted(names, key=self.place)

    def place(self, name: str) -> tuple[float, float]:
        return self._start(name), self.time_of(name)

    def _start(self, name: str) -> float:
        """When its next turn begins."""
        time = self.time_of(name)
        return time if name in self._contenders else max(time, self._now)

    def take(
        self,
        name: str,
        weight: float,
        at_least: float = 0.0,
        *,
        exactly: float | None = None,
        others: Collection[str] = (),
    ) -> None:
        """It has a turn, which costs as much as its turns before, and at least what is known already; or `exactly` so
        much, if it is over. `others` could have had this turn, so they are not away: two processes may give a turn to
        the same one.
        """
        if others:
            wait = {name, *others}
            was_alone = len(self._contenders) == 1 < len(wait)
            new = {one: self._start(one) for one in (wait if was_alone else wait - self._contenders)}
            self._times |= new
            self._floors = {one: time for one, time in self._floors.items() if one in wait} | new
            self._contenders = wait
        start = self._start(name)
        self._now = max(self._now, min([start, *map(self.time_of, others)]))
        cost = max(self._expected(name), at_least) if exactly is None else exactly
        self._times[name] = start + cost / weight
        if exactly is None:
            count, charged = self._open.get(name, (0.0, 0.0))
            part = 0.5 if count >= MOST_OPEN else 1.0
            self._open[name] = (part * count + 1.0, part * charged + cost)

    def learn(self, name: str, cost: float, weight: float = 1.0) -> None:
        """A turn of this one has cost so much: the next ones are expected to cost about the same, and what it was
        charged for this one is settled. By the expectation alone, one that had some cheap turns before each dear one
        paid for few of these.
        """
        count, charged = self._open.get(name, (0.0, 0.0))
        if count >= 1.0:
            expected = charged / count
            self._open[name] = (count - 1.0, charged - expected)
            settled = self.time_of(name) + (cost - expected) / weight
            self._times[name] = max(settled, self._floors.get(name, settled)) if cost < expected else settled
        # The first of one count whole. Begun at the mean of all, one with short texts paid for long ones twenty times.
        seen = self._seen.get(name, 0 if name not in self._costs else MOST_SEEN) + 1
        known = self._costs.get(name, 0.0)
        self._costs[name] = known + max(_LEARNING, 1 / seen) * (cost - known)
        self._seen[name] = min(seen, MOST_SEEN)
        self._cost = cost if self._cost is None else self._cost + _LEARNING * (cost - self._cost)

    def lateness(self, name: str, seconds: Iterable[float]) -> float:
        """By how much turns that have run for so long by now cost more than is expected of them."""
        expected = self._expected(name)
        return sum(max(0.0, one - expected) for one in seconds)

    def open_turns(self, name: str) -> float:
        """How many of its turns wait for their cost; at least one."""
        return max(1.0, self._open.get(name, (0.0, 0.0))[0])

    def count_open(self) -> dict[str, float]:
        """How many turns of each wait for their cost."""
        return {name: count for name, (count, _) in self._open.items()}

    def forget_open(self, name: str, most: float) -> None:
        """No more than so many turns of this one still wait for their cost, which nobody will report of the others."""
        count, charged = self._open.get(name, (0.0, 0.0))
        if count > most:
            self._open[name] = most, charged * most / count

    def put_off(self, name: str, time: float) -> None:
        """Its next turn begins so much later."""
        self._times[name] = self.time_of(name) + time

    def limit_lead(self, most: float) -> None:
        """None is further ahead than so much of the one that is next."""
        latest = self._now + most
        self._times = {name: min(time, latest) for name, time in self._times.items()}
        self._floors = {name: min(floor, latest) for name, floor in self._floors.items()}

    def catch_up(self) -> None:
        """Nobody waits: what some had while the others wanted nothing is no debt."""
        self._now = max(self._times.values(), default=self._now)
        self._contenders, self._floors = set(), {}

    def _expected(self, name: str) -> float:
        return self._costs.get(name, self._cost) or 1.0
