"""How each upstream is doing, as people are shown it. Unknown is null, never 0."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.upstreams.spec import UpstreamSpec


@dataclass(frozen=True, slots=True)
class HoldState:
    """Why no job is sent there, since when, and when one will be sent to see whether all is well again."""

    reason: str
    since: datetime
    message: str
    held_by: str
    probe_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "reason": self.reason,
            "since": self.since.timestamp(),
            "message": self.message,
            "held_by": self.held_by,
            "probe_at": self.probe_at.timestamp() if self.probe_at else None,
        }


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How much of a limit is used. `limit` is what the file or the upstream itself says."""

    used: float | None = None
    limit: float | None = None

    def as_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {"used": self.used, "limit": self.limit}


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

    def as_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "model": self.model,
            "running": self.running,
            "window": self.window,
            "limited_by": self.limited_by,
            "requests_per_minute": self.requests.as_json(),
            "tokens_per_minute": self.tokens.as_json(),
            "first_delta_seconds": self.first_delta_seconds,
        }


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

    def as_json(self, *, with_messages: bool) -> dict[str, Any]:
        """As the API shows it. Error messages may quote another project's work, so they are for operators alone."""
        spec, state = self.spec, self.state
        error = state.last_error if state else None
        return {
            "object": "upstream",
            "name": spec.name,
            "url": spec.address,
            "models": list(spec.models),
            "rename": dict(spec.rename),
            "tier": spec.tier,
            "weight": spec.weight,
            "limits": {
                "max_streams": spec.max_streams,
                "requests_per_minute": spec.requests_per_minute,
                "tokens_per_minute": spec.tokens_per_minute,
            },
            "state": None if state is None else "held" if state.hold else "ok",
            "hold": state.hold.as_json() if state and state.hold else None,
            "running": state.running if state else None,
            "in_use": [model.as_json() for model in state.models] if state else None,
            "last_error": error
            and {
                "code": error.code,
                "at": error.at.timestamp(),
                "message": error.message if with_messages else None,
            },
            "first_delta_seconds": state.first_delta_seconds if state else None,
        }


def view_upstreams(specs: tuple[UpstreamSpec, ...], states: Mapping[str, UpstreamState]) -> list[UpstreamView]:
    """The upstreams in the order of the file, each with its state if it has one."""
    return [UpstreamView(spec, states.get(spec.name)) for spec in specs]
