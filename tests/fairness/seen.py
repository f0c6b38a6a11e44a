"""What a play of a mix shows."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.fairness.mixes import Mix


@dataclass(frozen=True, slots=True)
class Seen:
    """Of each project, in the time that is measured."""

    seconds: float
    texts: list[int]
    """How many began."""
    stream_seconds: list[float]
    requests: list[int]
    tokens: list[float]
    passed: list[int]
    """How many texts of others began while each waited for its first."""
    first: list[float]
    """How long each waited for that."""


class Log:
    """What happened, and when. A project is its place in the mix."""

    def __init__(self, members: int) -> None:
        self.places = range(members)
        self.used: list[list[tuple[float, float]]] = [[] for _ in self.places]
        """From when until when each had a stream."""
        self.begun: list[tuple[float, int]] = []
        self.requested: list[tuple[float, int, int]] = []
        """When, by whom, and how many tokens it uses."""
        self.came: dict[int, tuple[float, int]] = {}
        """When the first text of each came, and how many had begun by then."""
        self.first: dict[int, tuple[float, int]] = {}
        """The same of when it began."""

    def seen(self, mix: Mix, running: Mapping[str, tuple[int, float]]) -> Seen:
        since, until = mix.begins(), mix.seconds
        for place, begun in running.values():
            self.used[place].append((begun, until))
        never = (until, len(self.begun))
        came = [self.came.get(place, never) for place in self.places]
        first = [self.first.get(place, never) for place in self.places]
        sizes = [[size for at, who, size in self.requested if at >= since and who == place] for place in self.places]
        return Seen(
            seconds=until - since,
            texts=[sum(at >= since and who == place for at, who in self.begun) for place in self.places],
            stream_seconds=[sum(max(0.0, end - max(begun, since)) for begun, end in used) for used in self.used],
            requests=[len(some) for some in sizes],
            tokens=[float(sum(some)) for some in sizes],
            passed=[
                sum(who != place for _, who in self.begun[came[place][1] : first[place][1]]) for place in self.places
            ],
            first=[first[place][0] - came[place][0] for place in self.places],
        )
