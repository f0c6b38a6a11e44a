"""Requests that were one too many: who was refused last, since when nobody is accepted, and when that is no rate limit.

A limit that lasts longer than any minute's window is another kind of limit, whatever the upstream calls it: a spent
quota, a plan that has ended, a limit per day. Then the upstream is held, so that its jobs wait without being refused
again and again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, and_, func, select, update

from jobs.dispatch.due import RUNNING
from jobs.dispatch.holds import lock_lanes
from jobs.dispatch.others import find_served_projects
from jobs.dispatch.upstream_holds import begin_hold, lock_hold, put_off_probe
from jobs.store.database import Database, insert_into
from jobs.tables import attempts, jobs, lanes

LONGEST_WINDOW_SECONDS = 120.0
"""If nothing was accepted for this long, and never this long passed without a refusal, it is no limit per minute."""


@dataclass(frozen=True, slots=True)
class LimitRefusal:
    """A request that was one too many. `is_limit`: the upstream said so itself."""

    upstream: str
    model: str
    job_id: str
    message: str
    retry_after_seconds: float
    is_limit: bool


@dataclass(frozen=True, slots=True)
class LaneRefusals:
    """The lane before this refusal. `batch_ids`: those to publish to that a hold has begun."""

    accepted_at: datetime | None = None
    """When the latest request of the lane was sent that wrote a text."""
    refused_before: str | None = None
    batch_ids: tuple[str, ...] = ()
    began: bool = False


def note_refusal(database: Database, refusal: LimitRefusal) -> LaneRefusals:
    """Note that a job was one too many, and hold the upstream if this has lasted too long to be a rate limit."""
    upstream = refusal.upstream
    of_lane = and_(lanes.c.upstream == upstream, lanes.c.model == refusal.model)
    with database.write() as connection:
        now = database.now()
        new = insert_into(connection, lanes).values(upstream=upstream, model=refusal.model, updated_at=now)
        connection.execute(new.on_conflict_do_nothing())
        row = connection.execute(select(lanes).where(of_lane)).mappings().one()
        noted = {"refused_job": refusal.job_id}
        if not refusal.is_limit:
            if row["refused_job"] != refusal.job_id:
                connection.execute(update(lanes).where(of_lane).values(**noted))
            return LaneRefusals(row["accepted_at"], row["refused_job"])
        since = _refused_since(row, now)
        is_lasting = (now - since).total_seconds() >= LONGEST_WINDOW_SECONDS
        if is_lasting:
            lock_lanes(connection, upstream)  # all at once and in order, before one of them is written
        until = now + timedelta(seconds=refusal.retry_after_seconds)
        run = {"refused_since": since, "refused_until": max(until, row["refused_until"] or until)}
        connection.execute(update(lanes).where(of_lane).values(**noted, **run))
        batch_ids = _hold_or_put_off(connection, refusal, since, now, is_lasting=is_lasting)
        return LaneRefusals(row["accepted_at"], row["refused_job"], batch_ids or (), began=batch_ids is not None)


def _refused_since(row: RowMapping, now: datetime) -> datetime:
    """Since when the lane has been refused all that it sent, without a longer pause between two refusals."""
    since, until, accepted_at = row["refused_since"], row["refused_until"], row["accepted_at"]
    if since is None or until is None or (accepted_at is not None and accepted_at >= since):
        return now
    return now if (now - until).total_seconds() > LONGEST_WINDOW_SECONDS else since


def _hold_or_put_off(
    connection: Connection, refusal: LimitRefusal, since: datetime, now: datetime, *, is_lasting: bool
) -> tuple[str, ...] | None:
    """Hold an upstream whose limit `is_lasting`, unless another model of it was accepted meanwhile, or a stream of it
    may take all its room.
    """
    upstream, message, wait = refusal.upstream, refusal.message, refusal.retry_after_seconds
    is_limit = is_lasting and not _was_accepted(connection, upstream, since)
    hold = lock_hold(connection, upstream)
    if hold is not None:
        if hold["held_by"] == "system" and hold["probe_job"] == refusal.job_id:
            _refuse_probe(connection, hold, refusal, now, is_limit=is_limit or hold["reason"] == "limit")
        return None
    if not is_limit:
        return None
    older = select(jobs.c.id).join(attempts, and_(attempts.c.job_id == jobs.c.id, attempts.c.attempt == jobs.c.attempt))
    writing = older.where(RUNNING, jobs.c.upstream == upstream, attempts.c.started_at < since)
    if connection.execute(writing.limit(1)).first() is not None:
        return None
    return begin_hold(connection, upstream, "limit", message, now, job_id=refusal.job_id, least_seconds=wait)


def _was_accepted(connection: Connection, upstream: str, since: datetime) -> bool:
    """Whether a request of any of its models was, that was sent since then."""
    accepted_at = connection.scalar(select(func.max(lanes.c.accepted_at)).where(lanes.c.upstream == upstream))
    return accepted_at is not None and accepted_at >= since


def _refuse_probe(
    connection: Connection, hold: RowMapping, refusal: LimitRefusal, now: datetime, *, is_limit: bool
) -> None:
    """The upstream limits its rate, so it is not well yet. Unless it is held for that, the limit and its `Retry-After`
    may be of this project or model alone: the others' probes come when they would have come. Before, all waited for
    the hour that one project's probe was told to wait.
    """
    job_id, wait = refusal.job_id, refusal.retry_after_seconds
    if is_limit:
        put_off_probe(connection, hold, job_id, "limit", refusal.message, now, least_seconds=wait)
        return
    served = find_served_projects(connection, refusal.upstream, hold["since"])
    of_hold = hold["reason"], hold["message"]
    put_off_probe(connection, hold, job_id, *of_hold, now, least_seconds=wait, served=served)
