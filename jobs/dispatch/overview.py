"""What runs and what waits, by project and model, for people who look at the whole.

It reads what dispatch reads, from the same indexes, and counts no queue to its end: a million queued jobs cost no more
than `MOST_COUNTED` of them do.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, func, literal, or_, select, union_all

from jobs.dispatch.due import QUEUED, RUNNING, using
from jobs.dispatch.holds import Hold, HoldKind
from jobs.dispatch.waiting import Waiting, find_why_waiting
from jobs.dispatch.waiting_models import MOST_WALKED, find_waiting, find_waiting_of
from jobs.store.database import Database
from jobs.tables import batches, holds, jobs
from jobs.upstreams import UpstreamSpec

MOST_COUNTED = 50_000
"""At most this many queued jobs are counted, shared out over the lines. Beyond that a line only says that more wait."""

MOST_LINES = 100
"""At most this many models of projects are shown, and this many holds."""


@dataclass(frozen=True, slots=True)
class QueueLine:
    """The jobs of one model in one project. `waiting` says why the first of them that nobody has reserved waits."""

    project: str
    model: str
    queued: int
    counted_all: bool
    running: int
    waiting: Waiting | None


@dataclass(frozen=True, slots=True)
class Holder:
    """A worker that runs jobs, by their rows."""

    running: int
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class HeldWork:
    """What a person holds; `project` of a batch is its own."""

    hold: Hold
    project: str | None


@dataclass(frozen=True, slots=True)
class Overview:
    """Of one project or of all. `holders` are always all of them, by the name of the worker."""

    lines: Sequence[QueueLine]
    has_more: bool
    holders: Mapping[str, Holder]
    held: Sequence[HeldWork]


def read_overview(
    database: Database, specs: Sequence[UpstreamSpec], hint_seconds: float, project: str | None = None
) -> Overview:
    running: Counter[tuple[str, str]] = Counter()
    holders: dict[str, Holder] = {}
    with database.read() as connection:
        for worker, of_project, model, count, lease_until in _read_running(connection):
            running[of_project, model] += count
            before = holders.get(worker, Holder(0, lease_until))
            holders[worker] = Holder(before.running + count, max(before.lease_until, lease_until))
        if project is None:
            found = find_waiting(connection, MOST_WALKED)
        else:
            models, _ = find_waiting_of(connection, project, "", MOST_WALKED)
            found = {model: [project] for model in models}
        waiting = {(name, model) for model, projects in found.items() for name in projects}
        pairs = sorted(pair for pair in waiting | running.keys() if project in (None, pair[0]))
        shown = pairs[:MOST_LINES]
        most = MOST_COUNTED // max(1, len(shown))
        queued = _count_queued(connection, [pair for pair in shown if pair in waiting], most)
        held = _find_held(connection, project)
    firsts = [first for _, first in queued.values() if first is not None]
    why = find_why_waiting(database, firsts, specs, hint_seconds)
    lines = []
    for pair in shown:
        count, first = queued.get(pair, (0, None))
        reason = why.get(first) if first else None
        lines.append(QueueLine(*pair, min(count, most), count <= most, running[pair], reason))
    return Overview(lines, len(pairs) > len(shown), holders, held)


def _read_running(connection: Connection) -> Iterable[tuple[str, str, str, int, datetime]]:
    """How many jobs each worker runs of each project and model, and until when it may."""
    of = (jobs.c.worker, jobs.c.project, jobs.c.model)
    wanted = select(*of, func.count(), func.max(jobs.c.lease_until)).where(RUNNING, jobs.c.upstream >= "")
    rows = connection.execute(wanted.group_by(*of).with_hint(jobs, **using("jobs_running")))
    return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]


def _count_queued(
    connection: Connection, pairs: Sequence[tuple[str, str]], most: int
) -> dict[tuple[str, str], tuple[int, str | None]]:
    """How many jobs of each wait, up to one more than is counted, and the first that nobody has reserved."""
    if not pairs:
        return {}
    parts = []
    for place, (project, model) in enumerate(pairs):
        here = and_(QUEUED, jobs.c.model == model, jobs.c.project == project)
        some = select(literal(1)).where(here).limit(most + 1).with_hint(jobs, **using("jobs_waiting"))
        count = select(func.count()).select_from(some.subquery()).scalar_subquery()
        first = select(jobs.c.id).where(here, jobs.c.upstream.is_(None)).order_by(jobs.c.priority.desc()).limit(1)
        first = first.with_hint(jobs, **using("jobs_waiting"))
        parts.append(select(literal(place), count, first.scalar_subquery()))
    return {pairs[place]: (count, first) for place, count, first in connection.execute(union_all(*parts))}


def _find_held(connection: Connection, project: str | None) -> list[HeldWork]:
    """What people hold, the newest first: batches, models and projects. An upstream's hold is shown with it."""
    of_batch = and_(holds.c.kind == HoldKind.BATCH, holds.c.target == batches.c.id)
    wanted = select(holds, batches.c.project).outerjoin_from(holds, batches, of_batch)
    wanted = wanted.where(holds.c.kind != HoldKind.UPSTREAM)
    if project is not None:
        of_project = and_(holds.c.kind == HoldKind.PROJECT, holds.c.target == project)
        wanted = wanted.where(or_(holds.c.kind == HoldKind.MODEL, batches.c.project == project, of_project))
    rows = connection.execute(wanted.order_by(holds.c.since.desc()).limit(MOST_LINES)).mappings()
    return [HeldWork(Hold.from_row(row), row["project"]) for row in rows]
