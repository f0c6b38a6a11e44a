"""What watchers are told of jobs that were moved from outside: only what is true, and not more than they can take."""

from functools import partial

from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.rescue import cancel_job, expire_and_cancel_queued
from jobs.lifecycle.retry import retry_batch
from jobs.lifecycle.transitions import retry
from jobs.live.channel import Message, decode
from jobs.live.status_changes import EMPTY_SHA256, MOST_NAMED, StatusChange, notifications
from jobs.model.status import JobStatus
from tests.store.store_fixtures import REFUSED, Store, store, written

__all__ = ["store"]  # a fixture


def told(change: list[StatusChange], *, batches_changed: bool = False) -> list[tuple[str, Message]]:
    """Each channel's id and message."""
    return [(name, decode(message)) for name, message in notifications(change, batches_changed=batches_changed)]


def test_a_job_that_still_runs_is_never_said_to_be_queued(store: Store) -> None:
    job_id = store.running()
    change = cancel_job(store.database, job_id)
    assert change is not None
    assert told([change]) == []


def test_a_batch_is_told_that_a_job_of_it_still_runs(store: Store) -> None:
    batch_id, [job_id] = store.submit_batch(1)
    store.claim(job_id)
    [(name, message)] = told(cancel_batch(store.database, batch_id))
    assert (name, message.event, message.id, message.status) == (batch_id, "job", job_id, "in_progress")


def test_done_has_the_length_and_the_hash_of_the_text_that_is_kept(store: Store) -> None:
    batch_id, (first, second) = store.submit_batch(2, expires_at=store.clock.after(10))
    store.claim(first)
    retry(store.database, first, 1, written("so far 😀"), REFUSED, store.clock.after(60))
    store.clock.advance(10)
    messages = dict(message for message in told(expire_and_cancel_queued(store.database)) if message[0] != batch_id)
    for job_id, attempt, length in ((first, 1, 11), (second, 0, 0)):
        job, message = store.job(job_id), messages[job_id]
        assert (message.event, message.attempt, message.status) == ("done", attempt, "expired")
        assert (message.bytes, message.sha256) == (job.bytes, job.sha256) == (length, message.sha256)
    assert messages[second].sha256 == EMPTY_SHA256 != messages[first].sha256


def test_done_says_what_was_committed_also_when_the_job_has_been_retried_since(store: Store) -> None:
    batch_id, [job_id] = store.submit_batch(1, expires_at=store.clock.after(10))
    store.clock.advance(10)
    change = expire_and_cancel_queued(store.database)
    assert [one.id for one in retry_batch(store.database, batch_id)] == [job_id]
    assert [(message.event, message.status, message.sha256) for name, message in told(change) if name == job_id] == [
        ("done", "expired", EMPTY_SHA256)
    ]


def test_of_many_jobs_of_one_batch_it_is_told_once_to_look_at_its_rows() -> None:
    queued = partial(StatusChange, attempt=1, status=JobStatus.QUEUED)
    many = [queued(f"job_{number}", "batch_1") for number in range(MOST_NAMED + 1)]
    messages = told([*many, queued("job_x", "batch_2")])
    assert [message.event for name, message in messages if name == "batch_1"] == ["batch"]
    assert [message.event for name, message in messages if name == "batch_2"] == ["job"]
    assert [name for name, message in messages if message.event == "queued"] == [*(one.id for one in many), "job_x"]


def test_a_batch_whose_own_row_has_changed_is_told_so_once() -> None:
    change = [StatusChange(f"job_{number}", "batch_1", 1, JobStatus.QUEUED) for number in range(2)]
    of_batch = [message.event for name, message in told(change, batches_changed=True) if name == "batch_1"]
    assert of_batch == ["job", "job", "batch"]
