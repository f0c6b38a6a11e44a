"""The state of each upstream, as people see it. Unknown is null, never 0."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from jobs.upstreams.spec import UpstreamSpec


@dataclass(frozen=True, slots=True)
class HoldState:
    """Why no job is sent there, since when, and when one will be sent to see whether all is well again."""

    reason: str
    since: datetime
    message: str
    held_by: str
    probe_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How much of a limit is used. `limit` is what the file or the upstream itself says."""

    used: float | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class ModelState:
    """One model at one upstream, which has a pace for itself."""

    model: str
    running: int | None = None
    window: float | None = None
    limited_by: str | None = None
    requests: LimitUse = LimitUse()
    tokens: LimitUse = LimitUse()
    first_delta_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ErrorState:
    """What went wrong last."""

    code: str
    at: datetime
    message: str | None = None


@dataclass(frozen=True, slots=True)
class UpstreamState:
    """One upstream, from the rows that all workers share. `running` None: nothing is known."""

    hold: HoldState | None = None
    running: int | None = None
    models: tuple[ModelState, ...] = ()
    last_error: ErrorState | None = None
    first_delta_seconds: float | None = None
    """The median over its models."""


@dataclass(frozen=True, slots=True)
class UpstreamView:
    """What is declared of an upstream, and how it is doing. `state` None: that is not known."""

    spec: UpstreamSpec
    state: UpstreamState | None = None


def view_upstreams(specs: tuple[UpstreamSpec, ...], states: Mapping[str, UpstreamState]) -> list[UpstreamView]:
    """The upstreams in the order of the file, each with its state if it has one."""
    return [UpstreamView(spec, states.get(spec.name)) for spec in specs]
