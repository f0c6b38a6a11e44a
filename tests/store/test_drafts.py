"""Drafts: a batch that comes in pieces is there whole or not at all, and nobody sees it or runs it before."""

from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import Connection, event, func, select

from jobs.intake.drafts import ABANDONED_SECONDS, Draft, DraftLostError, clear_abandoned, store_batch
from jobs.intake.idempotency import IdempotencyKey, KeyReusedError
from jobs.intake.submission import Accepted, BatchOptions, NewJob
from jobs.lifecycle.retry import retry_batch
from jobs.store.queries import list_batches, read_batch
from jobs.store.search import JobFilter, list_jobs
from jobs.tables import drafts, jobs
from tests.store.reserving import take_due
from tests.store.store_fixtures import Store, at_once, new_job, store

__all__ = ["store"]
TERMS = BatchOptions("default", "file_1", {"a": "1"}, "24h", 86400.0, 3600)


def begin(store: Store, *sizes: int, terms: BatchOptions = TERMS) -> Draft:
    draft = Draft(store.database, terms)
    for size in sizes:
        draft.add([new_job(custom_id=f"{draft.total + place}") for place in range(size)])
        store.clock.advance(1)
    return draft


def stored(store: Store) -> tuple[int, int]:
    with store.database.read() as connection:
        counted = [connection.scalar(select(func.count()).select_from(table)) or 0 for table in (jobs, drafts)]
    return counted[0], counted[1]


def sizes_of_commits(store: Store) -> list[int]:
    """How many jobs there are after each commit from now on."""
    sizes: list[int] = []

    def note(connection: Connection) -> None:
        sizes.append(connection.scalar(select(func.count()).select_from(jobs)) or 0)

    event.listen(store.database.engine, "commit", note)
    return sizes


def test_nobody_sees_or_hints_what_is_not_accepted(store: Store) -> None:
    alone = store.submit()
    draft = begin(store, 3, 2)
    assert stored(store)[0] == 6
    shown, _ = list_jobs(store.database, JobFilter(), project="default", after=None, limit=100)
    assert [job.id for job in shown] == [alone]
    assert list_batches(store.database, project="default", after=None, limit=100) == ([], False)
    store.clock.advance(60)
    assert take_due(store.database, 100, 30.0) == [alone]
    draft.drop()
    assert stored(store) == (1, 0)


def test_an_accepted_batch_is_like_any_other(store: Store) -> None:
    began = store.clock.now
    draft = begin(store, 40, 2)
    accepted = draft.accept()
    batch = read_batch(store.database, accepted.id, project="default")
    assert batch is not None
    assert (batch.status, batch.total, batch.model, batch.input_file_id) == ("in_progress", 42, "m1", "file_1")
    assert batch.times["created_at"] == began
    assert batch.times["in_progress_at"] == store.clock.now
    assert batch.times["expires_at"] == began + timedelta(days=1)
    ids = store.ids(accepted.id)
    assert [store.job(job_id).custom_id for job_id in ids] == [str(number) for number in range(42)]
    assert take_due(store.database, 42, 30.0) == ids
    draft.drop()  # what is accepted stays
    assert stored(store) == (42, 0)


def test_a_refused_batch_has_failed_and_holds_no_job(store: Store) -> None:
    draft = begin(store, 3)
    refused = draft.refuse([{"code": "invalid_json_line", "line": 4, "message": "no", "param": None}])
    batch = read_batch(store.database, refused.id, project="default")
    assert batch is not None
    assert (batch.status, batch.total, batch.times["in_progress_at"]) == ("failed", 0, None)
    assert batch.times["failed_at"] == store.clock.now
    assert batch.errors == [{"code": "invalid_json_line", "line": 4, "message": "no", "param": None}]
    assert stored(store) == (0, 0)
    assert retry_batch(store.database, refused.id) == []


def test_a_repeated_key_gives_the_first_batch_and_leaves_nothing_of_the_second(store: Store) -> None:
    terms = BatchOptions("default", "file_1", idempotency_key=IdempotencyKey("k", "1"))
    first = begin(store, 2, terms=terms).accept()
    again = begin(store, 2, terms=terms).accept()
    refused = begin(store, 2, terms=terms).refuse([{"code": "x", "line": 1, "message": "y", "param": None}])
    assert (again.id, again.repeated) == (first.id, True)
    assert (refused.id, refused.repeated) == (first.id, True)
    assert stored(store) == (2, 0)
    other = begin(store, 2, terms=BatchOptions("default", "file_1", idempotency_key=IdempotencyKey("k", "2")))
    with pytest.raises(KeyReusedError):
        other.accept()
    other.drop()
    assert stored(store) == (2, 0)


def test_a_draft_whose_maker_is_gone_is_cleared_away_in_steps(store: Store) -> None:
    begin(store, *[1500] * 4)
    store.clock.advance(ABANDONED_SECONDS - 2)
    assert clear_abandoned(store.database) == []
    assert stored(store) == (6000, 1)
    store.clock.advance(2)
    assert len(clear_abandoned(store.database)) == 1
    assert stored(store) == (1000, 1)  # not more at once than others can wait for
    clear_abandoned(store.database)
    assert stored(store) == (0, 0)
    assert clear_abandoned(store.database) == []


def test_a_maker_that_comes_back_too_late_can_do_nothing(store: Store) -> None:
    draft = begin(store, 10, *[1500] * 4)
    store.clock.advance(ABANDONED_SECONDS)
    clear_abandoned(store.database)
    for come_back in (lambda: draft.add([new_job()]), draft.accept):
        with pytest.raises(DraftLostError):
            come_back()
    clear_abandoned(store.database)
    clear_abandoned(store.database)
    assert stored(store) == (0, 0)
    with pytest.raises(DraftLostError):
        draft.accept()
    draft.drop()
    assert list_batches(store.database, project="default", after=None, limit=100) == ([], False)


@pytest.mark.parametrize(
    ("count", "letters", "most"), [(1201, 10, 500), (6, 900_000, 3), (500, 10, 500)], ids=["many", "long", "small"]
)
def test_a_batch_keeps_others_from_writing_for_a_piece_of_it_only(
    store: Store, count: int, letters: int, most: int
) -> None:
    """Fifty thousand jobs in one transaction kept every other project out of SQLite for 2.5 to 3.8 s."""
    sizes = sizes_of_commits(store)
    accepted = store_batch(store.database, [new_job("x" * letters)] * count, TERMS, warnings=[{"code": "w"}])
    assert max(after - before for before, after in pairwise([0, *sizes])) == most
    assert stored(store) == (count, 0)
    batch = read_batch(store.database, accepted.id, project="default")
    assert batch is not None
    assert (batch.status, batch.total, batch.warnings) == ("in_progress", count, [{"code": "w"}])


PAIRS = {f"key {number}": "x" * 500 for number in range(16)}
CELLS = {"topic": "x" * 16_000}


@pytest.mark.parametrize("long", [new_job(metadata=PAIRS), new_job(cells=CELLS)], ids=["metadata", "cells"])
def test_what_a_job_has_beside_its_request_counts_in_what_one_transaction_stores(store: Store, long: NewJob) -> None:
    """Jobs with all the metadata that they may have made a transaction five times as dear."""
    sizes = sizes_of_commits(store)
    store_batch(store.database, [long] * 500, TERMS)
    assert max(after - before for before, after in pairwise([0, *sizes])) in range(100, 150)
    assert stored(store) == (500, 0)


def test_metadata_count_in_what_one_transaction_deletes_of_a_draft(store: Store) -> None:
    draft = Draft(store.database, TERMS)
    draft.add([new_job(metadata=PAIRS)] * 200)
    sizes = sizes_of_commits(store)
    draft.drop()
    assert max(before - after for before, after in pairwise([200, *sizes])) in range(50, 75)
    assert stored(store) == (0, 0)


def test_a_large_batch_comes_once_for_each_key(store: Store) -> None:
    terms = BatchOptions(idempotency_key=IdempotencyKey("k", "1"))

    def submit() -> Accepted:
        return store_batch(store.database, [new_job()] * 501, terms)

    accepted = at_once([submit] * 4)
    assert len({one.id for one in accepted}) == 1
    assert sorted(one.repeated for one in accepted) == [False] + [True] * 3
    assert submit() == Accepted(accepted[0].id, repeated=True)
    with pytest.raises(KeyReusedError):
        store_batch(store.database, [new_job()] * 501, BatchOptions(idempotency_key=IdempotencyKey("k", "2")))
    assert stored(store) == (501, 0)


def test_a_large_batch_with_one_bad_job_stores_nothing(store: Store) -> None:
    before = store.rows()
    with pytest.raises(Exception, match=r"(?i)null"):
        store_batch(store.database, [*[new_job()] * 700, NewJob(request={"model": None})], TERMS)
    assert store.rows() == before
