"""Long requests are erased with their jobs and drafts, a few bytes at a time."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Connection, select

from jobs.dispatch.due import BY_ID
from jobs.intake import drafts as drafts_module
from jobs.intake.drafts import Draft
from jobs.intake.submission import BatchOptions, submit_batch, submit_job
from jobs.lifecycle import erase
from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.erase import delete_batch, erase_job
from jobs.lifecycle.rescue import cancel_job
from jobs.tables import job_requests, jobs
from tests.store.long_requests import APART, count, job_of, submit
from tests.store.store_fixtures import Store, counted, store

__all__ = ["store"]  # a fixture


def test_a_long_request_is_erased_with_its_job(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, _ = submit(store, APART, monkeypatch)
    kept, _ = submit(store, APART, monkeypatch)
    batch_id = submit_batch(store.database, [job_of(9000) for _ in range(3)]).id
    cancel_job(store.database, alone)
    assert erase_job(store.database, alone)
    cancel_batch(store.database, batch_id)
    assert delete_batch(store.database, batch_id)
    with store.database.read() as connection:
        assert list(connection.scalars(select(job_requests.c.job_id))) == [kept]


def test_long_jobs_are_erased_one_at_a_time_and_short_ones_a_few(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round looks at its time between statements, and one that erased five of 9 MB took half a second."""
    sizes = [500, 500, 500, 100_000, 100_000, *[500] * 7]
    batch_id = submit_batch(store.database, [job_of(size) for size in sizes]).id
    ids = store.ids(batch_id)
    cancel_batch(store.database, batch_id)
    erased: list[int] = []
    as_it_is = erase.erase_jobs

    def note(connection: Connection, some: Sequence[str]) -> None:
        erased.append(len(some))
        as_it_is(connection, some)

    monkeypatch.setattr(erase, "ROUND_SECONDS", 60.0)
    monkeypatch.setattr(erase, "erase_jobs", note)
    assert delete_batch(store.database, batch_id)
    assert (erased, sum(erased)) == ([1, 2, 1, 1, 5, 2], len(ids))
    assert (count(store.database, jobs), count(store.database, job_requests)) == (0, 0)


def test_a_round_of_deleting_erases_a_job_however_slow_the_database_is(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a round that erased none it was thought that nothing is left, until the next look in ten seconds."""
    monkeypatch.setattr(erase, "ROUND_SECONDS", -1.0)
    ids = [submit_job(store.database, job_of(size)).id for size in (500, 9000)]
    for job_id in ids:
        cancel_job(store.database, job_id)
    rounds = [erase.erase_some_jobs(store.database, jobs.c.id.in_(ids), BY_ID) for _ in range(3)]
    assert rounds == [1, 1, 0]


def test_a_draft_is_cleared_away_with_its_long_requests_a_few_bytes_at_a_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts_module, "_BYTES_PER_DELETE", 20_000)
    draft = Draft(store.database, BatchOptions())
    draft.add([job_of(size) for size in (500, 9000, 9000, 500, 30_000, 9000)])
    assert count(store.database, job_requests) == 4
    with counted(store) as statements:
        draft.drop()
    assert len([one for one in statements if one.startswith("DELETE FROM jobs ")]) == 3
    assert (count(store.database, jobs), count(store.database, job_requests)) == (0, 0)
