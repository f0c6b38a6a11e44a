"""Reservation: no job twice, no lane above its window, whoever dispatches and claims at the same time."""

import threading
from collections import Counter
from functools import partial

import pytest
from sqlalchemy import func, select

from jobs.intake.submission import BatchOptions, submit_batch
from jobs.lifecycle.lease import claim
from jobs.lifecycle.rescue import rescue_lost
from jobs.lifecycle.transitions import finish
from jobs.model.endings import MAX_CRASHES
from jobs.store.database import Database
from jobs.tables import attempts, jobs, lanes
from tests.store.reserving import HINT_SECONDS, in_flight, lanes_of, reserved_by, take_due, upstream
from tests.store.store_fixtures import LEASE, USAGE, Store, at_once, new_job, store, written

__all__ = ["store"]  # a fixture


def test_a_lane_never_has_more_in_flight_than_its_streams(store: Store) -> None:
    _, ids = store.submit_batch(30)
    narrow = [upstream("default", max_streams=3)]
    running: list[str] = []
    for _ in range(20):
        store.clock.advance(1)
        for job_id in reserved_by(store.database, narrow, 100):
            store.claim(job_id)
            running.append(job_id)
        assert in_flight(store.database) <= 3
        if running:
            finish(store.database, running.pop(0), 1, written("text", usage=USAGE))
    assert len(set(running)) == len(running)
    assert len([1 for job_id in ids if store.job(job_id).status == "completed"]) > 10


def test_eight_workers_at_once_neither_pass_the_window_nor_run_a_job_twice(store: Store) -> None:
    submit_batch(store.database, [new_job() for _ in range(60)])
    specs = [upstream("default", max_streams=5)]
    most: list[int] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.005):
            most.append(in_flight(store.database))

    def work(name: str) -> int:
        own = lanes_of(store.database, HINT_SECONDS, *specs)
        done = 0
        for _ in range(400):
            for job_id in own.reserve(20, MAX_CRASHES).reserved:
                claimed = claim(store.database, job_id, name, LEASE)
                claimed_twice = claim(store.database, job_id, name, LEASE)  # a hint that came twice
                assert claimed is not None
                assert claimed_twice is None
                assert finish(store.database, job_id, claimed.attempt, written("text", usage=USAGE))
                done += 1
            store.clock.advance(0.005)  # by less than a hint in all: a thread may rest between its hint and its claim
            if done and in_flight(store.database) == 0 and left(store.database) == 0:
                break
        return done

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        counts = at_once([partial(work, f"w{number}") for number in range(8)])
    finally:
        ended.set()
        watcher.join()
    assert max(most) <= 5
    assert sum(counts) == 60
    with store.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(attempts)) == 60


def left(database: Database) -> int:
    with database.read() as connection:
        return int(connection.scalar(select(func.count()).where(jobs.c.status == "queued")) or 0)


def test_a_lost_hint_costs_its_lane_a_stream_for_the_time_of_a_hint(store: Store) -> None:
    store.submit_batch(3)
    narrow = [upstream("default", max_streams=1)]
    first = reserved_by(store.database, narrow, 10)
    assert len(first) == 1
    assert reserved_by(store.database, narrow, 10) == []
    store.clock.advance(HINT_SECONDS)
    assert len(reserved_by(store.database, narrow, 10)) == 1
    assert in_flight(store.database) == 1


def test_a_claim_that_is_refused_leaves_its_stream_to_another_at_once(store: Store) -> None:
    cancelled, other = store.submit(expires_at=store.clock.after(5)), store.submit()
    narrow = [upstream("default", max_streams=1)]
    assert reserved_by(store.database, narrow, 10) == [cancelled]
    store.clock.advance(5)
    assert claim(store.database, cancelled, "w1", LEASE) is None
    assert reserved_by(store.database, narrow, 10) == [other]


def test_a_batch_runs_no_more_at_once_than_its_max_concurrency(store: Store) -> None:
    capped = submit_batch(store.database, [new_job() for _ in range(10)], BatchOptions(max_concurrency=2)).id
    free = submit_batch(store.database, [new_job() for _ in range(10)]).id
    chosen = Counter(store.job(job_id).batch_id for job_id in take_due(store.database, 12, HINT_SECONDS))
    assert chosen == {capped: 2, free: 10}
    for job_id in store.ids(capped)[:2]:
        store.claim(job_id)
    assert take_due(store.database, 12, HINT_SECONDS) == []
    finish(store.database, store.ids(capped)[0], 1, written("text", usage=USAGE))
    assert take_due(store.database, 12, HINT_SECONDS) == [store.ids(capped)[2]]


def test_capped_batches_of_several_models_stay_below_their_cap_too(store: Store) -> None:
    terms = BatchOptions(max_concurrency=3)
    submit_batch(store.database, [new_job(model=f"m{number % 4}") for number in range(12)], terms)
    assert len(take_due(store.database, 50, HINT_SECONDS)) == 3


def test_a_batch_with_room_is_found_behind_many_that_are_full(store: Store) -> None:
    terms = BatchOptions(max_concurrency=1)
    full = [submit_batch(store.database, [new_job()] * 2, terms).id for _ in range(70)]  # more than a look finds
    chosen = [job_id for _ in range(2) for job_id in take_due(store.database, 100, HINT_SECONDS)]
    assert {store.job(job_id).batch_id for job_id in chosen} == set(full)
    for job_id in chosen[:40]:
        store.claim(job_id)
    last = submit_batch(store.database, [new_job()] * 2, terms).id
    assert [store.job(job_id).batch_id for job_id in take_due(store.database, 100, HINT_SECONDS)] == [last]


def test_the_jobs_of_a_dead_worker_count_in_their_lane_until_they_are_rescued(store: Store) -> None:
    first, second = store.submit(), store.submit()
    narrow = [upstream("default", max_streams=1)]
    assert reserved_by(store.database, narrow, 5) == [first]
    store.claim(first, "dead")
    assert reserved_by(store.database, narrow, 5) == []
    store.clock.advance(LEASE + 1)
    rescue_lost(store.database)
    assert reserved_by(store.database, narrow, 5) == [first]
    assert store.job(second).upstream is None


def test_a_lane_whose_state_cannot_be_read_begins_anew(store: Store) -> None:
    job_id = store.submit()
    row = {"upstream": "default", "model": "m1", "pace": '{"nonsense": 1}', "updated_at": store.clock.now}
    with store.database.write() as connection:
        connection.execute(lanes.insert().values(row))
    assert reserved_by(store.database, [upstream("default")], 5) == [job_id]


@pytest.mark.parametrize("turns", ["{", "7", '{"alone_at": 1}', '{"alone_at": {"default": "long ago"}}'])
def test_turns_that_cannot_be_read_do_not_stop_the_lane(store: Store, turns: str) -> None:
    job_id = store.submit()
    row = {"upstream": "default", "model": "m1", "turns": turns, "updated_at": store.clock.now}
    with store.database.write() as connection:
        connection.execute(lanes.insert().values(row))
    assert take_due(store.database, 1, HINT_SECONDS) == [job_id]
