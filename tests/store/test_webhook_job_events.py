"""The events of jobs and Responses: one for every end, and at no cost where nobody hears of them."""

from functools import partial
from typing import Any

import pytest

from jobs.dispatch.holds import HoldKind, pause
from jobs.intake.submission import submit_job
from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.rescue import cancel_job, expire_and_cancel_queued, rescue_lost
from jobs.lifecycle.transitions import cancel_running, fail, finish, finish_many, retry
from jobs.store.database import Database
from jobs.webhooks import events
from jobs.webhooks.events import BATCH_ENDS, BATCH_HOLDS, JOB_ENDS, RESPONSE_ENDS, first_with_deliveries
from tests.store.plans import plans_of
from tests.store.store_fixtures import REFUSED, USAGE, Store, counted, new_job, store, written
from tests.store.test_webhook_events import listen, told

__all__ = ["store"]  # a fixture


def test_every_way_a_job_ends_has_its_event(store: Store) -> None:
    listen(store, *JOB_ENDS)
    ends = []
    for kind, end in (
        ("completed", lambda job_id: finish(store.database, job_id, 1, written("a", usage=USAGE))),
        ("completed", lambda job_id: finish_many(store.database, [(job_id, 1, written("a", usage=USAGE))])),
        ("failed", partial(fail, store.database, attempt=1, written=written(), error=REFUSED)),
        ("cancelled", partial(cancel_running, store.database, attempt=1, written=written())),
    ):
        job_id = store.running()
        assert end(job_id=job_id) if isinstance(end, partial) else end(job_id)
        store.clock.advance(1)
        ends.append((f"job.{kind}", job_id))
    queued = store.submit()
    cancel_job(store.database, queued)
    store.clock.advance(1)
    late = store.submit(expires_at=store.clock.after(1))
    store.clock.advance(2)
    expire_and_cancel_queued(store.database)
    wanted = store.running()
    cancel_job(store.database, wanted)
    store.clock.advance(60)
    rescue_lost(store.database)
    assert told(store) == [*ends, ("job.cancelled", queued), ("job.expired", late), ("job.cancelled", wanted)]


def test_a_retry_and_a_lost_lease_tell_nothing(store: Store) -> None:
    listen(store)
    job_id = store.running()
    retry(store.database, job_id, 1, written(), REFUSED, store.clock.after(1))
    assert finish(store.database, job_id, 1, written("late", usage=USAGE)) is False
    assert finish_many(store.database, [(job_id, 1, written("late", usage=USAGE))]) == [None]
    assert told(store) == []


def test_an_end_that_is_stored_twice_after_an_unknown_commit_is_told_once(store: Store) -> None:
    listen(store, *JOB_ENDS)
    job_id = store.running()
    assert fail(store.database, job_id, 1, written(), REFUSED) is True
    assert fail(store.database, job_id, 1, written(), REFUSED) is True
    assert told(store) == [("job.failed", job_id)]


def respond(store: Store, **asked: Any) -> str:
    """A running job that was asked for as a Response."""
    job_id = submit_job(store.database, new_job(), response=asked).id
    store.clock.advance(0.001)
    store.claim(job_id)
    return job_id


def test_a_response_in_the_background_is_told_by_its_own_id(store: Store) -> None:
    listen(store, *RESPONSE_ENDS)
    whole, cut, failed = (respond(store, background=True) for _ in range(3))
    in_front = respond(store)
    finish(store.database, whole, 1, written("a", usage=USAGE))
    finish(store.database, in_front, 1, written("a", usage=USAGE))
    store.clock.advance(1)
    finish_many(store.database, [(cut, 1, written("a", usage=USAGE, incomplete="max_output_tokens"))])
    store.clock.advance(1)
    fail(store.database, failed, 1, written(), REFUSED)
    names = [job_id.replace("job_", "resp_") for job_id in (whole, cut, failed)]
    kinds = ("response.completed", "response.incomplete", "response.failed")
    assert told(store) == list(zip(kinds, names, strict=True))


def test_a_job_that_nobody_hears_of_costs_no_statement_more(store: Store) -> None:
    """The endpoints hear of batches and Responses, of another project, and of another batch."""
    counts = []
    for heard in (False, True):
        if heard:
            listen(store, *BATCH_ENDS, *RESPONSE_ENDS)
            listen(store, *JOB_ENDS, project="other")
            listen(store, *JOB_ENDS, batch_id="batch_other")
        _, ends = store.submit_batch(3)
        for job_id in ends:
            store.claim(job_id)
        with counted(store) as statements:
            finish(store.database, ends[0], 1, written("a", usage=USAGE))
            finish_many(store.database, [(ends[1], 1, written("a", usage=USAGE))])
            fail(store.database, ends[2], 1, written(), REFUSED)
        counts.append(list(statements))
    assert counts[0] == counts[1]
    assert told(store) == []
    listen(store, *JOB_ENDS)
    job_id = store.running()
    with counted(store) as statements:
        finish(store.database, job_id, 1, written("a", usage=USAGE))
    assert any(statement.startswith("INSERT INTO webhook_deliveries") for statement in statements)


def test_the_end_of_a_job_without_a_batch_counts_each_listener_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST_DELIVERIES", 2)
    listen(store, *JOB_ENDS)
    ids = [store.submit() for _ in range(3)]
    with store.database.read() as connection:
        assert first_with_deliveries(connection, ids) == ids[:2]


def test_sqlite_reads_no_endpoint_of_other_batches(sqlite_database: Database) -> None:
    """With 100,000 of them each end of a job took 10 ms, with everybody's turn to write."""
    store = Store(sqlite_database)
    batch_id, ids = store.submit_batch(3)
    webhook_id = listen(store, *BATCH_ENDS, *BATCH_HOLDS, *JOB_ENDS, batch_id=batch_id)
    store.claim(ids[0])
    with plans_of(store.database, "SELECT", "UPDATE") as plans:
        finish(store.database, ids[0], 1, written("a", usage=USAGE))
        pause(store.database, HoldKind.BATCH, batch_id)
        cancel_batch(store.database, batch_id)
    kinds = {kind for kind, _ in told(store, webhook_id)}
    assert kinds == {"job.completed", "batch.held", "job.cancelled", "batch.cancelled"}
    steps = {step for _, plan in plans for step in plan if " webhooks" in step}
    assert steps == {"SEARCH webhooks USING INDEX webhooks_of_project (project=? AND batch_id=?)"}
