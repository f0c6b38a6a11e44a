"""What a play of a mix shows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.fairness.mixes import Mix, Outage
from tests.fairness.owed import Loss


@dataclass(frozen=True, slots=True)
class Seen:
    """What each project had, and when."""

    streams: Sequence[Sequence[tuple[float, float]]]
    """From when until when each had a stream."""
    requested: Sequence[Sequence[tuple[float, int]]]
    """When each sent a request, and how many tokens it used."""
    passed: Sequence[int]
    """How many texts of others began while each waited for its first."""
    waited: Sequence[float]
    """How long each waited for that."""
    losses: Sequence[Loss]
    back: Mapping[Outage, float]
    """When the upstream took a request again, after each outage."""
    failed: Mapping[str, int]
    """How many requests failed, by the code of the error."""

    def used(self, place: int, since: float, until: float) -> tuple[float, float, float]:
        """The seconds of streams, the requests and the tokens of a project in this time."""
        sizes = [tokens for at, tokens in self.requested[place] if since <= at < until]
        seconds = sum(max(0.0, min(end, until) - max(begun, since)) for begun, end in self.streams[place])
        return seconds, float(len(sizes)), float(sum(sizes))


class Log:
    """What happened, and when. A project is its place in the mix."""

    def __init__(self, members: int) -> None:
        self.places = range(members)
        self.streams: list[list[tuple[float, float]]] = [[] for _ in self.places]
        self.begun: list[tuple[float, int]] = []
        self.requested: list[list[tuple[float, int]]] = [[] for _ in self.places]
        self.came: dict[int, tuple[float, int]] = {}
        """When the first text of each came, and how many had begun by then."""
        self.first: dict[int, tuple[float, int]] = {}
        """The same of when it began."""
        self.losses: list[Loss] = []
        self.back: dict[Outage, float] = {}
        self.failed = Counter[str]()

    def begin(self, place: int, at: float) -> None:
        self.first.setdefault(place, (at, len(self.begun)))
        self.begun.append((at, place))

    def accept(self, mix: Mix, upstream: int, sent_at: float, at: float) -> None:
        """A request got its first words."""
        for outage in mix.outages:
            if outage.upstream == upstream and sent_at >= outage.ends:
                self.back.setdefault(outage, at)

    def seen(self, mix: Mix) -> Seen:
        never = (mix.seconds, len(self.begun))
        came = [self.came.get(place, never) for place in self.places]
        first = [self.first.get(place, never) for place in self.places]
        away = [Loss(one.upstream, one.begins, self.back.get(one, mix.seconds)) for one in mix.outages]
        passed = [sum(who != place for _, who in self.begun[came[place][1] : first[place][1]]) for place in self.places]
        waited = [first[place][0] - came[place][0] for place in self.places]
        return Seen(self.streams, self.requested, passed, waited, [*self.losses, *away], self.back, self.failed)
