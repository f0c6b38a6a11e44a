"""Whose jobs may start in a lane: the batches of a project that have one, and its jobs without a batch, as a group."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from sqlalchemy import Connection, RowMapping

from jobs.dispatch.group_queries import groups_on_postgresql, groups_on_sqlite
from jobs.dispatch.start_rule import StartRule

_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Group:
    """A batch that has a job that may start, or the jobs without a batch: then `batch_id` is None."""

    batch_id: str | None
    first: str
    """The first of its jobs that may start."""
    served_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class WaitingGroups:
    """The groups of one project that have jobs of its highest priority, in the order of their turns.

    Without groups, all jobs of that priority wait for something else; without a priority, there is no job.
    """

    priority: int | None
    groups: Sequence[Group]
    capped: frozenset[str]
    """Those of the batches that have a `max_concurrency`."""

    @classmethod
    def of(cls, rows: Sequence[RowMapping], alone_at: float | None) -> Self:
        """From the rows of `find_waiting_groups`; `alone_at` is when the jobs without a batch had their last turn."""
        found = [row for row in rows if row["id"] is not None]
        [alone] = (row for row in rows if row["id"] is None)
        # Those that nobody has served yet are equals, whichever came first: the earlier deadline goes first.
        unserved = min((row["dispatched_at"] for row in found if _is_unserved(row)), default=_NEVER)
        groups = []
        for row in found:
            served_at = unserved if _is_unserved(row) else row["dispatched_at"]
            groups.append(Group(row["id"], row["first"], served_at, row["expires_at"] or _NEVER))
        if alone["first"] is not None:
            at = datetime.fromtimestamp(alone_at, UTC) if alone_at else _LONG_AGO
            groups.append(Group(None, alone["first"], at, _NEVER))
        groups.sort(key=lambda group: (group.served_at, group.expires_at, group.batch_id or ""))
        capped = frozenset(row["id"] for row in found if row["max_concurrency"] is not None)
        return cls(alone["priority"], groups, capped)


def _is_unserved(row: RowMapping) -> bool:
    return bool(row["dispatched_at"] == row["in_progress_at"])


def find_waiting_groups(
    connection: Connection,
    rule: StartRule,
    values: Mapping[str, Any],
    projects: Sequence[str],
    below: int | None,
    most: int,
    without: Collection[str],
) -> Mapping[str, Sequence[RowMapping]]:
    """By project a row for each of up to `most` batches that have a job that may start, and one without an id for the
    jobs that have no batch. All are of the highest priority that a job of the project waits with (below `below`, if
    given).
    """
    asked: dict[str, Any] = {"below": below, "most": most, "without": list(without)}
    kind = {"is_below": below is not None, "is_without": bool(without)}
    if connection.dialect.name == "sqlite":
        statement = groups_on_sqlite(rule, len(projects), **kind)
        asked |= {f"project_{place}": project for place, project in enumerate(projects)}
    else:
        statement = groups_on_postgresql(rule, **kind)
        asked["projects"] = list(projects)
    found: dict[str, list[RowMapping]] = {project: [] for project in projects}
    for row in connection.execute(statement, {**values, **asked}).mappings():
        found[projects[row["place"]]].append(row)
    return found
