"""Holds: nothing that is held starts, what others have goes on, and a job that waits says why."""

import pytest
from sqlalchemy import select

from jobs.dispatch.holds import HoldKind, pause, read_holds, resume
from jobs.dispatch.waiting import find_why_waiting
from jobs.intake.submission import BatchOptions, submit_batch
from jobs.lifecycle import transitions
from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.erase import delete_batch
from jobs.lifecycle.lease import claim, find_stop_requests
from jobs.lifecycle.rescue import rescue_lost
from jobs.lifecycle.transitions import release, retry
from jobs.model.endings import MAX_CRASHES
from jobs.model.status import JobStatus
from jobs.tables import jobs
from jobs.upstreams import UNDECLARED
from tests.store.failing import HINT_SECONDS, due, fail, why
from tests.store.reserving import take_due, upstream
from tests.store.store_fixtures import LEASE, REFUSED, Store, new_job, store, written

__all__ = ["store"]  # a fixture


@pytest.mark.parametrize("kind", list(HoldKind))
def test_what_is_paused_does_not_start_until_it_is_resumed(store: Store, kind: HoldKind) -> None:
    batch_id = submit_batch(store.database, [new_job() for _ in range(2)], BatchOptions(project="p")).id
    first, second = store.ids(batch_id)
    target = {"batch": batch_id, "project": "p", "model": "m1", "upstream": "default"}[kind]
    assert due(store, 1) == [first]
    assert pause(store.database, kind, target).changed
    assert claim(store.database, first, "w1", LEASE) is None
    store.clock.advance(HINT_SECONDS + 1)
    assert due(store) == []
    assert why(store, first) == why(store, second) == "hold"
    held = read_holds(store.database, [batch_id])
    assert [(hold.kind, hold.target, hold.held_by) for hold in held] == [(kind, target, "person")]
    assert not pause(store.database, kind, target).changed
    assert resume(store.database, kind, target).batch_ids == [batch_id]
    assert not resume(store.database, kind, target).changed
    assert due(store) == [first, second]
    assert [store.job(job_id).failures for job_id in (first, second)] == [0, 0]


@pytest.mark.parametrize("ends", ["cancelled", "completed", "deleted"])
def test_the_hold_of_a_batch_ends_with_it(store: Store, ends: str) -> None:
    """Before, it stayed for ever, and everything that read holds read it."""
    batch_id, [job_id] = store.submit_batch(1)
    if ends == "completed":
        store.claim(job_id)
    pause(store.database, HoldKind.BATCH, batch_id)
    assert [hold.target for hold in read_holds(store.database, [batch_id])] == [batch_id]
    if ends == "completed":
        transitions.finish(store.database, job_id, 1, written("text"))
        close_batch(store.database, batch_id)
    else:
        cancel_batch(store.database, batch_id)
    if ends == "deleted":
        pause(store.database, HoldKind.BATCH, batch_id)  # as an earlier version left it
        assert delete_batch(store.database, batch_id)
    assert read_holds(store.database, [batch_id]) == []


def test_holds_of_other_batches_are_not_read(store: Store) -> None:
    """20,000 paused batches of one project made everybody's jobs wait for seconds."""
    for _ in range(3):
        pause(store.database, HoldKind.BATCH, store.submit_batch(1)[0])
    batch_id, [job_id] = store.submit_batch(1)
    assert read_holds(store.database) == read_holds(store.database, [batch_id]) == []
    assert due(store) == [job_id]


def test_what_others_have_goes_on_while_a_project_is_paused(store: Store) -> None:
    submit_batch(store.database, [new_job()] * 3, BatchOptions(project="p"))
    other = store.submit()
    pause(store.database, HoldKind.PROJECT, "p")
    assert due(store) == [other]


def test_a_running_job_goes_on_unless_it_is_to_be_released(store: Store) -> None:
    batch_id, [job_id] = store.submit_batch(1)
    store.claim(job_id)
    pause(store.database, HoldKind.BATCH, batch_id)
    assert find_stop_requests(store.database, "w1") == []
    pause(store.database, HoldKind.BATCH, batch_id, release_running=True)
    assert find_stop_requests(store.database, "w1") == [(job_id, "release")]
    release(store.database, job_id, 1, written("so far"))
    assert due(store) == []
    resume(store.database, HoldKind.BATCH, batch_id)
    assert due(store) == [job_id]
    store.claim(job_id)
    assert find_stop_requests(store.database, "w1") == []
    assert store.job(job_id).failures == 0


def test_a_person_who_resumes_lifts_the_systems_hold_and_jobs_start_at_once(store: Store) -> None:
    _, ids = store.submit_batch(2)
    store.claim(due(store, 1)[0])
    fail(store, ids[0], "key")
    assert due(store) == []
    assert resume(store.database, HoldKind.UPSTREAM, "default").changed
    assert due(store) == [ids[1]]


def test_jobs_of_a_held_upstream_go_to_another_that_takes_them(store: Store) -> None:
    job_id = store.submit()
    pause(store.database, HoldKind.UPSTREAM, "default")
    assert why(store, job_id) == "hold"
    assert why(store, job_id, UNDECLARED, upstream("other")) == "no_free_stream"
    assert take_due(store.database, 5, HINT_SECONDS, MAX_CRASHES, UNDECLARED, upstream("other")) == [job_id]
    assert store.job(job_id).upstream == "other"


def test_a_deadline_goes_on_while_a_job_is_held(store: Store) -> None:
    job_id = store.submit(expires_at=store.clock.after(10))
    pause(store.database, HoldKind.MODEL, "m1")
    store.clock.advance(10)
    resume(store.database, HoldKind.MODEL, "m1")
    assert due(store) == []
    assert store.job(job_id).status is JobStatus.QUEUED


def test_a_job_that_ran_when_two_workers_died_says_that_it_waits_for_its_kind(store: Store) -> None:
    """Before, it said that all streams were busy, while one of a hundred was."""
    job_id = store.submit()
    for _ in range(MAX_CRASHES - 1):
        assert why(store, job_id) == "no_free_stream"
        store.claim(job_id)
        store.clock.advance(LEASE + 1)
        rescue_lost(store.database)
    assert why(store, job_id) == "retry"


def test_a_queued_job_says_why_it_waits(store: Store) -> None:
    waits = store.running()
    retry(store.database, waits, 1, written(), REFUSED, store.clock.after(5))
    alone = store.submit(model="m9")
    named = store.submit(only_upstream="gone")
    capped = submit_batch(store.database, [new_job()] * 2, BatchOptions(max_concurrency=1)).id
    first, second = store.ids(capped)
    store.claim(first)
    assert why(store, waits) == "retry"
    assert why(store, alone, upstream("default", models=("m1",))) == "no_upstream"
    assert why(store, named) == "no_upstream"
    assert why(store, second) == "max_concurrency"
    assert why(store, first) is None  # it runs
    found = find_why_waiting(store.database, [waits, second], [UNDECLARED], HINT_SECONDS)
    assert all(one.message for one in found.values())
    with store.database.read() as connection:
        assert connection.scalar(select(jobs.c.failures).where(jobs.c.id == second)) == 0
