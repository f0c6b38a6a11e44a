"""Holds, and why a job waits, as the API shows them."""

from typing import Any

from jobs.dispatch.holds import Hold, HoldKind
from jobs.dispatch.waiting import Waiting


def hold_json(hold: Hold) -> dict[str, Any]:
    """As the API shows it. Times are Unix seconds."""
    return {
        "kind": str(hold.kind),
        "target": hold.target,
        "reason": hold.reason,
        "since": round(hold.since.timestamp(), 3),
        "message": hold.message,
        "held_by": hold.held_by,
        "probe_at": round(hold.probe_at.timestamp(), 3) if hold.probe_at else None,
        "upstream": hold.target if hold.kind is HoldKind.UPSTREAM else None,
    }


def waiting_json(waiting: Waiting) -> dict[str, Any]:
    """As the API shows it, but for the hold."""
    until = round(waiting.until.timestamp(), 3) if waiting.until else None
    return {"limited_by": waiting.limited_by, "limited_by_message": waiting.message, "limited_until": until}
