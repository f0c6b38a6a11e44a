"""Mixes of projects that share one upstream or several."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """A project of a mix."""

    seconds: float
    """How long one text takes, all its parts together."""
    weight: float = 1.0
    models: int = 1
    """Its own ones; 0: that which all have in common."""
    has_common: bool = False
    """Whether it also uses the model that all have in common, which every upstream takes."""
    upstreams: tuple[int, ...] = ()
    """Those that take its own models; none: all do."""
    prompt: int = 50
    output: int = 50
    parts: int = 1
    large: int = 0
    """So many of its texts go on without end, and each of their parts takes so many tokens:"""
    large_tokens: int = 0
    fails: float = 0.0
    """The share of its requests that end at once, by a 400."""
    retries: float = 0.0
    """The same, by an error after which they are tried again."""
    refused: float = 0.0
    """The same, by a 429."""
    retry_after: float | None = None
    """What that says."""
    cancels: float = 0.0
    """The share of its texts that are cancelled half-way."""
    a_second: float | None = None
    """So many texts come steadily; None: there are always some due."""
    from_second: float = 0.0
    spread: float = 0.0

    @property
    def always_has_texts(self) -> bool:
        """Whether it would use whatever it is given."""
        return self.a_second is None and not self.refused

    @property
    def uses_common(self) -> bool:
        return self.has_common or self.models == 0

    @property
    def ends(self) -> float:
        """The share of its first requests that end at once."""
        return self.fails + self.retries + self.refused

    @property
    def needs(self) -> tuple[float, float, float]:
        """What one text takes on the mean, with those that end early: seconds of a stream, requests, tokens."""
        ends, whole = self.ends, 1 - self.ends
        seconds = whole * self.seconds * (1 - self.cancels / 2) + ends * 0.05
        return seconds, whole * self.parts + ends, whole * self.parts * (self.prompt + self.output)


@dataclass(frozen=True, slots=True)
class Outage:
    """From then on all requests to an upstream fail for a while."""

    upstream: int
    begins: float
    seconds: float

    @property
    def ends(self) -> float:
        return self.begins + self.seconds


@dataclass(frozen=True, slots=True)
class Upstream:
    max_streams: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    takes: int | None = None
    """It refuses more streams than that by a 429, and nobody has declared it."""
    retry_after: float | None = None
    """What that says."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Projects, and upstreams with the workers that send to them. Of several upstreams, only streams are limited."""

    members: tuple[Member, ...]
    workers: tuple[int, ...]
    """The streams of each."""
    seconds: float
    upstreams: tuple[Upstream, ...] = (Upstream(),)
    outages: tuple[Outage, ...] = ()
    restarts: tuple[float, ...] = ()
    """When a worker is killed, and another one begins in its place."""
    seed: int = 0
    turn_seconds: float = 0.002

    @property
    def streams(self) -> int:
        return int(min(sum(self.workers), sum(self.streams_of(one) for one in range(len(self.upstreams)))))

    def streams_of(self, place: int) -> float:
        """What an upstream takes."""
        one = self.upstreams[place]
        return min((most for most in (one.max_streams, one.takes) if most is not None), default=float("inf"))

    def usable(self, member: Member) -> frozenset[int]:
        """The upstreams that a project may use."""
        is_free = member.uses_common or not member.upstreams
        return frozenset(range(len(self.upstreams))) if is_free else frozenset(member.upstreams)

    @property
    def longest(self) -> float:
        return max(member.seconds for member in self.members)

    def begins(self) -> float:
        """When it is measured from: by then each has had its first texts, and the pace is known."""
        return 20.0 + max(self.longest, *(member.from_second for member in self.members))
