"""What has ended is deleted when its time has come, by its own words or its project's, and nothing before its end."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from jobs.intake.submission import submit_job
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.erase import hide_batch
from jobs.lifecycle.rescue import cancel_job
from jobs.lifecycle.retry import retry_batch
from jobs.lifecycle.transitions import fail, finish
from jobs.model.retention import CREATED, ENDED, Retention
from jobs.store.files import add_upload, delete_expired, read_file
from jobs.store.projects import set_keep_seconds
from jobs.store.queries import read_batch
from jobs.tables import batches, jobs
from tests.store.store_fixtures import REFUSED, Store, new_job, store, written
from tests.store.sweeping import DAY, HOUR, end, end_batch, ids, submit_kept, sweep

__all__ = ["store"]  # a fixture


def test_a_job_is_deleted_when_its_time_after_its_end_has_passed(store: Store) -> None:
    kept, gone = store.submit(), store.submit(retention=Retention(HOUR))
    for job_id in (kept, gone):
        end(store, job_id)
    assert store.job(gone).delete_at == store.clock.after(HOUR)
    store.clock.advance(HOUR - 1)
    sweep(store)
    assert ids(store) == {kept, gone}
    store.clock.advance(1)
    sweep(store)
    assert ids(store) == {kept}
    assert store.job(kept).delete_at is None


@pytest.mark.parametrize("anchor", [CREATED, ENDED])
def test_nothing_is_deleted_before_its_end(store: Store, anchor: str) -> None:
    """However long it waits or runs; what counts from its submission is then deleted at its end."""
    queued = store.submit(retention=Retention(HOUR, anchor))
    running = store.submit(retention=Retention(HOUR, anchor))
    batch_id, [first, second] = submit_kept(store, 2, Retention(HOUR, anchor))
    claimed = store.claim(running, lease_seconds=10 * DAY)
    end(store, first)
    store.clock.advance(DAY)
    sweep(store)
    assert ids(store) == {queued, running, batch_id, first, second}
    assert finish(store.database, running, claimed.attempt, written("Rain."))
    end_batch(store, batch_id, [second])
    sweep(store)
    left = {queued} if anchor == CREATED else {queued, running, batch_id, first, second}
    assert ids(store) == left
    store.clock.advance(HOUR)
    sweep(store)
    assert ids(store) == {queued}


def test_a_batch_that_ended_in_the_millisecond_of_its_submission_is_due_a_day_later(store: Store) -> None:
    """A look reads those that were submitted before a time; this one was not before, and has ended by then."""
    batch_id, job_ids = submit_kept(store, 1, None)
    set_keep_seconds(store.database, "default", DAY)
    with store.database.write() as connection:  # its clock stands still
        made = connection.scalar(select(batches.c.created_at))
        ended = {"status": "completed", "finalizing_at": made, "completed_at": made, "completed": 1, "failed": 0}
        connection.execute(update(batches).values(ended))
        connection.execute(update(jobs).values(status="completed", finished_at=made))
    assert made is not None
    store.clock.now = made + timedelta(seconds=DAY)
    sweep(store)
    assert ids(store).isdisjoint({batch_id, *job_ids})


def test_a_batch_that_was_retried_is_kept_from_its_later_end_on(store: Store) -> None:
    batch_id, [job_id] = submit_kept(store, 1, Retention(HOUR))
    claimed = store.claim(job_id)
    assert fail(store.database, job_id, claimed.attempt, written(), REFUSED)
    assert close_batch(store.database, batch_id)
    store.clock.advance(HOUR - 1)
    assert retry_batch(store.database, batch_id)
    store.clock.advance(2)
    sweep(store)
    assert ids(store) == {batch_id, job_id}
    end_batch(store, batch_id, [job_id])
    store.clock.advance(HOUR - 1)
    sweep(store)
    assert ids(store) == {batch_id, job_id}
    store.clock.advance(1)
    sweep(store)
    assert ids(store) == set()


def test_a_batch_that_is_being_deleted_cannot_be_retried(store: Store) -> None:
    """Its jobs would run and be deleted meanwhile."""
    batch_id, [job_id] = submit_kept(store, 1, Retention(HOUR))
    assert cancel_job(store.database, job_id) is not None
    assert close_batch(store.database, batch_id)
    assert hide_batch(store.database, batch_id)
    assert retry_batch(store.database, batch_id, ["cancelled"]) == []  # type: ignore[list-item]
    sweep(store)
    assert ids(store) == set()


def test_the_default_of_a_project_holds_for_what_says_nothing_itself(store: Store) -> None:
    """For what was there before, too; and only in this project."""
    own = Retention(30 * DAY)
    batch_id, of_batch = submit_kept(store, 1, None, project="news")
    other_id, of_other = submit_kept(store, 1, None, project="other")
    own_id, of_own = submit_kept(store, 1, own, project="news")
    alone = submit_job(store.database, new_job(), project="news").id
    alone_own = submit_job(store.database, new_job(retention=own), project="news").id
    waiting = submit_job(store.database, new_job(), project="news").id
    for name, job_ids in ((batch_id, of_batch), (other_id, of_other), (own_id, of_own)):
        end_batch(store, name, job_ids)
    for job_id in (alone, alone_own):
        end(store, job_id)
    set_keep_seconds(store.database, "news", DAY)
    assert store.job(alone).delete_at == store.clock.after(DAY)
    assert store.job(alone_own).delete_at == store.clock.after(30 * DAY)
    assert read_batch(store.database, batch_id, project="news").delete_at == store.clock.after(DAY)  # type: ignore[union-attr]
    everything = ids(store)
    store.clock.advance(DAY - 1)
    sweep(store)
    assert ids(store) == everything
    store.clock.advance(1)
    sweep(store)
    assert ids(store) == everything - {batch_id, *of_batch, alone}
    set_keep_seconds(store.database, "news", None)
    store.clock.advance(20 * DAY)
    sweep(store)
    assert ids(store) == everything - {batch_id, *of_batch, alone}
    assert waiting in ids(store)


def test_uploads_expire_by_the_default_of_their_project_as_it_is_now(store: Store) -> None:
    """Before, a default that was lifted still held for what had come meanwhile."""

    def upload(name: str, seconds: int | None = None) -> None:
        add_upload(store.database, name, project="news", filename=name, size=1, seconds=seconds)

    def expires_at(name: str) -> datetime | None:
        file = read_file(store.database, name, project="news")
        assert file is not None
        return file.expires_at

    upload("file_before")
    upload("file_own", 10 * DAY)
    set_keep_seconds(store.database, "news", DAY)
    upload("file_after")
    assert expires_at("file_before") == expires_at("file_after") == store.clock.after(DAY)
    assert expires_at("file_own") == store.clock.after(10 * DAY)
    assert delete_expired(store.database) == []
    set_keep_seconds(store.database, "news", None)
    store.clock.advance(DAY)
    assert delete_expired(store.database) == []
    assert expires_at("file_after") is None
    set_keep_seconds(store.database, "news", DAY)
    assert set(delete_expired(store.database)) == {"file_before", "file_after"}
