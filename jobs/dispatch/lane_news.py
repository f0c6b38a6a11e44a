"""The input and output of a lane's turn: news, wishes, holds, and the result."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from jobs.dispatch.choice import Chosen
from jobs.dispatch.holds import Hold, HoldKind
from jobs.dispatch.turn_costs import Ended, TurnCosts
from jobs.pace.lane import Lane
from jobs.pace.reports import Report
from jobs.upstreams import UpstreamSpec


@dataclass(slots=True)
class LaneNews:
    """What a process has seen of a lane and not yet written to its row."""

    reports: list[Report] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    accepted_at: datetime | None = None
    """When the latest request was sent that wrote a text."""
    address_mark: str = ""
    """Where that one was sent to: the address in the upstreams file may be another by now."""
    proved_at: datetime | None = None
    """The same of one that wrote a whole text, or more than those that were cut when its upstream was held."""
    wrote_at: datetime | None = None
    """When a stream got text last."""
    has_grown: bool = False
    """That was long after its first words: only this says that its upstream writes, so it waits for no other turn."""
    first_delta_seconds: list[float] = field(default_factory=list)

    @property
    def is_something(self) -> bool:
        return bool(self.reports or self.ended or self.accepted_at or self.proved_at or self.wrote_at)

    def add(self, later: "LaneNews") -> None:
        """Add what was seen after this."""
        self.reports += later.reports
        self.ended += later.ended
        self.first_delta_seconds += later.first_delta_seconds
        self.accepted_at = max(filter(None, (self.accepted_at, later.accepted_at)), default=None)
        self.address_mark = later.address_mark or self.address_mark
        self.proved_at = max(filter(None, (self.proved_at, later.proved_at)), default=None)
        self.wrote_at = max(filter(None, (self.wrote_at, later.wrote_at)), default=None)
        self.has_grown |= later.has_grown


class UnwrittenNews:
    """The news of all lanes, until a turn writes them; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._news: dict[tuple[str, str], LaneNews] = {}

    def add(self, key: tuple[str, str], news: LaneNews) -> None:
        with self._lock:
            self._news.setdefault(key, LaneNews()).add(news)

    def take(self, key: tuple[str, str]) -> LaneNews:
        """What is to be written now."""
        with self._lock:
            return self._news.pop(key, LaneNews())

    def put_back(self, key: tuple[str, str], news: LaneNews) -> None:
        """They could not be written; what was noted meanwhile is newer."""
        with self._lock:
            news.add(self._news.pop(key, LaneNews()))
            self._news[key] = news

    def keys(self) -> list[tuple[str, str]]:
        """The oldest news first: a round may have no time for all."""
        with self._lock:
            return list(self._news)

    def may_wait(self, key: tuple[str, str]) -> bool:
        """Not for the jobs of a hundred other lanes, which fill a round: that text comes is true for seconds."""
        with self._lock:
            news = self._news.get(key)
        return news is None or not news.has_grown


@dataclass(frozen=True, slots=True)
class LaneWish:
    """What a process wants of a lane in this round."""

    spec: UpstreamSpec
    model: str
    projects: Sequence[str]
    """Those with jobs that wait."""
    most_crashes: int
    streams: int
    """Of all processes that use the upstream."""
    has_others: bool = False
    """Whether another upstream could take the model now, so that a retry can go there."""
    news: LaneNews = field(default_factory=LaneNews)
    grants: Sequence[str] = ()
    """For which of them each of these jobs is, in turn."""

    @property
    def most(self) -> int:
        """How many more jobs it can start."""
        return len(self.grants)

    @property
    def key(self) -> tuple[str, str]:
        return self.spec.name, self.model


@dataclass(frozen=True, slots=True)
class LaneTurn:
    """What became of a wish."""

    reserved: Sequence[Chosen]
    in_flight: int
    room: int
    """How many more the lane would have taken."""
    look_at: datetime
    """When the lane may have room again, at the latest."""
    costs: Sequence[float] = ()
    """What the turn of each reserved job costs at least."""
    ended: Sequence[tuple[str, float]] = ()
    """The projects whose turns are over, by the news, and what each has cost."""
    is_short_of_all: bool = False
    """The next job waits for tokens that all models of the upstream share."""
    lifted: tuple[str, ...] | None = None
    """The news lifted the hold of the upstream: the batches to publish that to."""
    prices: TurnCosts | None = None
    """What requests and tokens cost there, if there are too few of them."""
    prices_of_all: TurnCosts | None = None
    """The same of those that all models of the upstream share."""
    paces: tuple[Lane, Lane | None] | None = None
    """The lane, and what its upstream declares, as they were left."""


@dataclass(frozen=True, slots=True)
class Held:
    """What of the holds concerns a lane."""

    upstream: Hold | None
    model: bool
    projects: frozenset[str]

    @classmethod
    def of(cls, found: Sequence[Hold], key: tuple[str, str]) -> Self:
        targets: dict[HoldKind, set[str]] = {kind: set() for kind in HoldKind}
        for hold in found:
            targets[hold.kind].add(hold.target)
        of_upstream = (hold for hold in found if hold.kind is HoldKind.UPSTREAM and hold.target == key[0])
        return cls(
            next(of_upstream, None),
            key[1] in targets[HoldKind.MODEL],
            frozenset(targets[HoldKind.PROJECT]),
        )
