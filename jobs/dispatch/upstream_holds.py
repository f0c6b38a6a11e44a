"""The system's holds of upstreams: begun by failures, probed at growing intervals, lifted by what a probe writes.

What one project's jobs are refused may be their own fault. So a project that was not refused the same yet may probe at
once, and the time of the next probe stays as it is if that fails. After that the projects take turns, and behind each
probe that was refused by an answer that may be its own, one job of another project goes at once, rather of one that had
whole texts before the hold: the probe may have been a job of somebody whose jobs always fail.

A probe's first text lifts a hold, but not one that began with streams that were cut: such an upstream begins each text
and breaks it off. That one is lifted by a text that is whole, or that is clearly longer than those that were cut.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, or_, select, update

from jobs.dispatch.due import RESERVED
from jobs.dispatch.holds import MOST_REFUSED_PROJECTS, URL_MARK, Hold, HoldKind, find_held_batches, note_in_jobs
from jobs.store.database import Database, insert_into
from jobs.tables import holds, jobs, lanes

FIRST_PROBE_SECONDS = {"away": 1.0, "url": 1.0, "credit": 5.0, "key": 5.0, "limit": 30.0}
LONGEST_PROBE_SECONDS = 300.0

SAME_JOB_SECONDS = 60.0
"""If there is only one job to probe with, the job may be at fault: the interval grows no longer than this."""

LOST_PROBE_SECONDS = 60.0
"""Nobody hears of a lost probe, so the next one comes after this time."""

LEAST_PROOF_BYTES = 2000


def proof_bytes(cut_bytes: int) -> int:
    """How much a probe must write to be clearly longer than streams that were cut after so many bytes."""
    return max(LEAST_PROOF_BYTES, 2 * cut_bytes)


def lock_hold(connection: Connection, upstream: str) -> RowMapping | None:
    """Lock the hold of an upstream, a person's too, and read it."""
    return connection.execute(select(holds).where(_of(upstream)).with_for_update()).mappings().one_or_none()


def begin_hold(
    connection: Connection,
    upstream: str,
    reason: str,
    message: str,
    now: datetime,
    *,
    job_id: str,
    cut_bytes: int | None = None,
    least_seconds: float = 0.0,
) -> tuple[str, ...]:
    """Hold an upstream that is not held, by how it refused this job; the batches to publish that to."""
    seconds = max(FIRST_PROBE_SECONDS[reason], least_seconds)
    values = {"since": now, "reason": _stored(reason), "message": message, "held_by": "system", "cut_bytes": cut_bytes}
    last_probe = _last_probe(job_id, _projects_of(connection, job_id), reason)
    probe = {
        "probe_at": now + timedelta(seconds=seconds),
        "probe_seconds": seconds,
        "probes": 0,
        "last_probe": last_probe,
    }
    row = insert_into(connection, holds).values(kind=HoldKind.UPSTREAM, target=upstream, **values, **probe)
    connection.execute(row.on_conflict_do_nothing())
    note_in_jobs(connection, HoldKind.UPSTREAM, upstream, RESERVED, "jobs_reserved", hinted_at=None)
    # When it is well again, its streams come back one by one, not all at once.
    connection.execute(update(lanes).where(lanes.c.upstream == upstream).values(restart=True))
    return tuple(find_held_batches(connection, HoldKind.UPSTREAM, upstream))


def lift_hold(
    connection: Connection, upstream: str, accepted_at: datetime | None, proved_at: datetime | None
) -> tuple[str, ...] | None:
    """Lift the system's hold if a request that was sent since it began has written text, or for a hold that began with
    cut streams enough of it. The batches to publish that to; None: nothing was lifted.
    """
    proved: list[ColumnElement[bool]] = []
    if accepted_at is not None:
        proved.append(and_(holds.c.cut_bytes.is_(None), holds.c.since <= accepted_at))
    if proved_at is not None:
        proved.append(holds.c.since <= proved_at)
    if not proved:
        return None
    lifted = connection.execute(delete(holds).where(_of(upstream), holds.c.held_by == "system", or_(*proved)))
    return tuple(find_held_batches(connection, HoldKind.UPSTREAM, upstream)) if lifted.rowcount else None


def begin_probe(connection: Connection, upstream: str, projects: Collection[str], now: datetime) -> Hold | None:
    """Take the probe that one of these projects may send, so that nobody else does: the hold as it was. Then reserve a
    job and name it by `name_probe`.
    """
    row = lock_hold(connection, upstream)
    hold = Hold.from_row(row) if row is not None and row["held_by"] == "system" else None
    if hold is None or hold.probe_at is None or not hold.may_probe(projects, now):
        return None
    # Behind one that goes before its time the next comes when it would have come without it.
    probe_at = now + timedelta(seconds=LOST_PROBE_SECONDS) if hold.probe_at <= now else hold.probe_at
    connection.execute(update(holds).where(_of(upstream)).values(probe_at=probe_at, probe_job=None))
    return hold


def name_probe(connection: Connection, upstream: str, job_id: str | None, again_at: datetime) -> None:
    """The job that a claim may take to the held upstream; None: none was there, look again at this time."""
    values = {"probe_job": job_id} if job_id is not None else {"probe_job": None, "probe_at": again_at}
    connection.execute(update(holds).where(_of(upstream)).values(**values))


def end_probe(connection: Connection, upstream: str, job_id: str, again_at: datetime) -> None:
    """The probe has shown nothing, because it was not sent or failed by itself: let another one go at this time, rather
    of another project. One whose jobs all fail by themselves would have each of them go, and nobody else's.
    """
    row = lock_hold(connection, upstream)
    if row is not None and row["probe_job"] == job_id:
        known, projects = Hold.from_row(row), _projects_of(connection, job_id)
        others = [project for project in known.refused_projects if project not in projects]
        last_probe = _last_probe(job_id, [*others, *projects], known.reason)
        again = {"probe_at": again_at, "probe_job": None, "last_probe": last_probe}
        connection.execute(update(holds).where(_of(upstream)).values(**again))


def free_probes(database: Database, job_ids: Collection[str]) -> None:
    """The workers of these jobs died: what of them were probes tell nothing, and others may go now."""
    of_upstreams = holds.c.kind == HoldKind.UPSTREAM  # clients may pause any number of batches
    lost = and_(of_upstreams, holds.c.held_by == "system", holds.c.probe_job.in_(job_ids))
    with database.read() as connection:
        if connection.execute(select(holds.c.target).where(lost).limit(1)).first() is None:
            return
    with database.write() as connection:
        connection.execute(update(holds).where(lost).values(probe_at=database.now(), probe_job=None))


def end_probe_now(database: Database, upstream: str, job_id: str) -> None:
    """The same in its own transaction."""
    with database.write() as connection:
        end_probe(connection, upstream, job_id, database.now())


def probe_now(database: Database, upstream: str) -> None:
    """Its URL, its key or what else is declared of it has changed: a probe may go at once, and more soon after."""
    with database.write() as connection:
        soon = {"probe_at": database.now(), "probe_seconds": min(FIRST_PROBE_SECONDS.values()), "probe_job": None}
        connection.execute(update(holds).where(_of(upstream), holds.c.held_by == "system").values(**soon))


def put_off_probe(
    connection: Connection,
    hold: RowMapping,
    job_id: str,
    reason: str,
    message: str,
    now: datetime,
    *,
    cut_bytes: int | None = None,
    least_seconds: float = 0.0,
    longest_seconds: float = LONGEST_PROBE_SECONDS,
    served: Collection[str] | None = None,
) -> None:
    """The probe has failed by its upstream's fault: the hold is for that reason now, and the next probe comes later. It
    does not for the first probe of a project. With `served`, what it was told may be about this job alone, and
    another project may send one more at once: that which was asked longest ago, rather one of `served`. Nor do others
    then wait for `least_seconds`.
    """
    known = Hold.from_row(hold)
    projects = _projects_of(connection, job_id)
    is_first = not projects.issubset(known.refused_projects)
    longest = min(longest_seconds, SAME_JOB_SECONDS if known.last_probe == job_id else LONGEST_PROBE_SECONDS)
    refused = [project for project in known.refused_projects if project not in projects]
    if served is not None and refused:
        least_seconds = 0.0
    before = hold["probe_seconds"] or 1.0
    seconds = before if is_first else min(longest, 2 * before)
    probe_at = now + timedelta(seconds=seconds)
    if is_first and known.probe_at is not None:
        probe_at = min(probe_at, known.probe_at)
    probe_at = max(probe_at, now + timedelta(seconds=least_seconds))
    if served is not None and refused and not is_first:
        refused.remove(next((project for project in refused if project in served), refused[0]))
    # What is refused or not reached at all is no longer an upstream that begins texts and breaks them off.
    cut = None if cut_bytes is None else max(cut_bytes, hold["cut_bytes"] or 0)
    connection.execute(
        update(holds)
        .where(_of(hold["target"]))
        .values(
            probe_at=probe_at,
            probe_seconds=seconds,
            probes=holds.c.probes + 1,
            probe_job=None,
            last_probe=_last_probe(job_id, [*refused, *projects], reason),
            reason=_stored(reason),
            message=message,
            cut_bytes=cut,
        )
    )


def _of(upstream: str) -> ColumnElement[bool]:
    return and_(holds.c.kind == HoldKind.UPSTREAM, holds.c.target == upstream)


def _projects_of(connection: Connection, job_id: str) -> set[str]:
    """The project of a job; none, if the job was deleted meanwhile."""
    return set(connection.scalars(select(jobs.c.project).where(jobs.c.id == job_id)))


def _stored(reason: str) -> str:
    """The word for it that every version knows; `_last_probe` keeps the rest."""
    return "away" if reason == "url" else reason


def _last_probe(job_id: str, refused_projects: Collection[str], reason: str) -> str:
    """As `Hold.from_row` reads it: neither ids nor projects have a space."""
    mark = URL_MARK if reason == "url" else ""
    return " ".join([job_id + mark, *list(refused_projects)[-MOST_REFUSED_PROJECTS:]])
