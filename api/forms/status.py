"""The state of the whole, as the API shows it. Times are Unix seconds; unknown is null."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from api.forms.jobs import seconds
from jobs.dispatch.overview import Holder, QueueLine
from jobs.live.worker_signs import WorkerSign

MOST_WORKERS = 200


def workers_json(
    signs: Mapping[str, WorkerSign], holders: Mapping[str, Holder], now: datetime, lease_seconds: float
) -> list[dict[str, Any]]:
    """The workers that have given a sign of life, and those that have not and run jobs by their rows: of a version
    before, or while Redis is away. Those that live come first. One that was told to end and has neither signs nor jobs
    any more is not shown: it has ended.
    """
    shown = []
    for name in signs.keys() | holders.keys():
        sign, holder = signs.get(name), holders.get(name)
        renewed = (holder.lease_until - timedelta(seconds=lease_seconds)).timestamp() if holder else 0.0
        seen_at = max(sign.at if sign else 0.0, renewed)
        is_lost = now.timestamp() - seen_at > (sign.late_after if sign else lease_seconds)
        if is_lost and sign and sign.draining and holder is None:
            continue
        running = sign.running if sign and not is_lost else holder.running if holder else 0
        free = None
        if sign:
            free = 0 if is_lost or sign.draining else max(0, sign.streams - running)
        shown.append(
            {
                "name": name,
                "state": "lost" if is_lost else "draining" if sign and sign.draining else "running",
                "version": sign.version if sign else None,
                "streams": sign.streams if sign else None,
                "running": running,
                "free": free,
                "started_at": round(sign.started_at, 3) if sign else None,
                "seen_at": round(seen_at, 3),
                "lease_until": seconds(holder.lease_until) if holder else None,
            }
        )
    shown.sort(key=lambda worker: (worker["state"] == "lost", worker["name"]))
    return shown[:MOST_WORKERS]


def line_json(line: QueueLine) -> dict[str, Any]:
    """A line of the queue, without what its first job waits for."""
    return {
        "project": line.project,
        "model": line.model,
        "queued": line.queued,
        "counted_all": line.counted_all,
        "running": line.running,
    }
