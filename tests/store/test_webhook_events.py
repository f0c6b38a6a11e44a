"""The events of webhooks: written by the transaction that ends the batch, for each endpoint that hears of it."""

import json
from typing import Any

import pytest
from sqlalchemy import event, insert, select

from jobs.dispatch.holds import HoldKind, pause, resume
from jobs.intake.drafts import Draft
from jobs.intake.submission import BatchOptions
from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.rescue import expire_and_cancel_queued
from jobs.lifecycle.retry import retry_batch
from jobs.lifecycle.transitions import fail, finish
from jobs.model.status import BatchStatus
from jobs.store.queries import read_batch
from jobs.tables import webhook_deliveries, webhooks
from jobs.webhooks import events
from jobs.webhooks.endpoints import create_endpoint, endpoint_row
from jobs.webhooks.events import BATCH_ENDS, EVENTS, JOB_ENDS
from tests.store.store_fixtures import REFUSED, START, USAGE, Store, store, written

__all__ = ["store"]  # a fixture

URL = "https://app.example/webhooks"


def listen(store: Store, *events: str, project: str = "default", batch_id: str | None = None) -> str:
    """An endpoint that hears of these events, or of all."""
    row = endpoint_row(store.clock.now, project=project, url=URL, events=events or EVENTS, batch_id=batch_id)
    with store.database.write() as connection:
        connection.execute(insert(webhooks).values(row))
    store.clock.advance(0.001)
    return str(row["id"])


def told(store: Store, webhook_id: str | None = None) -> list[tuple[str, str]]:
    """The type and the subject of each event, in the order of their ids."""
    wanted = select(webhook_deliveries).order_by(webhook_deliveries.c.event_id)
    if webhook_id is not None:
        wanted = wanted.where(webhook_deliveries.c.webhook_id == webhook_id)
    with store.database.read() as connection:
        rows = connection.execute(wanted).all()
    for row in rows:
        body = json.loads(row.body)
        assert (body["id"], body["object"], body["type"]) == (row.event_id, "event", row.type)
        assert body["created_at"] == int(row.created_at.timestamp())
    return [(row.type, json.loads(row.body)["data"]["id"]) for row in rows]


def end_batch(store: Store, batch_id: str, ids: list[str]) -> None:
    """Complete its jobs and close it."""
    for job_id in ids:
        store.claim(job_id)
        finish(store.database, job_id, 1, written("text", usage=USAGE))
    store.clock.advance(0.001)
    assert close_batch(store.database, batch_id)


def test_the_end_of_a_batch_is_told_once_with_its_counts_and_no_text(store: Store) -> None:
    listen(store, *BATCH_ENDS)
    batch_id, ids = store.submit_batch(2)
    end_batch(store, batch_id, ids)
    assert close_batch(store.database, batch_id) is False
    assert told(store) == [("batch.completed", batch_id)]
    with store.database.read() as connection:
        body = json.loads(connection.scalars(select(webhook_deliveries.c.body)).one())
    assert body["data"] == {"id": batch_id, "request_counts": {"total": 2, "completed": 2, "failed": 0}}


def test_a_batch_whose_end_is_rolled_back_tells_nothing(store: Store) -> None:
    listen(store)
    batch_id, [job_id] = store.submit_batch(1)
    store.claim(job_id)
    finish(store.database, job_id, 1, written("text", usage=USAGE))
    before = told(store)

    def break_off(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO webhook_deliveries"):
            raise ConnectionAbortedError

    event.listen(store.database.engine, "after_cursor_execute", break_off)
    try:
        with pytest.raises(ConnectionAbortedError):
            close_batch(store.database, batch_id)
    finally:
        event.remove(store.database.engine, "after_cursor_execute", break_off)
    batch = read_batch(store.database, batch_id, project=None)
    assert batch is not None
    assert batch.status is BatchStatus.IN_PROGRESS
    assert told(store) == before
    assert close_batch(store.database, batch_id)
    assert ("batch.completed", batch_id) in told(store)


def test_a_hold_of_a_project_with_many_batches_is_told_to_a_bounded_number(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,500 batches and 20 webhooks were 30,000 rows in one transaction: on SQLite nobody wrote for 10 s."""
    monkeypatch.setattr(events, "MOST_HOLD_EVENTS", 4)
    listen(store, *BATCH_ENDS)  # hears of no hold, and counts for nothing
    listen(store, "batch.held")
    ids = [store.submit_batch(1)[0] for _ in range(6)]
    pause(store.database, HoldKind.PROJECT, "default")
    assert sorted(told(store)) == [("batch.held", batch_id) for batch_id in sorted(ids)[:4]]


def test_a_batch_that_runs_again_is_told_again_under_another_id(store: Store) -> None:
    listen(store, *BATCH_ENDS)
    batch_id, [job_id] = store.submit_batch(1)
    store.claim(job_id)
    fail(store.database, job_id, 1, written(), REFUSED)
    close_batch(store.database, batch_id)
    store.clock.advance(1)
    retry_batch(store.database, batch_id)
    store.claim(job_id)
    finish(store.database, job_id, 2, written("text", usage=USAGE))
    close_batch(store.database, batch_id)
    assert told(store) == [("batch.completed", batch_id)] * 2


def test_every_way_a_batch_ends_has_its_event(store: Store) -> None:
    listen(store, *BATCH_ENDS)
    cancelled, _ = store.submit_batch(2)
    cancel_batch(store.database, cancelled)
    store.clock.advance(1)
    expired, _ = store.submit_batch(1, expires_at=store.clock.after(5))
    store.clock.advance(6)
    expire_and_cancel_queued(store.database)
    close_batch(store.database, expired)
    store.clock.advance(1)
    refused = Draft(store.database, BatchOptions()).refuse([{"code": "bad", "line": 1, "message": "", "param": None}])
    assert told(store) == [
        ("batch.cancelled", cancelled), ("batch.expired", expired), ("batch.failed", refused.id)
    ]  # fmt: skip


def test_an_endpoint_of_one_batch_hears_of_that_batch_alone(store: Store) -> None:
    mine, ids = store.submit_batch(1)
    other, others = store.submit_batch(1)
    webhook = listen(store, *BATCH_ENDS, *JOB_ENDS, batch_id=mine)
    end_batch(store, other, others)
    store.clock.advance(1)
    end_batch(store, mine, ids)
    assert told(store, webhook) == [("job.completed", ids[0]), ("batch.completed", mine)]


def test_two_endpoints_hear_of_one_event_under_one_id(store: Store) -> None:
    first, second = listen(store), listen(store)
    store_batch, ids = store.submit_batch(1)
    end_batch(store, store_batch, ids)
    wanted = select(webhook_deliveries.c.webhook_id, webhook_deliveries.c.event_id)
    with store.database.read() as connection:
        rows = connection.execute(wanted).all()
    ids_of = [{row.event_id for row in rows if row.webhook_id == name} for name in (first, second)]
    assert ids_of[0] == ids_of[1]
    assert len(ids_of[0]) == 2


def test_a_pause_and_a_resume_of_a_batch_its_project_or_its_model_are_told(store: Store) -> None:
    listen(store, "batch.held", "batch.resumed")
    batch_id, _ = store.submit_batch(1)
    kinds = ((HoldKind.BATCH, batch_id), (HoldKind.PROJECT, "default"), (HoldKind.MODEL, "m1"))
    for kind, target in kinds:
        for step in (pause, pause, resume, resume):
            step(store.database, kind, target)
            store.clock.advance(1)
    pause(store.database, HoldKind.UPSTREAM, "default")
    assert told(store) == [("batch.held", batch_id), ("batch.resumed", batch_id)] * 3


def test_a_secret_is_new_for_each_endpoint_and_not_in_its_repr(store: Store) -> None:
    made = [create_endpoint(store.database, project="default", url=URL, events=EVENTS) for _ in range(2)]
    assert made[0].secret != made[1].secret
    assert made[0].secret.startswith("whsec_")
    assert made[0].secret not in repr(made[0])
    assert made[0].created_at == START
