"""The events, and the rows that deliver them: each is inserted by the transaction that ends the thing.

The types and the body are OpenAI's where OpenAI has them. A body holds ids and counts, no text. Where nobody hears of
jobs, a job that ends costs no statement more: the statement that ends it also looks whether somebody does.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Text,
    and_,
    cast,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    union_all,
)

from jobs.model.ids import new_id, new_ids, response_id
from jobs.model.status import JobStatus
from jobs.store.pages import in_portions
from jobs.strict_json import dump_json
from jobs.tables import batches, jobs, responses, webhook_deliveries, webhooks

BATCH_ENDS = ("batch.completed", "batch.failed", "batch.expired", "batch.cancelled")
BATCH_HOLDS = ("batch.held", "batch.resumed")
RESPONSE_ENDS = ("response.completed", "response.failed", "response.cancelled", "response.incomplete")
JOB_ENDS = ("job.completed", "job.failed", "job.cancelled", "job.expired")
EVENTS = (*BATCH_ENDS, *BATCH_HOLDS, *RESPONSE_ENDS, *JOB_ENDS)

DEFAULT_EVENTS = (*BATCH_ENDS, *RESPONSE_ENDS)
"""What an endpoint hears of unless it says otherwise: the ends that OpenAI has."""

TEST = "webhook.test"

MOST_DELIVERIES = 1000
"""How many deliveries one transaction writes: on SQLite nobody else writes meanwhile."""

MOST_HOLD_EVENTS = MOST_DELIVERIES
"""So many deliveries tell of one hold."""

_RESPONSE_STATUS = {
    JobStatus.COMPLETED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.EXPIRED: "failed",
    JobStatus.CANCELLED: "cancelled",
}


def heard_ends(events: Collection[str]) -> dict[str, bool]:
    """Whether these events are of jobs and of Responses, as columns of `webhooks`."""
    heard = set(events)
    return {"hears_jobs": not heard.isdisjoint(JOB_ENDS), "hears_responses": not heard.isdisjoint(RESPONSE_ENDS)}


def has_listener() -> ColumnElement[bool]:
    """Whether an endpoint hears of the end of a job: a column for the statement that locks or ends the job."""
    # Named by hand: in RETURNING, SQLAlchemy leaves the names of tables out on SQLite; then one would be the other.
    project = literal_column("jobs.project", Text)
    batch_id = literal_column("jobs.batch_id", Text)
    one = select(literal_column("1", Integer)).select_from(webhooks)
    either = [exists(one.where(heard, _hears_ends(batch_id))) for heard in _hear_of(project, batch_id)]
    return or_(*either).label("has_listener")


def add_job_events(connection: Connection, now: datetime, job_ids: Collection[str]) -> None:
    """The ends of these jobs, for those endpoints that hear of them. Called where `has_listener` was true."""
    for some in in_portions(job_ids):
        _add_job_events(connection, now, some)


def _add_job_events(connection: Connection, now: datetime, job_ids: Sequence[str]) -> None:
    ended = select(
        *(jobs.c[name] for name in ("id", "batch_id", "status", "incomplete")),
        *(webhooks.c[name].label(f"webhook_{name}") for name in ("id", "events")),
        responses.c.request,
    ).where(jobs.c.id.in_(job_ids), _hears_ends(jobs.c.batch_id))
    of_either = union_all(
        *(
            ended.join(webhooks, heard).outerjoin(responses, responses.c.job_id == jobs.c.id)
            for heard in _hear_of(jobs.c.project, jobs.c.batch_id)
        )
    )
    rows: list[dict[str, Any]] = []
    made: dict[str, tuple[str, str]] = {}
    found = sorted(connection.execute(of_either), key=lambda row: (row.id, row.webhook_id))
    fresh = iter(new_ids("evt", 2 * len(found), now))
    for row in found:
        for kind, data in _job_events(row):
            if kind not in row.webhook_events:
                continue
            key = f"{row.id} {kind}"
            if key not in made:
                event_id = next(fresh)
                made[key] = (event_id, _body(event_id, kind, now, data))
            rows.append(_row(row.webhook_id, kind, *made[key], now))
    if rows:
        connection.execute(insert(webhook_deliveries), rows)


def first_with_deliveries(connection: Connection, job_ids: Sequence[str]) -> list[str]:
    """The first of these jobs whose ends make no more than `MOST_DELIVERIES` together; at least one, if any."""
    if not job_ids:
        return []
    rows = connection.execute(select(jobs.c.id, jobs.c.project, jobs.c.batch_id).where(jobs.c.id.in_(job_ids))).all()
    of = {row.id: (row.project, row.batch_id) for row in rows}
    each = {place: _count_listeners(connection, *place) for place in set(of.values())}
    left = MOST_DELIVERIES
    first: list[str] = []
    for job_id in job_ids:
        left -= each[of[job_id]]
        if first and left < 0:
            break
        first.append(job_id)
    return first


def _count_listeners(connection: Connection, project: str, batch_id: str | None) -> int:
    """How many deliveries the end of one such job can make."""
    each = select(webhooks.c.hears_jobs, webhooks.c.hears_responses)
    of_either = union_all(*(each.where(heard) for heard in _hear_of(project, batch_id)))
    is_alone = batch_id is None
    return sum(row.hears_jobs + (is_alone and row.hears_responses) for row in connection.execute(of_either))


def add_batch_event(
    connection: Connection, now: datetime, batch_id: str, project: str, kind: str, counts: Mapping[str, int]
) -> None:
    """Something that happened to a batch, for those endpoints that hear of it."""
    of_either = union_all(*(select(webhooks).where(heard) for heard in _hear_of(project, batch_id)))
    _add(connection, now, connection.execute(of_either).all(), kind, {"id": batch_id, "request_counts": dict(counts)})


def add_hold_events(
    connection: Connection, now: datetime, which: ColumnElement[bool], kind: str, held: Mapping[str, str]
) -> None:
    """`batch.held` or `batch.resumed`, for each of these batches that somebody hears of. `held` says what is held.

    For `MOST_HOLD_EVENTS` at most: a project may have thousands of running batches, and be paused again and again.
    """
    each = select(webhooks, batches.c.id.label("of_batch"))
    each = each.where(which, cast(webhooks.c.events, Text).contains(f'"{kind}"'))
    of_either = union_all(*(each.join(batches, heard) for heard in _hear_of(batches.c.project, batches.c.id)))
    listeners: dict[str, list[Any]] = {}
    for row in connection.execute(of_either.order_by("of_batch").limit(MOST_HOLD_EVENTS)):
        listeners.setdefault(row.of_batch, []).append(row)
    for batch_id, found in listeners.items():
        _add(connection, now, found, kind, {"id": batch_id, "hold": dict(held)})


def add_test_event(connection: Connection, now: datetime, webhook_id: str) -> str:
    """An event that says nothing, to see whether an endpoint takes one. Returns its id."""
    event_id = new_id("evt", now)
    body = _body(event_id, TEST, now, {"id": webhook_id})
    connection.execute(insert(webhook_deliveries), [_row(webhook_id, TEST, event_id, body, now)])
    return event_id


def _hear_of(project: Any, batch_id: Any) -> list[ColumnElement[bool]]:
    """The endpoints of a whole project, and those of one batch of it, if it is of one.

    Two conditions for two searches: with an OR between them SQLite reads all endpoints of the project, and each of its
    batches may have one.
    """
    of_project = webhooks.c.project == project
    whole = and_(of_project, webhooks.c.batch_id.is_(None))
    return [whole] if batch_id is None else [whole, and_(of_project, webhooks.c.batch_id == batch_id)]


def _hears_ends(batch_id: Any) -> ColumnElement[bool]:
    """Of the end of a job. The Responses of a batch are told by the batch's own end."""
    # Not IS NULL: in RETURNING, SQLite 3.40 looks at the wrong column for NOT NULL, and then takes it for false.
    is_alone = func.coalesce(batch_id, "") == ""
    return or_(webhooks.c.hears_jobs, and_(webhooks.c.hears_responses, is_alone))


def _job_events(row: Any) -> list[tuple[str, dict[str, Any]]]:
    status = JobStatus(row.status)
    found: list[tuple[str, dict[str, Any]]] = [(f"job.{status}", {"id": row.id, "batch_id": row.batch_id})]
    # As OpenAI has it: of Responses in the background.
    if row.request is not None and row.batch_id is None and json.loads(row.request).get("background"):
        ending = "incomplete" if row.incomplete else _RESPONSE_STATUS[status]
        found.append((f"response.{ending}", {"id": response_id(row.id)}))
    return found


def _add(connection: Connection, now: datetime, heard: Sequence[Any], kind: str, data: Mapping[str, Any]) -> None:
    heard = [row for row in heard if kind in row.events]
    if heard:
        event_id = new_id("evt", now)
        body = _body(event_id, kind, now, data)
        rows = [_row(row.id, kind, event_id, body, now) for row in heard]
        connection.execute(insert(webhook_deliveries), rows)


def _body(event_id: str, kind: str, now: datetime, data: Mapping[str, Any]) -> str:
    event = {"id": event_id, "object": "event", "created_at": int(now.timestamp()), "type": kind, "data": data}
    return dump_json(event)


def _row(webhook_id: str, kind: str, event_id: str, body: str, now: datetime) -> dict[str, Any]:
    named = {"webhook_id": webhook_id, "event_id": event_id, "type": kind, "body": body}
    return {**named, "created_at": now, "due_at": now, "tries": 0}
