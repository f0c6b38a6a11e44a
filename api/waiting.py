"""What a queued job waits for, and what holds a batch, as the API shows them."""

from collections.abc import Sequence
from typing import Any

from api.callers.caller import Caller, is_operator
from api.forms.waiting import hold_json, waiting_json
from api.services import Services
from jobs.dispatch.holds import Hold, HoldKind, read_holds
from jobs.dispatch.waiting import find_hold, find_job_hold, find_upstream_hold, find_why_waiting
from jobs.model.batch_records import Batch
from jobs.model.records import Job
from jobs.model.status import BatchStatus, JobStatus
from jobs.upstreams import UNDECLARED, UpstreamSpec

NOTHING: dict[str, Any] = {"hold": None, "limited_by": None, "limited_by_message": None, "limited_until": None}


def waiting_by_id(services: Services, caller: Caller, jobs: Sequence[Job]) -> dict[str, dict[str, Any]]:
    """`hold` and `limited_by` with its sentence and its time, by id: of those of the jobs that are queued and wait."""
    queued = [job.id for job in jobs if job.status is JobStatus.QUEUED]
    if not queued:
        return {}
    found = find_why_waiting(services.database, queued, known_upstreams(services), services.settings.hint_seconds)
    return {
        job_id: {"hold": caller_hold_json(services, caller, waiting.hold), **waiting_json(waiting)}
        for job_id, waiting in found.items()
    }


def job_hold_json(services: Services, caller: Caller, job_id: str) -> dict[str, Any] | None:
    """What keeps a queued job from starting."""
    return caller_hold_json(services, caller, find_job_hold(services.database, job_id, known_upstreams(services)))


def batch_hold_json(services: Services, caller: Caller, batch: Batch) -> dict[str, Any] | None:
    """What keeps all the jobs of a batch from starting."""
    return batch_holds_json(services, caller, [batch]).get(batch.id)


def batch_holds_json(services: Services, caller: Caller, listed: Sequence[Batch]) -> dict[str, dict[str, Any]]:
    """The same of each of these batches that is held, by id."""
    running = [batch for batch in listed if batch.status is BatchStatus.IN_PROGRESS]
    holds = read_holds(services.database, [batch.id for batch in running]) if running else []
    held = {}
    for batch in running if holds else ():
        hold = find_hold(holds, batch_id=batch.id, project=caller.project, model=batch.model)
        shown = caller_hold_json(
            services, caller, hold or find_upstream_hold(holds, batch.model, known_upstreams(services))
        )
        if shown is not None:
            held[batch.id] = shown
    return held


def caller_hold_json(
    services: Services, caller: Caller, hold: Hold | None, project: str | None = None
) -> dict[str, Any] | None:
    """A hold, with what this caller can do about it. What an upstream said may quote another project's work.

    `project` is that of the work that it keeps from starting; None: the caller's own.
    """
    if hold is None:
        return None
    operator = is_operator(caller)
    own = project in (None, caller.project)
    # A hold of a batch or a project is shown only to callers who own it, and to operators; nobody lifts that of another
    # project's batch.
    may_resume = {HoldKind.BATCH: own, HoldKind.PROJECT: own or operator}.get(hold.kind, operator)
    shown = {**hold_json(hold), "url": _address_of(services, hold), "may_resume": may_resume}
    return shown if operator or hold.held_by == "person" else shown | {"message": ""}


def _address_of(services: Services, hold: Hold) -> str | None:
    if hold.kind is not HoldKind.UPSTREAM:
        return None
    return next((spec.address for spec in services.upstreams.current().specs if spec.name == hold.target), None)


def known_upstreams(services: Services) -> Sequence[UpstreamSpec]:
    """The upstreams. An API that was given none takes it that the workers have the one that needs no file."""
    return services.upstreams.current().specs or (UNDECLARED,)
