"""What has ended is deleted when its time has come, by its own words or its project's, and nothing before its end."""

from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import select, update

from jobs.intake.idempotency import ERASED, IdempotencyKey, KeyReusedError, find_key
from jobs.intake.submission import BatchOptions, submit_batch, submit_job
from jobs.lifecycle import erase
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.erase import erase_job, hide_batch
from jobs.lifecycle.rescue import cancel_job
from jobs.lifecycle.retention import delete_some
from jobs.lifecycle.retry import retry_batch
from jobs.lifecycle.transitions import fail, finish
from jobs.model.retention import CREATED, ENDED, Retention
from jobs.store.database import Database
from jobs.store.files import add_upload, delete_expired, read_file
from jobs.store.projects import set_keep_seconds
from jobs.store.queries import read_batch
from jobs.tables import batches, idempotency_keys, jobs
from tests.store.plans import plans_of
from tests.store.store_fixtures import REFUSED, Store, new_job, store, written

__all__ = ["store"]  # a fixture

HOUR = 3600
DAY = 86400


def sweep(store: Store) -> None:
    """Until nothing is left to be deleted now."""
    for _ in range(200):
        if not delete_some(store.database):
            return
    raise AssertionError("the sweep has no end")


def ids(store: Store) -> set[str]:
    """The jobs and batches that are there."""
    with store.database.read() as connection:
        return {*connection.scalars(select(jobs.c.id)), *connection.scalars(select(batches.c.id))}


def end(store: Store, job_id: str) -> None:
    """Run a job to its end."""
    claimed = store.claim(job_id)
    assert finish(store.database, job_id, claimed.attempt, written("Rain."))


def submit_kept(store: Store, count: int, retention: Retention | None, **options: Any) -> tuple[str, list[str]]:
    """A batch that is kept for so long."""
    terms = BatchOptions(retention=retention, **options)
    batch_id = submit_batch(store.database, [new_job() for _ in range(count)], terms).id
    store.clock.advance(0.001)
    return batch_id, store.ids(batch_id)


def end_batch(store: Store, batch_id: str, job_ids: list[str]) -> None:
    for job_id in job_ids:
        end(store, job_id)
    assert close_batch(store.database, batch_id)


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


def test_a_batch_is_deleted_with_its_jobs_in_rounds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erase, "JOBS_AT_ONCE", 2)
    monkeypatch.setattr(erase, "ROUND_SECONDS", 60.0)  # else a round of a busy machine is over after the first job
    batch_id, job_ids = submit_kept(store, 5, Retention(HOUR))
    assert read_batch(store.database, batch_id, project=None).delete_at is None  # type: ignore[union-attr]
    end_batch(store, batch_id, job_ids)
    assert read_batch(store.database, batch_id, project=None).delete_at == store.clock.after(HOUR)  # type: ignore[union-attr]
    assert store.job(job_ids[0]).delete_at is None
    store.clock.advance(HOUR)
    left = []
    while delete_some(store.database):
        left.append(len(ids(store)))
    assert left == [6, 4, 2, 1, 0]


def test_a_look_for_what_is_due_reads_none_of_what_is_kept(sqlite_database: Database) -> None:
    """Every worker looks every few seconds, and a million ended jobs may be kept."""
    with plans_of(sqlite_database) as plans:
        assert not delete_some(sqlite_database)
    steps = [step for statement, plan in plans if ".erase_at <=" in statement for step in plan]
    assert steps == [
        "SEARCH batches USING INDEX batches_to_erase (erase_at<?)",
        "SEARCH jobs USING INDEX jobs_to_erase (erase_at<?)",
    ]


def test_a_look_for_what_a_default_lets_go_reads_none_of_what_is_kept(sqlite_database: Database) -> None:
    """Before, it read every batch of the project: 12 ms for 5,000 of them, each time."""
    set_keep_seconds(sqlite_database, "news", DAY)
    with plans_of(sqlite_database) as plans:
        assert not delete_some(sqlite_database)
    steps = [step for statement, plan in plans if ".project =" in statement for step in plan]
    assert steps == [
        "SEARCH batches USING COVERING INDEX batches_of_project (project=?)",  # those that are being erased
        "SEARCH batches USING INDEX batches_of_project (project=? AND id<?)",
        "SEARCH jobs USING INDEX jobs_ended_alone (project=? AND finished_at<?)",
    ]


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


def test_a_round_ends_when_its_time_is_over(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large the texts are: a round is then as short as one statement's jobs."""
    monkeypatch.setattr(erase, "ROUND_SECONDS", 0.0)
    batch_id, job_ids = submit_kept(store, 2, Retention(HOUR))
    end_batch(store, batch_id, job_ids)
    store.clock.advance(HOUR)
    left = []
    while delete_some(store.database):
        left.append(ids(store))
    assert left == [{batch_id, *job_ids}, {batch_id, job_ids[1]}, {batch_id}, set()]


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


def test_uploads_expire_by_the_default_of_their_project(store: Store) -> None:
    def upload(name: str, seconds: int | None = None) -> None:
        add_upload(store.database, name, project="news", filename=name, size=1, seconds=seconds)

    upload("file_before")
    upload("file_own", 10 * DAY)
    set_keep_seconds(store.database, "news", DAY)
    upload("file_after")
    after = read_file(store.database, "file_after", project="news")
    assert after is not None
    assert after.expires_at == store.clock.after(DAY)
    assert delete_expired(store.database) == []
    store.clock.advance(DAY)
    assert set(delete_expired(store.database)) == {"file_before", "file_after"}


def test_a_key_that_stands_where_that_of_a_deleted_job_goes_stops_no_deleting(store: Store) -> None:
    """Clients of earlier versions could send one; nothing of any project was deleted from then on."""
    digest = ERASED + sha256(b"default k").hexdigest()
    job_id = submit_job(store.database, new_job(), idempotency_key=IdempotencyKey("k", "print")).id
    planted = submit_job(store.database, new_job(), idempotency_key=IdempotencyKey(digest, "print")).id
    end(store, job_id)
    assert erase_job(store.database, job_id)
    assert ids(store) == {planted}
    assert find_key(store.database, "default", IdempotencyKey("k", "print")) == job_id


def test_a_key_whose_job_was_deleted_is_forgotten_and_still_not_used_twice(store: Store) -> None:
    key = IdempotencyKey("canary", "print")
    job_id = submit_job(store.database, new_job(), idempotency_key=key).id
    end(store, job_id)
    assert erase_job(store.database, job_id)
    with store.database.read() as connection:
        assert "canary" not in str(connection.execute(select(idempotency_keys)).all())
    again = submit_job(store.database, new_job(), idempotency_key=key)
    assert (again.id, again.repeated) == (job_id, True)
    assert ids(store) == set()
    assert find_key(store.database, "default", key) == job_id
    with store.database.read() as connection:
        assert "canary" not in str(connection.execute(select(idempotency_keys)).all())
    with pytest.raises(KeyReusedError):
        submit_job(store.database, new_job(), idempotency_key=IdempotencyKey("canary", "other"))
    assert not submit_job(store.database, new_job(), idempotency_key=IdempotencyKey("new", "print")).repeated
