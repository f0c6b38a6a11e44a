"""What is read at once of a batch is small, whatever the length of its texts, and known before it is read."""

from typing import Any

import pytest

from jobs.intake.submission import submit_batch
from jobs.lifecycle import responses
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.transitions import finish
from jobs.model.status import JobStatus
from jobs.store.groups_by_bytes import groups_of_batch, most_bytes_at_once
from tests.store.store_fixtures import LEASE, Store, new_job, store, written

__all__ = ["store"]  # a fixture


def test_responses_of_long_texts_are_never_many_in_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, two hundred of them were read at once, of whatever length."""
    batch_id = submit_batch(store.database, [new_job(response={"model": "m1"})] * 10).id
    ids = store.ids(batch_id)
    for job_id in ids:
        store.claim(job_id)
        finish(store.database, job_id, 1, written("x" * 300_000))
    read: list[str] = []
    as_stored = responses._stored

    def note(row: Any) -> responses.StoredResponse:
        read.append(row["id"])
        return as_stored(row)

    monkeypatch.setattr(responses, "_stored", note)
    handed_out = []
    for response in responses.stream_responses(store.database, batch_id, [JobStatus.COMPLETED]):
        handed_out.append(response.job.id)
        assert len(read) - len(handed_out) < 3
    assert handed_out == ids


def test_how_much_is_read_at_once_of_a_batch_is_known_before(store: Store) -> None:
    batch_id = submit_batch(store.database, [new_job("y" * 100_000)] * 4).id
    for job_id, size in zip(store.ids(batch_id), (10, 20, 3_000_000), strict=False):
        store.claim(job_id)
        finish(store.database, job_id, 1, written("x" * size))
    assert most_bytes_at_once(store.database, batch_id) == 3_000_000
    assert 3_100_000 < most_bytes_at_once(store.database, batch_id, also=["request"]) < 3_101_000
    queued = most_bytes_at_once(store.database, batch_id, [JobStatus.QUEUED])
    assert 10_000 < queued < 100_000, "its text may have come when it is read"
    small = store.submit_batch(3)[0]
    assert most_bytes_at_once(store.database, small) == 3 * queued
    assert most_bytes_at_once(store.database, "batch_none") == 0


def test_jobs_that_end_with_long_texts_while_the_reader_is_slow_are_not_read_at_once(store: Store) -> None:
    """Before, the sizes of 200 jobs were read once: 30 that ran then were read with their 8 MB each."""
    batch_id = store.submit_batch(10)[0]
    ids = store.ids(batch_id)
    finish_with(store, ids[0], 2_000_000)
    groups = groups_of_batch(store.database, batch_id, list(JobStatus))
    assert next(groups) == [ids[0]]
    for job_id in ids[1:]:
        finish_with(store, job_id, 900_000)
    assert list(groups) == [[job_id] for job_id in ids[1:]]


def test_what_a_running_job_has_written_counts(store: Store) -> None:
    batch_id = store.submit_batch(3)[0]
    for job_id in store.ids(batch_id):
        store.claim(job_id, "w1")
        renew(store.database, "w1", [Checkpoint(job_id, 1, "x" * 900_000)], LEASE)
    assert [len(group) for group in groups_of_batch(store.database, batch_id, list(JobStatus))] == [1, 1, 1]


def finish_with(store: Store, job_id: str, size: int) -> None:
    store.claim(job_id)
    finish(store.database, job_id, 1, written("x" * size))
