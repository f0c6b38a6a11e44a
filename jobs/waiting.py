"""Why a job waits, in one word for programs and one sentence for people that says what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from jobs.database import Database
from jobs.due import RUNNING, InFlight, count_in_flight
from jobs.holds import Hold, HoldKind, find_holds
from jobs.pace.tables import lanes
from jobs.records import Batch, Job
from jobs.reservation import read_lane
from jobs.routes import Route, route_of
from jobs.status import JobStatus
from jobs.tables import batches, jobs
from jobs.upstreams import Upstreams

_SENTENCES = {
    "no_upstream": "No upstream takes this model: add it to `models` in the upstreams file, or cancel the job.",
    "max_concurrency": "Its batch already runs as many jobs as its `max_concurrency` allows; it starts when one ends.",
    "max_streams": "The upstream has as many streams as `max_streams` in the upstreams file allows; raise it for more.",
    "window": "The upstream has as many streams as it has taken so far; the number is raised while it accepts them.",
    "requests": "The upstream's limit of requests per minute is used up for the moment; it starts by itself.",
    "tokens": "The upstream's limit of tokens per minute is used up for the moment; it starts by itself.",
    "retry_after": "The upstream asked to wait; it starts by itself.",
    "streams": "No worker has a free stream: wait, or start more workers or raise LONGHAND_STREAMS.",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a queued job waits for. Both None: it does not wait, or starts at any moment."""

    hold: Hold | None = None
    limited_by: str | None = None
    message: str | None = None

    def as_json(self) -> dict[str, Any]:
        """As the API shows it in a job."""
        limit = {"reason": self.limited_by, "message": self.message} if self.limited_by else None
        return {"hold": self.hold.as_json() if self.hold else None, "limited_by": limit}


def explain_job(database: Database, job: Job, upstreams: Upstreams, hint_seconds: float) -> Waiting:
    """Why this job has not started. A process that was given no upstreams knows of none but those in use."""
    if job.status is not JobStatus.QUEUED:
        return Waiting()
    now = database.now()
    with database.read() as connection:
        only = connection.scalar(select(jobs.c.only_upstream).where(jobs.c.id == job.id))
        routes = _routes(connection, job.model, upstreams, only)
        hold = _find_hold(find_holds(connection), job.batch_id, job.project, job.model, routes)
        if hold is not None:
            return Waiting(hold)
        if not routes and upstreams.specs:
            return _limited("no_upstream")
        if job.due_at is not None and job.due_at > now:
            seconds = max(1, round((job.due_at - now).total_seconds()))
            return Waiting(None, "retry", f"Its last try failed; it is tried again in {seconds} s by itself.")
        if job.batch_id is not None and _is_full(connection, job.batch_id):
            return _limited("max_concurrency")
        in_flight = count_in_flight(connection, now, hint_seconds)
        limits = [_limit_of(connection, route, job.model, in_flight, now.timestamp()) for route in routes]
    return _limited("streams" if not limits or None in limits else str(limits[0]))


def find_batch_hold(database: Database, batch: Batch, project: str, upstreams: Upstreams) -> Hold | None:
    """What keeps all the jobs of a batch from starting."""
    with database.read() as connection:
        held = find_holds(connection)
        if not held:
            return None
        only = connection.scalar(select(batches.c.only_upstream).where(batches.c.id == batch.id))
        routes = _routes(connection, batch.model, upstreams, only) if batch.model is not None else []
        return _find_hold(held, batch.id, project, batch.model, routes)


def _limited(reason: str) -> Waiting:
    return Waiting(None, reason, _SENTENCES[reason])


def _routes(connection: Connection, model: str, upstreams: Upstreams, only: str | None) -> list[Route]:
    """Where a job of this model may go, the lowest tier first."""
    if upstreams.specs:
        routes = [route_of(spec) for spec in upstreams.for_model(model)]
    else:
        used = select(lanes.c.upstream).where(lanes.c.model == model).order_by(lanes.c.upstream)
        routes = [Route(name) for name in connection.scalars(used)]
    return [route for route in routes if only is None or route.name == only]


def _find_hold(
    held: Sequence[Hold], batch_id: str | None, project: str, model: str | None, routes: Sequence[Route]
) -> Hold | None:
    """The first hold that concerns it; that of an upstream only if every one that could take it is held."""
    by_target = {(hold.kind, hold.target): hold for hold in held}
    for kind, target in ((HoldKind.BATCH, batch_id), (HoldKind.PROJECT, project), (HoldKind.MODEL, model)):
        if target is not None and (kind, target) in by_target:
            return by_target[kind, target]
    of_routes = [by_target.get((HoldKind.UPSTREAM, route.name)) for route in routes]
    return of_routes[0] if of_routes and None not in of_routes else None


def _is_full(connection: Connection, batch_id: str) -> bool:
    most = connection.scalar(select(batches.c.max_concurrency).where(batches.c.id == batch_id))
    if most is None:
        return False
    running = select(func.count()).select_from(jobs).where(RUNNING, jobs.c.batch_id == batch_id)
    return int(connection.scalar(running) or 0) >= int(most)


def _limit_of(
    connection: Connection, route: Route, model: str, in_flight: dict[tuple[str, str], InFlight], moment: float
) -> str | None:
    """What the pace of a lane waits for; None: nothing."""
    key = (route.name, model)
    row = connection.execute(
        select(lanes).where(lanes.c.upstream == route.name, lanes.c.model == model)
    ).mappings().one_or_none()  # fmt: skip
    return read_lane(row, route, moment).limited_by(in_flight.get(key, InFlight()).total, moment)
