"""Pages: every job, result and batch once, also while others write, and never many long ones in memory."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from jobs.intake.submission import submit_batch
from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.transitions import finish
from jobs.store import queries
from jobs.store.database import Database
from jobs.store.queries import StoredResult, list_batches, read_results, stream_results
from jobs.store.search import JobFilter, list_jobs
from tests.store.store_fixtures import Store, new_job, store, written
from tests.store.test_queries import completed

__all__ = ["store"]  # a fixture


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("limit", [1, 3, 7, 10, 11])
def test_pages_have_every_job_once(store: Store, newest_first: bool, limit: int) -> None:
    _, ids = store.submit_batch(10)
    seen: list[str] = []
    more = True
    while more:
        after = seen[-1] if seen else None
        page, more = list_jobs(
            store.database, JobFilter(), after=after, limit=limit, newest_first=newest_first, project=None
        )
        assert len(page) == limit or not more
        seen += [job.id for job in page]
    assert seen == (ids[::-1] if newest_first else ids)


@pytest.mark.parametrize("newest_first", [True, False])
def test_pages_lose_and_double_nothing_while_jobs_are_submitted_and_end(store: Store, newest_first: bool) -> None:
    ids = sorted(store.submit() for _ in range(9))
    seen: list[str] = []
    added: list[str] = []
    more = True
    while more:
        after = seen[-1] if seen else None
        page, more = list_jobs(
            store.database, JobFilter(), after=after, limit=2, newest_first=newest_first, project=None
        )
        seen += [job.id for job in page]
        if len(added) < 4:
            added += store.submit_batch(1)[1]
            completed(store, "x", model="m2") if newest_first else store.claim(page[0].id)
    assert len(seen) == len(set(seen))
    assert [job_id for job_id in seen if job_id in ids] == (ids[::-1] if newest_first else ids)
    # Towards the newest, what came meanwhile is met too; away from them, it is not.
    assert [job_id for job_id in seen if job_id in added] == ([] if newest_first else sorted(added))


def test_a_page_after_an_id_that_is_not_there_goes_on_from_its_place(store: Store) -> None:
    ids = sorted(store.submit() for _ in range(3))
    page, more = list_jobs(store.database, JobFilter(), after=ids[1] + "0", limit=5, project=None)
    assert ([job.id for job in page], more) == ([ids[1], ids[0]], False)


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 450])
def test_results_come_in_input_order_also_over_page_boundaries(store: Store, count: int) -> None:
    submitted = [new_job(custom_id=f"c{place}") for place in range(count)]
    batch_id = submit_batch(store.database, submitted).id
    store.submit_batch(3)
    results = list(stream_results(store.database, batch_id))
    assert [result.job.custom_id for result in results] == [f"c{place}" for place in range(count)]
    assert {result.text for result in results} <= {None}


def test_results_lose_and_double_nothing_while_jobs_end(store: Store) -> None:
    batch_id, ids = store.submit_batch(401)
    results = []
    for place, result in enumerate(stream_results(store.database, batch_id)):
        results.append(result)
        if place % 40 == 0:
            last = ids[-1 - place // 40]
            store.claim(last)
            finish(store.database, last, 1, written(last))
    assert [result.job.id for result in results] == ids
    # What had ended before it was read came with its text.
    assert [result.text for result in results[-5:]] == ids[-5:]
    assert {result.text for result in results[:-11]} == {None}
    cancel_batch(store.database, batch_id)
    assert {result.job.status for result in stream_results(store.database, batch_id)} == {"cancelled", "completed"}


def test_batches_come_newest_first_and_each_once(store: Store) -> None:
    ids = sorted(store.submit_batch(1)[0] for _ in range(5))
    page = partial(list_batches, store.database, limit=2, project=None)
    seen: list[str] = []
    more = True
    while more:
        shown, more = page(after=seen[-1] if seen else None)
        seen += [batch.id for batch in shown]
        store.submit_batch(1)
    assert seen == ids[::-1]


def test_results_of_long_texts_are_never_many_in_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    batch_id, ids = store.submit_batch(30)
    for job_id in ids:
        store.claim(job_id)
        finish(store.database, job_id, 1, written("x" * 300_000))
    reads = []

    def counted(database: Database, job_ids: Sequence[str], **options: Any) -> list[StoredResult]:
        found = read_results(database, job_ids, **options)
        reads.append(sum(len(result.text or "") for result in found))
        return found

    monkeypatch.setattr(queries, "read_results", counted)
    assert [result.job.id for result in stream_results(store.database, batch_id)] == ids
    assert sum(reads) == 30 * 300_000  # the fault: more than one page of rows holds
    assert max(reads) <= 1024 * 1024


def test_results_of_long_prompts_are_never_many_in_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    batch_id = submit_batch(store.database, [new_job("x" * 300_000)] * 10).id
    reads = []

    def counted(database: Database, job_ids: Sequence[str], **options: Any) -> list[StoredResult]:
        found = read_results(database, job_ids, **options)
        reads.append(sum(len(str(result.job.request)) for result in found))
        return found

    monkeypatch.setattr(queries, "read_results", counted)
    results = list(stream_results(store.database, batch_id, also=["request"]))
    assert [result.job.request for result in results] == [new_job("x" * 300_000).request] * 10
    assert sum(reads) > 10 * 300_000
    assert max(reads) <= 1024 * 1024
