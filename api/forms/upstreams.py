"""An upstream as the API shows it."""

from typing import Any

from jobs.dispatch.holds import Hold
from jobs.dispatch.refused_lately import RefusedLately
from jobs.dispatch.upstream_states import ErrorState, ModelState, UpstreamState
from jobs.pace.usage import LimitUse
from jobs.upstreams import UpstreamSpec


def upstream_json(
    spec: UpstreamSpec, state: UpstreamState | None, refused: RefusedLately | None = None, *, with_messages: bool
) -> dict[str, Any]:
    """`state` None: nothing is known. Messages of errors may quote other projects, so they are for operators alone.
    `refused` is of jobs that the caller may see.
    """
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
        "hold": _hold_json(state.hold, with_messages=with_messages) if state and state.hold else None,
        "running": state.running if state else None,
        "in_use": [_model_json(model) for model in state.models] if state else None,
        "last_error": _error_json(error, with_messages=with_messages) if error else None,
        "refused": _refused_json(refused) if refused else None,
        "first_delta_seconds": state.first_delta_seconds if state else None,
    }


def _error_json(error: ErrorState, *, with_messages: bool) -> dict[str, Any]:
    return {"code": error.code, "at": error.at.timestamp(), "message": error.message if with_messages else None}


def _refused_json(refused: RefusedLately) -> dict[str, Any]:
    return {"count": refused.count, "error": _error_json(refused.error, with_messages=True)}


def _hold_json(hold: Hold, *, with_messages: bool) -> dict[str, Any]:
    return {
        "reason": hold.reason,
        "since": hold.since.timestamp(),
        "message": hold.message if with_messages or hold.held_by == "person" else "",
        "held_by": hold.held_by,
        "probe_at": hold.probe_at.timestamp() if hold.probe_at else None,
    }


def _limit_json(limit: LimitUse) -> dict[str, Any]:
    return {"used": limit.used, "limit": limit.limit}


def _model_json(model: ModelState) -> dict[str, Any]:
    return {
        "model": model.model,
        "running": model.running,
        "window": model.usage.window,
        "limited_by": model.usage.limited_by,
        "requests_per_minute": _limit_json(model.usage.requests),
        "tokens_per_minute": _limit_json(model.usage.tokens),
        "first_delta_seconds": model.first_delta_seconds,
    }
