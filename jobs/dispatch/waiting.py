"""Why a queued job waits: one word and one sentence, read from the rows that dispatch goes by."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import RowMapping, select

from jobs.dispatch.due import BY_ID, QUEUED, count_in_flight_of_batches
from jobs.dispatch.holds import Hold, HoldKind, find_holds
from jobs.dispatch.reservation import LEAD_SECONDS
from jobs.dispatch.rounds import Key, View
from jobs.model.endings import MAX_CRASHES
from jobs.store.database import Database
from jobs.tables import batches, jobs
from jobs.upstreams import UpstreamSpec

LANE_SENTENCES = {
    "max_streams": "the upstream {} writes as many texts at once as its max_streams allows; raise that in the upstreams"
    " file to write more",
    "window": "the upstream {} writes as many texts at once as it was found to take; wait, they become more while it"
    " keeps up",
    "requests": "the upstream {} allows no more requests for the moment; wait, or raise its requests_per_minute if your"
    " plan allows more",
    "tokens": "the upstream {} allows no more tokens for the moment; wait, or raise its tokens_per_minute if your plan"
    " allows more",
    "retry_after": "the upstream {} refused a request as one too many; wait, the next one is sent by itself",
}

HOLD_SENTENCES = {
    "credit": "is out of credit: top it up",
    "key": "refuses its key: check it",
    "limit": "refuses every request: check its plan, its quota and its limits per day",
    "url": "does not answer as an OpenAI-compatible API does: check its url",
    "away": "fails or cannot be reached: see whether its server runs",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """`limited_by` is `hold`, `max_concurrency`, `retry`, `no_upstream`, `no_free_stream`, or what limits the lane."""

    limited_by: str
    message: str
    hold: Hold | None = None
    until: datetime | None = None
    """When it is looked at again, where that is known."""


def find_why_waiting(
    database: Database, job_ids: Sequence[str], specs: Sequence[UpstreamSpec], hint_seconds: float
) -> dict[str, Waiting]:
    """Why each of these jobs waits; those that are not queued, or start at this moment, are left out."""
    now = database.now()
    columns = ("id", "project", "batch_id", "model", "due_at", "upstream", "hinted_at", "only_upstream", "crashes")
    wanted = select(*(jobs.c[name] for name in columns), batches.c.max_concurrency)
    wanted = wanted.outerjoin_from(jobs, batches, jobs.c.batch_id == batches.c.id).with_hint(jobs, **BY_ID)
    with database.read() as connection:
        rows = connection.execute(wanted.where(jobs.c.id.in_(job_ids), QUEUED)).mappings().all()
        if not rows:
            return {}
        of_batches = {row["batch_id"] for row in rows if row["batch_id"]}
        view = View.read(connection, now, hint_seconds, {row["model"]: [] for row in rows}, of_batches)
        in_flight = count_in_flight_of_batches(connection, [row["batch_id"] for row in rows if row["max_concurrency"]])
    moment = now.timestamp()
    limits = {
        (spec.name, model): _find_limit(view, spec, model, moment)
        for model in view.waiting
        for spec in specs
        if spec.takes(model)
    }
    found = {}
    for row in rows:
        if row["upstream"] is None or row["hinted_at"] is None:
            is_full = bool(row["max_concurrency"]) and in_flight[row["batch_id"]] >= row["max_concurrency"]
            found[row["id"]] = _why(row, view.holds, specs, limits, now, is_full=is_full)
    return found


def find_hold(holds: Iterable[Hold], *, batch_id: str | None, project: str, model: str | None) -> Hold | None:
    """The hold of a person that keeps a batch, or a job, from starting; the narrowest first."""
    targets = {HoldKind.BATCH: batch_id, HoldKind.MODEL: model, HoldKind.PROJECT: project}
    of_kind = {(hold.kind, hold.target): hold for hold in holds}
    for kind, target in targets.items():
        hold = of_kind.get((kind, target)) if target is not None else None
        if hold is not None:
            return hold
    return None


def find_job_hold(database: Database, job_id: str, specs: Sequence[UpstreamSpec]) -> Hold | None:
    """The hold that keeps a queued job from starting."""
    with database.read() as connection:
        columns = (jobs.c.project, jobs.c.batch_id, jobs.c.model, jobs.c.only_upstream)
        row = connection.execute(select(*columns).where(jobs.c.id == job_id, QUEUED)).one_or_none()
        if row is None:
            return None
        holds = find_holds(connection, [row.batch_id] if row.batch_id else ())
    able = [spec for spec in specs if row.only_upstream in (None, spec.name)]
    hold = find_hold(holds, batch_id=row.batch_id, project=row.project, model=row.model)
    return hold or find_upstream_hold(holds, row.model, able)


def find_upstream_hold(holds: Iterable[Hold], model: str | None, specs: Sequence[UpstreamSpec]) -> Hold | None:
    """The hold of an upstream, when all that take this model are held; the latest of them."""
    held = {hold.target: hold for hold in holds if hold.kind is HoldKind.UPSTREAM}
    able = [spec.name for spec in specs if model is None or spec.takes(model)]
    if not able or any(name not in held for name in able):
        return None
    return max((held[name] for name in able), key=lambda hold: hold.since)


def _why(
    row: RowMapping,
    holds: Iterable[Hold],
    specs: Iterable[UpstreamSpec],
    limits: Mapping[Key, Waiting | None],
    now: datetime,
    *,
    is_full: bool,
) -> Waiting:
    model, only = row["model"], row["only_upstream"]
    able = [spec for spec in specs if spec.takes(model) and only in (None, spec.name)]
    hold = find_hold(holds, batch_id=row["batch_id"], project=row["project"], model=model)
    hold = hold or find_upstream_hold(holds, model, able)
    if hold is not None:
        return Waiting("hold", _describe_hold(hold), hold, hold.probe_at)
    if not able:
        which = f"the upstream {only} does not take" if only else "no upstream takes"
        return Waiting("no_upstream", f"{which} the model {model}; add it to `models` in the upstreams file")
    if row["due_at"] > now:
        message = "its last attempt did not succeed; wait, the next one starts by itself"
        return Waiting("retry", message, until=row["due_at"])
    if is_full:
        message = "its batch has as many running jobs as its max_concurrency allows; wait until one of them ends"
        return Waiting("max_concurrency", message)
    limited = [limits[spec.name, model] for spec in able]
    if limited[0] is not None and all(limited):
        return limited[0]
    if row["crashes"] == MAX_CRASHES - 1:
        message = "it ran when workers died, so a worker runs one such job at a time; wait, it starts by itself"
        return Waiting("retry", message)
    return Waiting("no_free_stream", "all streams of the workers are busy; start another worker to run more at once")


def _find_limit(view: View, spec: UpstreamSpec, model: str, moment: float) -> Waiting | None:
    """What keeps the lane from taking another job."""
    key = (spec.name, model)
    in_flight = view.streams(key)
    lane, total = view.lane(key, spec, in_flight, moment), view.total(spec, moment)
    named, of_all = lane.limited_by(in_flight, moment), total.limited_by()
    # `room` looks a little ahead, and asks for no tokens.
    if named != "tokens" and lane.room(in_flight, moment, LEAD_SECONDS) > 0:
        named = None
    if named is None and (of_all == "tokens" or total.room(LEAD_SECONDS) <= 0):
        named = of_all
    if named is None:
        return None
    paused_until = lane.state.paused_until if named == "retry_after" else 0.0
    until = datetime.fromtimestamp(paused_until, UTC) if paused_until > moment else None
    return Waiting(named, LANE_SENTENCES[named].format(spec.name), until=until)


def _describe_hold(hold: Hold) -> str:
    if hold.held_by == "person":
        return f"the {hold.kind} {hold.target} is paused; resume it to go on"
    is_so = HOLD_SENTENCES.get(hold.reason, "is on hold")
    return f"the upstream {hold.target} {is_so}; it is tried again by itself, and `resume` does it at once"
