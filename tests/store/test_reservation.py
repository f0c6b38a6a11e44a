"""Reservation: no job twice, no lane above its window, whoever dispatches and claims at the same time."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, update

from jobs.dispatch import choice, fair, shares, waiting_models
from jobs.dispatch import lanes as dispatch_lanes
from jobs.dispatch.due import count_in_flight_of_batches
from jobs.dispatch.holds import HoldKind, pause
from jobs.dispatch.lane_news import LaneTurn, LaneWish
from jobs.dispatch.reservation import take_lane_turn
from jobs.dispatch.shares import LaneRooms, StreamShares
from jobs.intake.submission import BatchOptions, submit_batch, submit_job
from jobs.lifecycle.lease import claim
from jobs.lifecycle.rescue import rescue_lost
from jobs.lifecycle.transitions import finish, release, retry
from jobs.model.endings import MAX_CRASHES
from jobs.store.database import Database
from jobs.store.job_requests import MOST_OUTPUT_TOKENS
from jobs.tables import attempts, batches, jobs, lanes
from jobs.upstreams import UNDECLARED, UpstreamSpec
from tests.store.reserving import lanes_of, reserve, take_due, unpaced, upstream
from tests.store.store_fixtures import LEASE, REFUSED, USAGE, Store, at_once, new_job, store, written

__all__ = ["store"]  # a fixture

HINT_SECONDS = 30.0
ONE, OTHER = upstream("one"), upstream("other")


def reserved_by(database: Database, specs: list[UpstreamSpec], room: int) -> list[str]:
    return lanes_of(database, HINT_SECONDS, *specs).reserve(room, MAX_CRASHES).reserved


def in_flight(database: Database) -> int:
    held = jobs.c.status.in_(["queued", "in_progress"]), jobs.c.upstream.is_not(None)
    with database.read() as connection:
        return int(connection.scalar(select(func.count()).where(*held)) or 0)


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
    submit_batch(store.database, [new_job() for _ in range(120)])
    specs = [upstream("default", max_streams=5)]
    most: list[int] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.002):
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
            store.clock.advance(0.05)
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
    assert sum(counts) == 120
    with store.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(attempts)) == 120


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


def test_the_room_of_batches_is_counted_only_where_their_jobs_are_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, every turn locked all batches with a max_concurrency, of all projects: 600 made everybody wait 38 s."""
    terms = BatchOptions(max_concurrency=1)
    for _ in range(5):
        submit_batch(store.database, [new_job(model="other")], replace(terms, project="red"))
    own = submit_batch(store.database, [new_job(model="m1")], replace(terms, project="blue")).id
    asked: list[str] = []

    def note(connection: Connection, batch_ids: Sequence[str]) -> Counter[str]:
        asked.extend(batch_ids)
        return count_in_flight_of_batches(connection, batch_ids)

    monkeypatch.setattr(choice, "count_in_flight_of_batches", note)
    pause(store.database, HoldKind.MODEL, "other")
    assert take_due(store.database, 10, HINT_SECONDS) == store.ids(own)
    assert asked == [own]


def test_a_round_gives_few_lanes_a_turn_and_every_project_one_of_them(store: Store) -> None:
    """A round of 200 slow turns kept the jobs of others waiting for its end."""
    waiting = {**{f"m{number}": ["red"] for number in range(50)}, "own": ["blue"], "other": ["green"]}
    shares, served = StreamShares(), Counter[str]()
    for _ in range(30):
        rooms = LaneRooms([UNDECLARED], lambda _spec, _model: 10, {"default": 100}, most=2)
        shares.look_at(waiting)
        grants = shares.share(rooms, {}, 100)
        assert len(grants) == 2
        assert sum(grants.values()) < 100, "the rest is for the project whose turn it is"
        served.update(waiting[model][0] for _, model in grants)
    assert served["red"] == served["blue"] == served["green"] == 20


@pytest.mark.parametrize("room", [1, 4, 20])
def test_projects_share_by_weight_however_much_room_there_is(store: Store, room: int) -> None:
    for project, batches_of_it in (("a", 10), ("b", 1)):
        for _ in range(batches_of_it):
            submit_batch(store.database, [new_job()] * (300 // batches_of_it), BatchOptions(project=project))
    served: Counter[str] = Counter()
    with unpaced():
        own = lanes_of(store.database, HINT_SECONDS, b=3.0)
        while sum(served.values()) < 200:
            store.clock.advance(1)
            for job_id in own.reserve(room, MAX_CRASHES).reserved:
                claimed = store.claim(job_id)
                served[claimed.job.project] += 1
                finish(store.database, job_id, 1, written("text", usage=USAGE))
    assert abs(served["b"] / sum(served.values()) - 0.75) < 0.05


def test_a_project_that_comes_new_is_next(store: Store) -> None:
    submit_batch(store.database, [new_job()] * 50, BatchOptions(project="a"))
    assert len(take_due(store.database, 20, HINT_SECONDS)) == 20
    new = submit_batch(store.database, [new_job()] * 3, BatchOptions(project="b")).id
    chosen = take_due(store.database, 23, HINT_SECONDS)
    assert set(chosen) & set(store.ids(new)) == {store.ids(new)[0], store.ids(new)[1]}


def test_of_batches_that_nobody_has_served_the_earlier_deadline_is_first(store: Store) -> None:
    later = submit_batch(store.database, [new_job()] * 2, BatchOptions(completion_seconds=7200)).id
    none = submit_batch(store.database, [new_job()] * 2).id
    sooner = submit_batch(store.database, [new_job()] * 2, BatchOptions(completion_seconds=3600)).id
    chosen = [store.job(job_id).batch_id for job_id in take_due(store.database, 6, HINT_SECONDS)]
    assert chosen == [sooner, later, none] * 2


def test_a_model_without_room_does_not_delay_another(store: Store) -> None:
    store.submit_batch(50, model="slow")
    _, quick = store.submit_batch(5, model="quick")
    specs = [upstream("one", models=("slow",), max_streams=1), upstream("other", models=("quick",))]
    chosen = set(reserved_by(store.database, specs, 20))
    while more := set(reserved_by(store.database, specs, 20)):
        chosen |= more
        for job_id in more:
            store.claim(job_id)
        store.clock.advance(0.1)
    assert len(chosen - set(quick)) == 1
    assert chosen & set(quick)


def test_the_lowest_tier_with_room_gets_the_job_and_equals_share_by_weight(store: Store) -> None:
    store.submit_batch(60)
    specs = [
        upstream("cheap", tier=0, weight=1.0, max_streams=50),
        upstream("same", tier=0, weight=3.0, max_streams=50),
        upstream("dear", tier=1),
    ]
    with unpaced():
        reserved_by(store.database, specs, 40)
    with store.database.read() as connection:
        grouped = (
            select(jobs.c.upstream, func.count().label("count"))
            .where(jobs.c.upstream.is_not(None))
            .group_by(jobs.c.upstream)
        )
        counts = {row[0]: row[1] for row in connection.execute(grouped)}
    assert counts == {"cheap": 10, "same": 30}


def test_a_full_tier_leaves_jobs_to_the_next_one(store: Store) -> None:
    store.submit_batch(4)
    specs = [upstream("cheap", tier=0, max_streams=1), upstream("dear", tier=1)]
    reserved = reserved_by(store.database, specs, 10)
    assert sorted(str(store.job(job_id).upstream) for job_id in reserved)[0] == "cheap"
    assert {store.job(job_id).upstream for job_id in reserved} == {"cheap", "dear"}


def test_a_retry_prefers_another_upstream_and_takes_the_same_when_none_has_room(store: Store) -> None:
    job_id = store.submit()
    reserve(store.database, job_id, upstream="one")
    store.claim(job_id)
    retry(store.database, job_id, 1, written(), REFUSED, store.clock.now)
    assert reserved_by(store.database, [ONE, OTHER], 5) == [job_id]
    assert store.job(job_id).upstream == "other"
    store.claim(job_id)
    release(store.database, job_id, 2, written())
    with store.database.write() as connection:
        connection.execute(update(jobs).values(last_upstream="one"))
    assert reserved_by(store.database, [ONE], 5) == [job_id]


def test_a_job_that_names_an_upstream_goes_to_no_other(store: Store) -> None:
    job_id = store.submit(only_upstream="other")
    assert reserved_by(store.database, [ONE], 5) == []
    assert reserved_by(store.database, [ONE, OTHER], 5) == [job_id]
    assert store.job(job_id).upstream == "other"


def test_a_job_whose_model_no_upstream_takes_stays_queued(store: Store) -> None:
    store.submit(model="other-model")
    before = store.rows()["jobs"]
    assert reserved_by(store.database, [upstream("one", models=("gpt-*",))], 5) == []
    assert store.rows()["jobs"] == before


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


def test_a_batch_that_is_being_cancelled_is_not_served(store: Store) -> None:
    batch_id, _ = store.submit_batch(3)
    with store.database.write() as connection:
        connection.execute(update(batches).where(batches.c.id == batch_id).values(status="cancelling"))
    assert take_due(store.database, 5, HINT_SECONDS) == []


def test_a_lane_whose_turn_fails_stops_no_other_lane(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store.submit()
    other = store.submit(model="m2")

    def fails_for_m1(database: Database, wish: LaneWish, *given: Any) -> LaneTurn | None:
        if wish.model == "m1":
            raise OverflowError("played")
        return take_lane_turn(database, wish, *given)

    monkeypatch.setattr("jobs.dispatch.lanes.take_lane_turn", fails_for_m1)
    assert reserved_by(store.database, [upstream("default")], 10) == [other]
    assert "no job of m1 starts at default: its turn failed" in caplog.text


@pytest.mark.parametrize("wanted", [10**30, -(10**30), 2**31])
def test_a_request_for_any_number_of_tokens_keeps_no_job_waiting(store: Store, wanted: int) -> None:
    """Before, such a number ended every round of dispatch, for all models and projects."""
    greedy = replace(new_job(), request={**new_job().request, "max_tokens": wanted})
    first = submit_job(store.database, greedy).id
    store.clock.advance(1)
    second, third = store.submit(), store.submit(model="m2")
    assert set(reserved_by(store.database, [upstream("default")], 10)) == {first, second, third}
    with store.database.read() as connection:
        tokens = connection.scalar(select(jobs.c.reserved_tokens).where(jobs.c.id == first))
    assert tokens is not None
    assert 0 <= tokens < 2 * MOST_OUTPUT_TOKENS


def test_a_look_at_very_many_models_goes_on_where_the_one_before_ended(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To find 499,000 models took 10 s, and each round did it again, also while their project was paused."""
    monkeypatch.setattr(waiting_models, "MOST_WALKED", 5)
    submit_batch(store.database, [new_job(model=f"m-{place}") for place in range(9)], BatchOptions(project="red"))
    submit_job(store.database, new_job(model="z"), project="blue")
    walk, found = waiting_models.WaitingModels(4), []
    for _ in range(4):
        with store.database.read() as connection:
            found.append(walk.find(connection))
    assert walk.has_more
    assert [" ".join(sorted(models)) for models in found] == [
        "m-0 m-1 m-2 m-3 z", "m-4 m-5 m-6 m-7 z", "m-8 z", "m-0 m-1 m-2 m-3 z"
    ]  # fmt: skip
    assert found[0]["z"] == ["blue"]


def end(database: Database, ids: list[str]) -> None:
    with database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id.in_(ids)).values(status="completed", upstream=None))


@pytest.mark.parametrize("walked", [2000, 50])
def test_a_project_that_names_a_thousand_models_takes_no_other_project_s_turns(
    store: Store, monkeypatch: pytest.MonkeyPatch, walked: int
) -> None:
    """Whoever named a new model was next: 20,000 names kept everybody else waiting for minutes."""
    monkeypatch.setattr(waiting_models, "MOST_WALKED", walked)
    rounds = lanes_of(store.database, HINT_SECONDS, ONE)
    for _ in range(2):  # its model has had turns before
        known = submit_job(store.database, new_job(model="known"), project="blue")
        reserved = rounds.reserve(10, MAX_CRASHES).reserved
        assert reserved == [known.id]
        end(store.database, reserved)
    submit_batch(store.database, [new_job(model=f"m-{place}") for place in range(1000)], BatchOptions(project="red"))
    blue = {submit_job(store.database, new_job(model="known"), project="blue").id for _ in range(3)}
    assert blue < set(rounds.reserve(20, MAX_CRASHES).reserved)


@pytest.mark.parametrize("walked", [1000, 10])
def test_all_of_a_thousand_models_have_their_turn(store: Store, monkeypatch: pytest.MonkeyPatch, walked: int) -> None:
    """Also behind more models without room than a round looks at, and where they are more than it finds."""
    monkeypatch.setattr(waiting_models, "MOST_WALKED", walked)
    monkeypatch.setattr(shares, "MOST_MODELS", 5)
    monkeypatch.setattr(dispatch_lanes, "MOST_MODELS", 5)
    monkeypatch.setattr(fair, "MOST_REMEMBERED", 10)
    rounds = lanes_of(store.database, HINT_SECONDS, ONE)
    models = [f"m-{place:02}" for place in range(40)]
    for model in models[:20]:
        pause(store.database, HoldKind.MODEL, model)
    submit_batch(
        store.database, [new_job(model=model) for model in models for _ in range(2)], BatchOptions(project="red")
    )
    started: set[str] = set()
    for _ in range(60):
        reserved = rounds.reserve(3, MAX_CRASHES).reserved
        with store.database.read() as connection:
            started |= set(connection.scalars(select(jobs.c.model).where(jobs.c.id.in_(reserved))))
        end(store.database, reserved)
    assert started == set(models[20:])
