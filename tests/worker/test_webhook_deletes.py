"""Deliveries are deleted and given up a few at a time, and jobs whose ends many endpoints hear of end so, too."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.erase import NOBODY, delete_batch, hide_batch
from jobs.lifecycle.rescue import expire_and_cancel_queued, rescue_lost
from jobs.lifecycle.retention import delete_some
from jobs.store.database import Database
from jobs.tables import batches, jobs, webhook_deliveries, webhooks
from jobs.webhooks import events, waiting
from jobs.webhooks.endpoints import delete_endpoint, endpoint_row, read_endpoint
from jobs.webhooks.events import JOB_ENDS, RESPONSE_ENDS
from jobs.webhooks.past import clear_deliveries, list_deliveries, replay
from tests.store.plans import plans_of
from tests.store.store_fixtures import Store, store
from tests.worker.delivering import due, make, without_jitter
from tests.worker.webhook_rounds import (
    changed,
    due_times,
    killed_before_second,
    pause,
    resume,
    two_in_a_round,
    waiting_events,
)

__all__ = ["store", "two_in_a_round", "without_jitter"]  # fixtures


def test_what_waits_for_an_endpoint_that_was_removed_is_deleted_in_rounds(store: Store) -> None:
    webhook_id, _ = waiting_events(store)
    _, others = waiting_events(store, 3)
    delete_endpoint(store.database, webhook_id, project="default")
    with changed(store) as rounds:
        assert [clear_deliveries(store.database) for _ in range(4)] == [2, 2, 1, 0]
    assert rounds == [2, 2, 1]
    assert due(store) == others


def test_the_oldest_of_too_many_that_wait_are_given_up_and_can_be_sent_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST_WAITING", 3)
    webhook_id, found = waiting_events(store, 6)
    _, others = waiting_events(store, 3)
    pause(store, webhook_id)
    with changed(store) as rounds:
        assert [clear_deliveries(store.database) for _ in range(3)] == [2, 1, 0]
    assert rounds == [2, 1]
    given_up, _ = list_deliveries(store.database, webhook_id, status="failed", after=None, limit=9)
    assert [(webhook_id, one.event_id) for one in reversed(given_up)] == found[:3]
    assert {(one.due_at, one.last_error) for one in given_up} == {(None, "more than 3 events waited")}
    assert due(store) == others, "no more than the bound wait"
    resume(store, webhook_id)
    assert [one for one in due(store) if one not in others] == found[3:]
    assert replay(store.database, webhook_id) == 3


def deliveries_of_a_batch(store: Store, number: int) -> tuple[str, str]:
    """A batch that has ended, whose own webhook has so many deliveries: their ids."""
    batch_id, _ = store.submit_batch(number - 1)
    row = endpoint_row(store.clock.now, project="default", url="https://app.example/", events=JOB_ENDS)
    row |= {"batch_id": batch_id, "events": [*JOB_ENDS, "batch.cancelled"]}
    with store.database.write() as connection:
        connection.execute(insert(webhooks).values(row))
    cancel_batch(store.database, batch_id)
    assert len(due_times(store)) == number
    return batch_id, str(row["id"])


def rows_left(store: Store) -> dict[str, int]:
    with store.database.read() as connection:
        tables = (batches, jobs, webhooks, webhook_deliveries)
        return {table.name: connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


def delete_by_hand(store: Store, _batch_id: str) -> None:
    while delete_some(store.database):
        pass


@pytest.mark.parametrize("go_on", [delete_batch, delete_by_hand], ids=["asked again", "by a worker"])
def test_the_deliveries_of_a_deleted_batch_go_in_rounds_and_others_go_on(
    store: Store, go_on: Callable[[Any, str], Any]
) -> None:
    batch_id, webhook_id = deliveries_of_a_batch(store, 6)
    with killed_before_second(store, "DELETE FROM webhook_deliveries"):
        delete_batch(store.database, batch_id)
    assert rows_left(store) == {"batches": 1, "jobs": 0, "webhooks": 1, "webhook_deliveries": 4}
    assert due(store) == []
    assert read_endpoint(store.database, webhook_id, project="default") is None
    hidden = read_endpoint(store.database, webhook_id, project=NOBODY)
    assert hidden is not None
    assert (hidden.secret, hidden.url, hidden.old_secret) == ("", "", None), "a secret must not outlive its batch"
    with changed(store) as rounds:
        go_on(store.database if go_on is delete_batch else store, batch_id)
    assert rounds == [2, 2]
    assert set(rows_left(store).values()) == {0}


@pytest.mark.parametrize("way", ["cancelled", "expired", "rescued"])
def test_jobs_that_end_together_are_fewer_where_many_endpoints_hear_of_them(
    store: Store, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(events, "MOST_DELIVERIES", 7)
    heard = [make(store, events=[*JOB_ENDS, *RESPONSE_ENDS]) for _ in range(3)]
    batch_id, ids = (
        store.submit_batch(5, expires_at=store.clock.after(60)) if way == "expired" else store.submit_batch(5)
    )
    with changed(store) as rounds:
        if way == "cancelled":
            cancel_batch(store.database, batch_id)
        elif way == "expired":
            store.clock.advance(61)
            while expire_and_cancel_queued(store.database):
                pass
        else:
            for job_id in ids:
                store.claim(job_id)
            cancel_batch(store.database, batch_id)
            store.clock.advance(60)
            while rescue_lost(store.database):
                pass
    assert rounds == [6, 6, 3], "two jobs, two, and one"
    with store.database.read() as connection:
        wanted = select(webhook_deliveries.c.webhook_id, func.count()).group_by(webhook_deliveries.c.webhook_id)
        assert {(row[0], row[1]) for row in connection.execute(wanted)} == {(one, 5) for one in heard}


def test_the_files_and_the_webhook_of_a_deleted_batch_are_found_by_their_names(sqlite_database: Database) -> None:
    """There may be a hundred thousand of others', and all who write to SQLite wait meanwhile."""
    store = Store(sqlite_database)
    batch_id, _ = store.submit_batch(1)
    cancel_batch(store.database, batch_id)
    with plans_of(store.database, "UPDATE", "DELETE") as plans:
        assert hide_batch(store.database, batch_id)
    reads = [step for _, plan in plans for step in plan if "files" in step or "webhooks" in step]
    assert len(reads) == 2
    assert all(step.startswith("SEARCH") for step in reads), reads
    assert "webhooks_of_project (project=? AND batch_id=?)" in reads[1]
