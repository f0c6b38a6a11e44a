"""Files as rows: uploads, and the outputs that come and go with the end of a batch."""

from typing import Any

import pytest
from sqlalchemy import update

from jobs.intake.drafts import Draft
from jobs.intake.submission import BatchOptions
from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.retry import retry_batch, retry_job
from jobs.lifecycle.transitions import fail, finish
from jobs.model.batch_records import Batch
from jobs.model.endings import JobError
from jobs.model.status import JobStatus
from jobs.store.files import (
    File,
    add_upload,
    delete_expired,
    delete_file,
    keep_bytes,
    list_files,
    read_file,
    which_exist,
)
from jobs.store.queries import read_batch
from jobs.tables import files
from tests.store.store_fixtures import REFUSED, Store, new_job, store, written

__all__ = ["store"]


def listed(store: Store, **wanted: Any) -> list[File]:
    given = {"project": "default", "purpose": None, "after": None, "limit": 100, **wanted}
    return list_files(store.database, **given)[0]


def batch_of(store: Store, batch_id: str) -> Batch:
    batch = read_batch(store.database, batch_id, project="default")
    assert batch is not None
    return batch


def end(store: Store, job_id: str, *, good: bool = True) -> None:
    attempt = store.claim(job_id).attempt
    if good:
        assert finish(store.database, job_id, attempt, written("text"))
    else:
        assert fail(store.database, job_id, attempt, written(), JobError("upstream_rejected", "no", 422))


def test_an_upload_is_found_by_its_project_until_it_expires(store: Store) -> None:
    kept = add_upload(store.database, "file_1", project="default", filename="a", size=3, seconds=None)
    short = add_upload(store.database, "file_2", project="default", filename="b", size=4, seconds=10)
    assert read_file(store.database, "file_1", project="default") == kept
    assert read_file(store.database, "file_1", project="other") is None
    assert not delete_file(store.database, "file_1", project="other")
    assert listed(store, project="other") == []
    assert listed(store) == [short, kept]
    assert delete_expired(store.database) == []
    store.clock.advance(10)
    assert read_file(store.database, "file_2", project="default") is None
    assert not delete_file(store.database, "file_2", project="default")
    assert listed(store) == [kept]
    assert delete_expired(store.database) == ["file_2"]
    assert which_exist(store.database, ["file_1", "file_2"]) == {"file_1"}
    assert delete_file(store.database, "file_1", project="default")
    assert listed(store) == []


@pytest.mark.parametrize(("good", "bad"), [(2, 1), (3, 0), (0, 3)])
def test_a_batch_that_ends_has_a_file_for_each_kind_of_end_that_it_saw(store: Store, good: int, bad: int) -> None:
    batch_id, ids = store.submit_batch(3)
    for place, job_id in enumerate(ids):
        assert batch_of(store, batch_id).output_file_id is None
        end(store, job_id, good=place < good)
    assert close_batch(store.database, batch_id)
    batch = batch_of(store, batch_id)
    assert (batch.output_file_id is not None, batch.error_file_id is not None) == (good > 0, bad > 0)
    named = {batch.output_file_id, batch.error_file_id} - {None}
    assert {file.id for file in listed(store, purpose="batch_output")} == named
    assert all(file.bytes is None and file.batch_id == batch_id for file in listed(store))


def test_after_a_retry_the_same_files_stand_for_what_there_is_now(store: Store) -> None:
    batch_id, ids = store.submit_batch(2)
    end(store, ids[0])
    end(store, ids[1], good=False)
    close_batch(store.database, batch_id)
    first = batch_of(store, batch_id)
    assert first.output_file_id is not None
    output = read_file(store.database, first.output_file_id, project="default")
    assert output is not None
    ended_at = first.times["finalizing_at"]
    assert ended_at is not None
    keep_bytes(store.database, output, 10, ended_at)
    counted = read_file(store.database, output.id, project="default")
    assert counted is not None
    assert counted.bytes == 10
    store.clock.advance(5)
    assert retry_batch(store.database, batch_id)
    assert (batch_of(store, batch_id).output_file_id, batch_of(store, batch_id).error_file_id) == (None, None)
    keep_bytes(store.database, output, 10, ended_at)  # counted before the retry, told after it
    again = read_file(store.database, output.id, project="default")
    assert again is not None
    assert again.bytes is None
    end(store, ids[1])
    close_batch(store.database, batch_id)
    assert (batch_of(store, batch_id).output_file_id, batch_of(store, batch_id).error_file_id) == (output.id, None)
    assert [file.id for file in listed(store)] == [output.id]


def test_a_deleted_output_takes_no_job_along_and_comes_back_with_a_retry(store: Store) -> None:
    batch_id, ids = store.submit_batch(1)
    end(store, ids[0], good=False)
    close_batch(store.database, batch_id)
    error_file = batch_of(store, batch_id).error_file_id
    assert error_file is not None
    assert delete_file(store.database, error_file, project="default")
    assert store.job(ids[0]).error_status == 422
    assert retry_job(store.database, ids[0], batch_id)
    assert store.job(ids[0]).error_status is None
    end(store, ids[0], good=False)
    close_batch(store.database, batch_id)
    assert [file.id for file in listed(store)] == [error_file]


def test_outputs_expire_as_long_after_the_end_as_was_asked(store: Store) -> None:
    draft = Draft(store.database, BatchOptions("default", "file_0", output_seconds=3600))
    draft.add([new_job()])
    batch_id = draft.accept().id
    store.clock.advance(100)
    cancel_batch(store.database, batch_id)
    (file,) = listed(store)
    assert file.expires_at == store.clock.after(3600)
    store.clock.advance(3600)
    assert listed(store) == []


def test_the_status_of_an_earlier_refusal_does_not_stay_when_a_worker_dies(store: Store) -> None:
    job_id = store.running()
    assert fail(store.database, job_id, 1, written(), JobError(REFUSED.code, REFUSED.message, 500))
    assert store.job(job_id).error_status == 500
    retry_job(store.database, job_id, None)
    attempt = store.claim(job_id).attempt
    assert finish(store.database, job_id, attempt, written("text"))
    assert (store.job(job_id).error_status, store.job(job_id).status) == (None, JobStatus.COMPLETED)


def test_pages_of_files_meet_without_a_gap(store: Store) -> None:
    for number in range(5):
        add_upload(store.database, f"file_{number}", project="default", filename="a", size=1, seconds=None)
    with store.database.write() as connection:  # one that has expired is on no page
        connection.execute(update(files).where(files.c.id == "file_2").values(expires_at=store.clock.now))
    first, more = list_files(store.database, project="default", purpose="batch", after=None, limit=2)
    assert ([file.id for file in first], more) == (["file_4", "file_3"], True)
    rest, more = list_files(store.database, project="default", purpose="batch", after="file_3", limit=2)
    assert ([file.id for file in rest], more) == (["file_1", "file_0"], False)
    upward, more = list_files(
        store.database, project="default", purpose="batch", after="file_1", limit=9, newest_first=False
    )
    assert ([file.id for file in upward], more) == (["file_3", "file_4"], False)
