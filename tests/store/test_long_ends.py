"""Jobs that leave their status without their workers, and have long texts: few in one transaction, for on SQLite
everybody waits for it. 150 queued jobs with texts of 60,000 random letters were indexed in one of 35 s.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, update

from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.rescue import expire_and_cancel_queued, rescue_dead, rescue_lost
from jobs.lifecycle.transitions import release
from jobs.model.status import JobStatus
from jobs.store.stored_texts import end_with_longest
from jobs.store.text_bytes import MOST_BYTES_TOGETHER, first_with_bytes
from jobs.tables import jobs
from tests.store.store_fixtures import LEASE, Store, store, written
from tests.text_so_far import read_text_so_far

__all__ = ["store"]  # a fixture

HALF = MOST_BYTES_TOGETHER // 2
GROUPS = [[HALF, HALF], [10], [3 * MOST_BYTES_TOGETHER], [10, 10, HALF]]
"""The lengths of texts, in bytes, as they may be written together."""
SIZES = [size for group in GROUPS for size in group]


def text_of(size: int) -> str:
    """A text of so many bytes, which are not its characters."""
    return "雨" * (size // 3) + "x" * (size % 3)


def begun(store: Store) -> tuple[str, list[str]]:
    """A batch whose jobs run and have these texts so far."""
    batch_id, ids = store.submit_batch(len(SIZES))
    for job_id in ids:
        store.claim(job_id)
    checkpoints = [Checkpoint(job_id, 1, text_of(size)) for job_id, size in zip(ids, SIZES, strict=True)]
    assert renew(store.database, "w1", checkpoints, LEASE) == set(ids)
    return batch_id, ids


def queued(store: Store) -> tuple[str, list[str]]:
    """The same, after their worker has given them back."""
    batch_id, ids = begun(store)
    for job_id, size in zip(ids, SIZES, strict=True):
        assert release(store.database, job_id, 1, written(text_of(size)))
    return batch_id, ids


def assert_whole(store: Store, ids: Sequence[str], status: JobStatus) -> None:
    found = [(store.job(job_id).status, read_text_so_far(store.database, job_id)) for job_id in ids]
    assert found == [(status, (1, text_of(size))) for size in SIZES]


def test_jobs_are_taken_together_as_long_as_their_texts_are_short(store: Store) -> None:
    _, ids = queued(store)
    left = [(job_id, 1) for job_id in ids]
    for group in GROUPS:
        with store.database.read() as connection:
            assert first_with_bytes(connection, left) == [job_id for job_id, _ in left[: len(group)]]
        left = left[len(group) :]
    with store.database.read() as connection:
        assert first_with_bytes(connection, left) == []
        assert first_with_bytes(connection, [("job_without_a_text", 0)] * 200) == ["job_without_a_text"] * 200


def test_queued_jobs_with_long_texts_expire_a_few_at_a_time(store: Store) -> None:
    _, ids = queued(store)
    with store.database.write() as connection:
        connection.execute(update(jobs).values(expires_at=store.clock.now))
    assert [len(expire_and_cancel_queued(store.database)) for _ in range(5)] == [*map(len, GROUPS), 0]
    assert_whole(store, ids, JobStatus.EXPIRED)


def test_a_cancel_ends_a_few_jobs_with_long_texts_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    batch_id, ids = queued(store)
    ended: list[int] = []

    def note(connection: Connection, job_ids: Sequence[str]) -> Any:
        ended.append(len(job_ids))
        return end_with_longest(connection, job_ids)

    monkeypatch.setattr("jobs.lifecycle.rescue.end_with_longest", note)
    assert {change.id for change in cancel_batch(store.database, batch_id)} == set(ids)
    assert ended == [*map(len, GROUPS)]
    assert_whole(store, ids, JobStatus.CANCELLED)


def test_long_texts_are_rescued_a_few_at_a_time(store: Store) -> None:
    _, ids = begun(store)
    store.clock.advance(LEASE + 1)
    assert [len(rescue_lost(store.database)) for _ in range(5)] == [*map(len, GROUPS), 0]
    assert_whole(store, ids, JobStatus.QUEUED)


def test_all_jobs_of_a_dead_worker_are_rescued(store: Store) -> None:
    _, ids = begun(store)
    assert [change.id for change in rescue_dead(store.database, "w1")] == ids
    assert_whole(store, ids, JobStatus.QUEUED)
