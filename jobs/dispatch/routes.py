"""Where jobs can go: the upstreams as dispatch sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from jobs.pace.reports import LaneLimits
from jobs.upstreams import Upstreams, UpstreamSpec

_UNKNOWN = LaneLimits()


@dataclass(frozen=True, slots=True)
class Route:
    """One upstream. `models` are globs; of those that take a model, the lowest tier with room gets the job, and equals
    share by weight."""

    name: str
    models: Sequence[str] = ("*",)
    tier: int = 0
    weight: float = 1.0
    limits: LaneLimits = _UNKNOWN
    continues: bool = False
    """Whether it takes a text that it is to continue."""

    def takes(self, model: str) -> bool:
        """Whether it writes for this model."""
        return any(fnmatchcase(model, pattern) for pattern in self.models)


DEFAULT = Route("default")
"""The one upstream of an installation without an upstreams file."""


def routes_of(upstreams: Upstreams) -> list[Route]:
    """The declared upstreams as routes."""
    return [route_of(spec) for spec in upstreams.specs]


def route_of(spec: UpstreamSpec) -> Route:
    """A declared upstream as a route."""
    return Route(
        spec.name,
        spec.models,
        spec.tier,
        spec.weight,
        LaneLimits(spec.max_streams, spec.requests_per_minute, spec.tokens_per_minute),
        continues=spec.prefix != "none",
    )
