"""Holds, and why a job waits, as the API shows them."""

from typing import Any

from api.forms.jobs import seconds
from jobs.dispatch.holds import Hold, HoldKind
from jobs.dispatch.waiting import Waiting


def hold_json(hold: Hold) -> dict[str, Any]:
    """A hold. Times are Unix seconds."""
    return {
        "kind": str(hold.kind),
        "target": hold.target,
        "reason": hold.reason,
        "since": seconds(hold.since),
        "message": hold.message,
        "held_by": hold.held_by,
        "probe_at": seconds(hold.probe_at),
        "upstream": hold.target if hold.kind is HoldKind.UPSTREAM else None,
    }


def waiting_json(waiting: Waiting) -> dict[str, Any]:
    """Why a job waits, without the hold."""
    return {
        "limited_by": waiting.limited_by,
        "limited_by_message": waiting.message,
        "limited_until": seconds(waiting.until),
    }
