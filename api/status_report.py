"""The state of the whole, as a caller may see it: what `GET /v1/status` answers."""

from collections.abc import Mapping, Sequence
from typing import Any

from api.callers.caller import Caller, is_operator
from api.forms.status import line_json, workers_json
from api.forms.waiting import waiting_json
from api.looks import LookAnswer
from api.services import Services
from api.upstream_views import upstreams_json
from api.waiting import NOTHING, caller_hold_json, known_upstreams
from jobs.dispatch.holds import HoldKind
from jobs.dispatch.overview import HeldWork, QueueLine, read_overview
from jobs.live.worker_signs import WorkerSign

UNKNOWN: dict[str, Any] = {
    "workers": None,
    "workers_complete": False,
    "queue": None,
    "queue_has_more": None,
    "held": None,
    "upstreams": None,
    "file_mistakes": None,
}
"""While the database cannot say who the caller is: only what anybody may know."""

_NO_WORKER = {
    "limited_by": "no_worker",
    "limited_by_message": "no worker is running: start one with `longhand worker`",
    "limited_until": None,
}


def report_status(
    services: Services, caller: Caller, redis: LookAnswer[Mapping[str, WorkerSign]], *, with_rows: bool
) -> dict[str, Any]:
    """All but what the looks have found. Without the rows, as while the database is away, what needs none."""
    settings, now = services.settings, services.database.now()
    signs = redis.found or {}
    listed = upstreams_json(services, caller, with_states=with_rows)
    upstreams = {"upstreams": listed["data"], "file_mistakes": listed["file_mistakes"]}
    known = redis.found is not None
    if not with_rows:
        workers = workers_json(signs, {}, now, settings.lease_seconds) if known else None
        return UNKNOWN | upstreams | {"workers": workers}
    project = None if is_operator(caller) else caller.project
    seen = read_overview(services.database, known_upstreams(services), settings.hint_seconds, project)
    workers = workers_json(signs, seen.holders, now, settings.lease_seconds)
    return {
        "workers": workers,
        "workers_complete": known,
        "queue": [_line_json(services, caller, line, workers if known else None) for line in seen.lines],
        "queue_has_more": seen.has_more,
        "held": [_held_json(services, caller, held) for held in seen.held],
        **upstreams,
    }


def _line_json(
    services: Services, caller: Caller, line: QueueLine, workers: Sequence[Mapping[str, Any]] | None
) -> dict[str, Any]:
    return line_json(line) | _waiting_json(services, caller, line, workers)


def _waiting_json(
    services: Services, caller: Caller, line: QueueLine, workers: Sequence[Mapping[str, Any]] | None
) -> dict[str, Any]:
    """Why the first job waits. That no stream is free is seen here more exactly than by the job alone."""
    waiting = line.waiting
    if waiting is None:
        return NOTHING
    if waiting.limited_by == "no_free_stream" and workers is not None:
        if all(worker["state"] == "lost" for worker in workers):
            return NOTHING | _NO_WORKER
        if any(worker["free"] for worker in workers):
            return NOTHING  # the next round takes it
    return {"hold": caller_hold_json(services, caller, waiting.hold, line.project), **waiting_json(waiting)}


def _held_json(services: Services, caller: Caller, held: HeldWork) -> dict[str, Any] | None:
    project = held.project if held.hold.kind is HoldKind.BATCH else None
    return caller_hold_json(services, caller, held.hold, project)
