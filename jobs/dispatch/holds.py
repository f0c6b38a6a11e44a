"""Holds: what must not start now, each a row that dispatch and every claim consult.

A person holds (`pause`) and lifts (`resume`) a batch, a project, a model or an upstream. The system holds an upstream
that is out of credit, refuses the key, is away (`jobs/dispatch/outages.py`) or refuses everything for minutes
(`jobs/dispatch/refusals.py`); it sends one job at growing intervals to see, and what that writes lifts the hold
(`jobs/dispatch/upstream_holds.py`). What is held is never charged. Deadlines go on.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, Self

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    bindparam,
    delete,
    literal_column,
    or_,
    select,
    update,
)

from jobs.dispatch.due import BY_ID, RESERVED, RUNNING, using
from jobs.store.database import Database, insert_into
from jobs.store.pages import in_portions
from jobs.tables import batches, holds, jobs, lanes
from jobs.webhooks.events import add_hold_events

MOST_REFUSED_PROJECTS = 16
"""After an upstream has refused the probes of this many projects, other projects send no probe of their own."""

URL_MARK = "!url"
"""Behind the job of the last probe: a hold that is stored as `away` is for the reason `url`. A process of a version
that does not know this reason reads `away`, and what it writes over it is so.
"""

MOST_PUBLISHED = 500
"""The begin and the end of a hold are published to this many batches; the others see it with the next job."""


class HoldKind(StrEnum):
    BATCH = "batch"
    PROJECT = "project"
    MODEL = "model"
    UPSTREAM = "upstream"


@dataclass(frozen=True, slots=True)
class Hold:
    """What is held, since when and why. `reason` is `paused`, or of the system's `credit`, `key`, `limit`, `url` or
    `away`.
    """

    kind: HoldKind
    target: str
    since: datetime
    reason: str
    message: str
    held_by: str
    probe_at: datetime | None
    probes: int
    probe_job: str | None
    cut_bytes: int | None
    """Streams that were cut began it, the longest after so many bytes."""
    last_probe: str | None = None
    refused_projects: tuple[str, ...] = ()
    """The projects whose jobs began it or were its probes; the latest is the last. They are in one column with the
    job.
    """

    @classmethod
    def from_row(cls, row: RowMapping) -> Self:
        plain = {name: row[name] for name in cls.__slots__ if name not in ("kind", "last_probe", "refused_projects")}
        last_probe, *refused = (row["last_probe"] or "").split(" ")
        if last_probe.endswith(URL_MARK):
            plain["reason"], last_probe = "url", last_probe.removesuffix(URL_MARK)
        return cls(kind=HoldKind(row["kind"]), **plain, last_probe=last_probe or None, refused_projects=tuple(refused))

    def may_probe(self, projects: Collection[str], now: datetime) -> bool:
        """Whether one of these projects may send a probe now: when it is time, and at once for a project that was not
        refused anything yet, for the others' jobs, or their model's limit, may be at fault.
        """
        if self.probe_at is None:
            return False
        if self.probe_at <= now:
            return True
        is_free = self.probe_job is None and len(self.refused_projects) < MOST_REFUSED_PROJECTS
        return is_free and any(project not in self.refused_projects for project in projects)


@dataclass(frozen=True, slots=True)
class HoldChange:
    """What a pause or a resume did: whether anything has changed, and the batches to publish that to."""

    changed: bool
    batch_ids: Sequence[str] = ()


def pause(
    database: Database, kind: HoldKind, target: str, *, message: str = "", release_running: bool = False
) -> HoldChange:
    """Let nothing of this start until `resume`. Its reservations are void at once; what runs goes on.

    With `release_running` what runs is given back uncharged within 2 s, by its workers. A hold of the system on the
    same upstream becomes the person's, and is not probed any more.
    """
    with database.write() as connection:
        if kind is HoldKind.UPSTREAM:
            lock_lanes(connection, target)
        now = database.now()
        held = {"since": now, "reason": "paused", "message": message or f"the {kind} was paused", "held_by": "person"}
        probe = ("probe_at", "probe_seconds", "probe_job", "last_probe", "cut_bytes")
        unprobed = {**dict.fromkeys(probe), "probes": 0}
        row = insert_into(connection, holds).values(kind=kind, target=target, **held, **unprobed)
        stored = row.on_conflict_do_update(
            index_elements=[holds.c.kind, holds.c.target], set_=held | unprobed, where=holds.c.held_by != "person"
        )
        changed = connection.execute(stored.returning(holds.c.kind)).first() is not None
        note_in_jobs(connection, kind, target, RESERVED, "jobs_reserved", hinted_at=None)
        if changed:
            _add_events(connection, now, kind, target, "batch.held")
        change = HoldChange(changed, find_held_batches(connection, kind, target))
    if release_running:  # without the lanes, for which a failed attempt waits while it has its job
        with database.write() as connection:
            note_in_jobs(connection, kind, target, RUNNING, "jobs_running", release_requested_at=now)
    return change


def lock_lanes(connection: Connection, upstream: str) -> None:
    """To begin or judge a hold, lock the lanes first, as dispatch does: of two at once the second must see the
    first, and neither may want the jobs of the other while it has the hold.
    """
    of_it = select(lanes.c.model).where(lanes.c.upstream == upstream).order_by(lanes.c.model)
    connection.execute(of_it.with_for_update())


def note_in_jobs(
    connection: Connection, kind: HoldKind, target: str, state: ColumnElement[bool], index: str, **noted: object
) -> None:
    """Write this into the held jobs that are in this state. `index` must have few rows. By its own choice SQLite read
    all jobs that wait, and nobody else could write: with 800,000 of them for 0.8 s.
    """
    of_it = select(jobs.c.id).where(state, _jobs_of(kind, target)).with_hint(jobs, **using(index))
    # Locked by id, as everybody does who takes many rows: a retry or another pause may be at the same jobs.
    locked = connection.scalars(of_it.order_by(jobs.c.id).with_for_update()).all()
    for some in in_portions(locked):
        connection.execute(update(jobs).with_hint(**BY_ID).where(jobs.c.id.in_(some), state).values(**noted))


def resume(database: Database, kind: HoldKind, target: str) -> HoldChange:
    """Lift a hold, a person's or the system's. The caller wakes dispatch."""
    with database.write() as connection:
        lifted = connection.execute(delete(holds).where(holds.c.kind == kind, holds.c.target == target)).rowcount > 0
        if lifted:
            _add_events(connection, database.now(), kind, target, "batch.resumed")
        return HoldChange(lifted, find_held_batches(connection, kind, target) if lifted else ())


def read_holds(database: Database, batch_ids: Collection[str] = ()) -> list[Hold]:
    """What is held of projects, models and upstreams, and of these batches. Clients may pause any number of batches."""
    with database.read() as connection:
        return find_holds(connection, batch_ids)


def find_holds(connection: Connection, batch_ids: Collection[str] = ()) -> list[Hold]:
    """The same inside a transaction."""
    rows = [*connection.execute(_wide()).mappings()]
    if batch_ids:
        rows += connection.execute(_of_batches(), {"ids": list(batch_ids)}).mappings()
    return [Hold.from_row(row) for row in rows]


@cache
def _wide() -> Select[Any]:
    wide = [kind for kind in HoldKind if kind is not HoldKind.BATCH]
    return select(holds).where(holds.c.kind.in_(wide)).order_by(holds.c.kind, holds.c.target)


@cache
def _of_batches() -> Select[Any]:
    return select(holds).where(holds.c.kind == HoldKind.BATCH, holds.c.target.in_(bindparam("ids", expanding=True)))


def is_batch_held() -> ColumnElement[bool]:
    """Whether a hold keeps a whole batch."""
    return select(holds.c.kind).where(holds.c.kind == HoldKind.BATCH, holds.c.target == batches.c.id).exists()


def forget_hold(connection: Connection, batch_id: str) -> None:
    """Drop the hold of a batch that has ended: nothing else would ever lift it."""
    connection.execute(delete(holds).where(holds.c.kind == HoldKind.BATCH, holds.c.target == batch_id))


def is_held() -> ColumnElement[bool]:
    """Whether a hold keeps a reserved job from being claimed. Of a held upstream, its probe may be."""
    return (
        select(holds.c.kind)
        .where(
            or_(
                and_(holds.c.kind == HoldKind.BATCH, holds.c.target == jobs.c.batch_id),
                and_(holds.c.kind == HoldKind.PROJECT, holds.c.target == jobs.c.project),
                and_(holds.c.kind == HoldKind.MODEL, holds.c.target == jobs.c.model),
                and_(
                    holds.c.kind == HoldKind.UPSTREAM,
                    holds.c.target == jobs.c.upstream,
                    or_(holds.c.probe_job.is_(None), holds.c.probe_job != jobs.c.id),
                ),
            )
        )
        .exists()
    )


def find_held_batches(connection: Connection, kind: HoldKind, target: str) -> Sequence[str]:
    """The running batches that such a hold concerns, up to `MOST_PUBLISHED`."""
    return connection.scalars(select(batches.c.id).where(_batches_of(kind, target)).limit(MOST_PUBLISHED)).all()


def _batches_of(kind: HoldKind, target: str) -> ColumnElement[bool]:
    running = batches.c.status == literal_column("'in_progress'")
    if kind is HoldKind.BATCH:
        return batches.c.id == target
    if kind is HoldKind.PROJECT:
        return and_(running, batches.c.project == target)
    if kind is HoldKind.MODEL:
        return and_(running, or_(batches.c.model == target, batches.c.model.is_(None)))
    return running


def _add_events(connection: Connection, now: datetime, kind: HoldKind, target: str, event: str) -> None:
    """For webhooks. Not of an upstream: nobody knows yet which batches would have been sent there."""
    if kind is not HoldKind.UPSTREAM:
        add_hold_events(connection, now, _batches_of(kind, target), event, {"kind": kind, "target": target})


def _jobs_of(kind: HoldKind, target: str) -> ColumnElement[bool]:
    columns = {
        HoldKind.BATCH: jobs.c.batch_id,
        HoldKind.PROJECT: jobs.c.project,
        HoldKind.MODEL: jobs.c.model,
        HoldKind.UPSTREAM: jobs.c.upstream,
    }
    return columns[kind] == target
