"""What is hinted next: a bounded number, by priority, in turn over the batches, and no job twice at once."""

from collections import Counter
from functools import partial

import pytest
from sqlalchemy import update

from jobs.intake.submission import BatchOptions, submit_batch
from jobs.lifecycle.rescue import cancel_job
from jobs.lifecycle.transitions import release, retry
from jobs.model.status import JobStatus
from jobs.store.database import Database
from jobs.tables import jobs
from tests.sparing import on_sqlite
from tests.store.plans import plans_of
from tests.store.reserving import take_due
from tests.store.store_fixtures import REFUSED, Store, at_once, counted, new_job, store, written

__all__ = ["store"]  # a fixture

HINT_SECONDS = 30.0


def due(store: Store, room: int = 100) -> list[str]:
    """What one round of dispatch would hint."""
    return take_due(store.database, room, HINT_SECONDS)


def unhinted(store: Store, count: int = 1, **options: object) -> list[str]:
    """Jobs without a batch."""
    return sorted(store.submit(**options) for _ in range(count))


def test_jobs_are_hinted_in_the_order_of_submission(store: Store) -> None:
    ids = unhinted(store, 5)
    assert due(store) == ids
    assert {store.job(job_id).hinted_at for job_id in ids} == {store.clock.now}


def test_nothing_is_hinted_twice_until_its_hint_is_taken_for_lost(store: Store) -> None:
    ids = unhinted(store, 3)
    assert due(store) == ids
    store.clock.advance(HINT_SECONDS - 0.001)
    assert due(store) == []
    store.clock.advance(0.001)
    assert due(store) == ids


def test_no_more_are_hinted_than_there_is_room_for(store: Store) -> None:
    ids = unhinted(store, 10)
    assert due(store, room=4) == ids[:4]
    assert due(store, room=0) == []
    assert due(store, room=-3) == []


def test_hints_that_nobody_has_claimed_yet_count_against_the_room(store: Store) -> None:
    ids = unhinted(store, 10)
    assert due(store, room=4) == ids[:4]
    assert due(store, room=4) == []
    assert due(store, room=6) == ids[4:6]
    store.claim(ids[0])
    assert due(store, room=6) == [ids[6]]


def test_a_lost_hint_makes_room_again(store: Store) -> None:
    ids = unhinted(store, 4)
    assert due(store, room=2) == ids[:2]
    store.clock.advance(HINT_SECONDS)
    assert due(store, room=2) == ids[:2]


def test_the_higher_priority_goes_first_also_over_batches(store: Store) -> None:
    low, _ = store.submit_batch(3)
    high, _ = store.submit_batch(2, priority=5)
    [middle] = unhinted(store, priority=2)
    assert due(store, room=5) == [*store.ids(high), middle, *store.ids(low)[:2]]


def test_the_batches_take_turns(store: Store) -> None:
    first, second, third = (store.submit_batch(3)[0] for _ in range(3))
    chosen = due(store, room=7)
    batch_of = {job_id: batch for batch in (first, second, third) for job_id in store.ids(batch)}
    assert sorted(Counter(batch_of[job_id] for job_id in chosen).values()) == [2, 2, 3]
    assert {batch_of[job_id] for job_id in chosen[:3]} == {first, second, third}


def test_a_small_batch_behind_a_big_one_gets_its_turn_in_the_first_round(store: Store) -> None:
    store.submit_batch(5000)
    _, small = store.submit_batch(10)
    chosen = due(store, room=20)
    assert set(small) <= set(chosen)
    assert len(chosen) == 20


@on_sqlite
@pytest.mark.parametrize("room", [1, 2, 3])
def test_with_little_room_every_batch_still_gets_its_turn(store: Store, room: int) -> None:
    for _ in range(3):
        store.submit_batch(50)
    chosen: Counter[str | None] = Counter()
    for _ in range(30):
        store.clock.advance(1)
        for job_id in due(store, room):
            chosen[store.claim(job_id).job.batch_id] += 1

    assert len(chosen) == 3
    assert max(chosen.values()) - min(chosen.values()) <= 1


@on_sqlite
def test_jobs_without_a_batch_do_not_starve_batches_nor_batches_them(store: Store) -> None:
    unhinted(store, 120)
    store.submit_batch(120)
    chosen: Counter[bool] = Counter()
    for _ in range(100):
        store.clock.advance(0.1)
        [job_id] = due(store, room=1)
        chosen[store.claim(job_id).job.batch_id is None] += 1
    assert chosen[True] == chosen[False] == 50


def test_more_batches_than_one_round_looks_at_are_all_served_in_time(store: Store) -> None:
    ids = sorted(job_id for _ in range(90) for job_id in store.submit_batch(1)[1])
    first = due(store, room=200)
    assert len(first) == 64
    for job_id in first:
        store.claim(job_id)
    assert sorted([*first, *due(store, room=200)]) == ids


def test_only_what_is_queued_due_wanted_and_in_time_is_hinted(store: Store) -> None:
    running, waiting, cancelled, expired, good = unhinted(store, 5, expires_at=store.clock.after(60))
    for job_id in (running, waiting, cancelled):
        store.claim(job_id)
    retry(store.database, waiting, 1, written(), REFUSED, store.clock.after(10))
    cancel_job(store.database, cancelled)
    release(store.database, cancelled, 1, written())
    with store.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == expired).values(expires_at=store.clock.now))
    assert due(store) == [good]
    store.clock.advance(10)
    assert due(store) == [waiting]


def test_a_released_job_is_hinted_at_once(store: Store) -> None:
    job_id = store.running()
    release(store.database, job_id, 1, written())
    assert due(store) == [job_id]


def test_two_dispatchers_at_once_never_both_take_a_job(store: Store) -> None:
    for _ in range(6):
        store.submit_batch(40)
    unhinted(store, 40)
    rounds = 0
    taken: list[str] = []
    while found := at_once([partial(due, store, room) for room in (40, 25, 60, 33)]):
        rounds += 1
        got = [job_id for some in found for job_id in some]
        taken += got
        if not got:
            break
        with store.database.write() as connection:
            connection.execute(update(jobs).where(jobs.c.id.in_(got)).values(status=JobStatus.IN_PROGRESS))
    assert len(taken) == len(set(taken)) == 280
    assert rounds > 2


def test_each_of_many_projects_starts_with_its_own_highest_priority(store: Store) -> None:
    first = set()
    for number in range(1, 8):
        options = BatchOptions(project=f"p{number}")
        submit_batch(store.database, [new_job()] * 2, options)
        first.add(store.ids(submit_batch(store.database, [new_job(priority=number)] * 2, options).id)[0])
    assert set(due(store, room=7)) == first


def test_a_turn_looks_for_the_jobs_of_several_projects_in_one_statement(store: Store) -> None:
    for number in range(4):
        submit_batch(store.database, [new_job()] * 2, BatchOptions(project=f"p{number}"))
    with counted(store) as statements:
        assert len(due(store, room=4)) == 4
    assert len([one for one in statements if "expires_at" in one and "batches" in one and "UNION ALL" in one]) == 1


def test_sqlite_reads_no_other_queued_job_to_reserve_some(sqlite_database: Database) -> None:
    """A turn that reserved 50 jobs read all that were queued: with 50,000, everybody waited 21 ms longer to write."""
    store = Store(sqlite_database)
    store.submit_batch(60)
    with plans_of(store.database) as plans:
        assert len(due(store, 50)) == 50
    [steps] = [steps for statement, steps in plans if "jobs.id IN" in statement]
    assert steps[0] == "SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 (id=?)"
