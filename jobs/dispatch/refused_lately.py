"""Upstreams that have refused the latest jobs that they were sent: that one is not held does not say that it works."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from sqlalchemy import Select, select

from jobs.dispatch.due import WENT_TO, using
from jobs.dispatch.upstream_states import ErrorState
from jobs.model.status import JobStatus
from jobs.store.database import Database
from jobs.tables import jobs

_REFUSALS = frozenset({
    "upstream_rejected", "upstream_unauthorized", "upstream_quota_spent", "upstream_rate_limited",
    "upstream_request_too_large", "upstream_not_a_stream",
})  # fmt: skip
_LATEST = 50
"""So many jobs are looked at, those that were tried last."""
_LEAST = 3
"""Fewer may be the fault of what they asked for."""


@dataclass(frozen=True, slots=True)
class RefusedLately:
    """How many jobs an upstream has refused since it last took one, and why the latest."""

    count: int
    error: ErrorState


def read_refused_lately(database: Database, project: str | None) -> dict[str, RefusedLately]:
    """The upstreams that refuse what they are sent, by the jobs of one project or of all."""
    with database.read() as connection:
        tried = [
            row
            for status in (JobStatus.COMPLETED, JobStatus.FAILED)
            for row in connection.execute(_latest(status, project))
        ]
    latest = sorted(tried, key=lambda row: row.place, reverse=True)[:_LATEST]
    ended = defaultdict(list)
    for row in sorted(latest, key=lambda row: row.finished_at, reverse=True):
        ended[row.upstream].append(row)
    found = {}
    for upstream, rows in ended.items():
        refused = list(takewhile(lambda row: row.status == JobStatus.FAILED and row.error_code in _REFUSALS, rows))
        if len(refused) >= _LEAST:
            last = refused[0]
            error = ErrorState(last.error_code, last.finished_at, last.error_message)
            found[upstream] = RefusedLately(len(refused), error)
    return found


def _latest(status: JobStatus, project: str | None) -> Select[Any]:
    """The latest jobs that ended so. Each form has an index that is read from its end."""
    columns = (WENT_TO.label("upstream"), jobs.c.status, jobs.c.finished_at, jobs.c.error_code, jobs.c.error_message)
    place = jobs.c.hinted_at if project is None else jobs.c.id
    wanted = select(place.label("place"), *columns).where(jobs.c.status == status, place.is_not(None))
    wanted = wanted.order_by(place.desc()).limit(_LATEST)
    if project is None:
        return wanted.with_hint(jobs, **using("jobs_hinted"))
    return wanted.where(jobs.c.project == project).with_hint(jobs, **using("jobs_by_status"))
