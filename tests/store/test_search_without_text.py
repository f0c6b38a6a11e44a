"""Search by metadata, times and columns: exact, and each page in order through the right index."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

import jobs.store.metadata_pairs
import jobs.store.search
from jobs.intake.submission import submit_job
from jobs.model.status import JobStatus
from jobs.store.database import Database
from jobs.store.search import JobFilter, list_jobs
from jobs.tables import metadata_pairs
from tests.store.plans import plans_of
from tests.store.searching import found, store
from tests.store.store_fixtures import Store, new_job

__all__ = ["store"]  # a fixture


def plan_of(store: Store, **wanted: Any) -> str:
    """How SQLite reads a page of these jobs."""
    with plans_of(store.database) as plans:
        list_jobs(store.database, JobFilter(**wanted), project="default", after="job_9", limit=5)
    [plan] = [plan for statement, plan in plans if statement.startswith("SELECT jobs.")]
    return "; ".join(plan)


def test_metadata_are_found_by_project_and_by_every_pair(store: Store) -> None:
    first, second = (store.submit(metadata={"topic": "sea", "order": order}) for order in "12")
    theirs = submit_job(store.database, new_job(metadata={"topic": "sea"}), project="theirs").id
    assert found(store, metadata={"topic": "sea"}) == [second, first]
    assert found(store, metadata={"topic": "sea", "order": "1"}) == [first]
    assert found(store, metadata={"order": "1", "topic": "land"}) == []
    assert found(store, metadata={"topic": "sea"}, project="theirs") == [theirs]
    assert found(store, metadata={"topic": "sea"}, project=None) == [theirs, second, first]


def test_two_pairs_of_one_number_are_told_apart(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (jobs.store.metadata_pairs, jobs.store.search):
        monkeypatch.setattr(module, "pair_number", lambda key, _value: len(key))
    wanted = store.submit(metadata={"topic": "sea"})
    store.submit(metadata={"topic": "land"})
    store.submit(metadata={"tipoc": "sea"})
    assert found(store, metadata={"topic": "sea"}) == [wanted]


def test_the_pairs_of_a_deleted_job_go_with_it(store: Store) -> None:
    gone, kept = (store.submit(metadata={"topic": "sea", "文": '"'}) for _ in range(2))
    with store.database.write() as connection:
        jobs.store.metadata_pairs.remove_pairs(connection, [gone])
        assert set(connection.scalars(select(metadata_pairs.c.job_id))) == {kept}


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_page_after_a_job_stays_within_the_times_that_were_asked(store: Store, newest_first: bool) -> None:
    ids = []
    for _ in range(6):
        ids.append(store.submit())
        store.clock.advance(700)
    times = [store.job(job_id).created_at for job_id in ids]
    for first, last in ((0, 5), (1, 4), (2, 2), (4, 1)):
        for after in (None, *ids):
            expected = [job_id for job_id, made in zip(ids, times, strict=True) if times[first] <= made < times[last]]
            expected = [one for one in expected if after is None or (one < after if newest_first else one > after)]
            wanted = JobFilter(created_after=times[first], created_before=times[last])
            page, _ = list_jobs(
                store.database, wanted, project="default", after=after, limit=9, newest_first=newest_first
            )
            assert [job.id for job in page] == expected[:: -1 if newest_first else 1]


@pytest.mark.parametrize(
    ("wanted", "way"),
    [
        ({}, "jobs_of_project (project=? AND id<?)"),
        ({"status": JobStatus.FAILED}, "jobs_by_status (project=? AND status=? AND id<?)"),
        ({"model": "m1"}, "jobs_by_model (project=? AND model=? AND id<?)"),
        (
            {"model": "m1", "status": JobStatus.FAILED},
            "jobs_by_model_and_status (project=? AND model=? AND status=? AND id<?)",
        ),
        ({"custom_id": "c", "batch_id": "b", "model": "m1"}, "jobs_by_custom_id (project=? AND custom_id=? AND id<?)"),
        ({"batch_id": "b"}, "jobs_in_batch (batch_id=? AND id<?)"),
        ({"batch_id": "b", "model": "m1"}, "jobs_in_batch (batch_id=? AND id<?)"),
        ({"alone": True}, "jobs_in_batch (batch_id=? AND id<?)"),
        ({"alone": True, "status": JobStatus.FAILED}, "jobs_in_batch (batch_id=? AND id<?)"),
        ({"metadata": {"a": "b"}}, "metadata_pairs USING PRIMARY KEY (project=? AND pair=? AND job_id<?)"),
        (
            {"metadata": {"a": "b"}, "status": JobStatus.FAILED, "batch_id": "b"},
            "metadata_pairs USING PRIMARY KEY (project=? AND pair=? AND job_id<?)",
        ),
    ],
)
def test_sqlite_reads_a_page_in_order_through_the_right_index(
    sqlite_database: Database, wanted: dict[str, Any], way: str
) -> None:
    plan = plan_of(Store(sqlite_database), **wanted)
    assert way in plan
    assert "TEMP B-TREE" not in plan


def test_created_before_looks_up_by_the_lower_of_two_bounds(sqlite_database: Database) -> None:
    store = Store(sqlite_database)
    plan = plan_of(store, created_before=store.clock.now - timedelta(days=1))
    assert "jobs_of_project (project=? AND id<?)" in plan
