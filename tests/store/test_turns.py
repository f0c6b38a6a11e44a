"""Turns: projects share by their weights, and no lane, model, batch or request keeps the others waiting."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from jobs.dispatch import choice, shares, waiting_models
from jobs.dispatch import lanes as dispatch_lanes
from jobs.dispatch.due import count_in_flight_of_batches
from jobs.dispatch.due_lanes import DueLanes
from jobs.dispatch.holds import HoldKind, pause
from jobs.dispatch.lane_news import LaneNews, LaneTurn, LaneWish
from jobs.dispatch.lane_rooms import LaneRooms
from jobs.dispatch.reservation import take_lane_turn
from jobs.dispatch.shares import StreamShares
from jobs.dispatch.turn_costs import Ended
from jobs.dispatch.upstream_turns import Ahead
from jobs.intake.submission import BatchOptions, submit_batch, submit_job
from jobs.lifecycle.transitions import finish
from jobs.model import fair_turns
from jobs.model.endings import MAX_CRASHES
from jobs.store.database import Database
from jobs.store.job_requests import MOST_OUTPUT_TOKENS
from jobs.tables import batches, jobs
from jobs.upstreams import UNDECLARED
from tests.sparing import on_sqlite
from tests.store.reserving import HINT_SECONDS, ONE, lanes_of, reserved_by, take_due, unpaced, upstream
from tests.store.store_fixtures import USAGE, Store, new_job, store, written

__all__ = ["store"]  # a fixture


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


@on_sqlite
def test_a_round_gives_few_lanes_a_turn_and_every_project_one_of_them(store: Store) -> None:
    """A round of 200 slow turns kept the jobs of others waiting for its end."""
    waiting = {**{f"m{number}": ["red"] for number in range(50)}, "own": ["blue"], "other": ["green"]}
    shares, served = StreamShares(DueLanes()), Counter[str]()
    for _ in range(30):
        rooms = LaneRooms([UNDECLARED], lambda _spec, _model: 10, {"default": 100}, most=2)
        shares.look_at(waiting)
        grants = shares.share(rooms, {}, 100, Ahead({}, DueLanes()))
        assert len(grants) == 2
        assert sum(map(len, grants.values())) < 100, "the rest is for the project whose turn it is"
        served.update(waiting[model][0] for _, model in grants)
    assert served["red"] == served["blue"] == served["green"] == 20


@on_sqlite
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


def test_projects_with_models_of_their_own_share_the_time_of_the_streams(sqlite_database: Database) -> None:
    """By number, the one with texts of ten seconds had nine of ten streams."""
    store, seconds = Store(sqlite_database), {"slow": 10, "quick": 1}
    for model in seconds:
        jobs = [new_job(model=model)] * (100 if model == "slow" else 600)
        submit_batch(store.database, jobs, BatchOptions(project=model))
    running: list[tuple[int, str, str]] = []
    used: Counter[str] = Counter()
    with unpaced():
        own = lanes_of(store.database, HINT_SECONDS)
        for second in range(120):
            for _, job_id, model in [one for one in running if one[0] == second]:
                finish(store.database, job_id, 1, written("text", usage=USAGE))
                own.note(("default", model), LaneNews(ended=[Ended(model, seconds[model])]))
            running = [one for one in running if one[0] > second]
            for job_id in own.reserve(10 - len(running), MAX_CRASHES).reserved:
                model = store.claim(job_id).job.project
                running.append((second + seconds[model], job_id, model))
            if second >= 20:
                used.update(model for _, _, model in running)
            store.clock.advance(1)
    assert used.total() >= 990, "no stream is free"
    assert abs(used["slow"] / used.total() - 0.5) < 0.1


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


@on_sqlite
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


@on_sqlite
@pytest.mark.parametrize("walked", [1000, 10])
def test_all_of_a_thousand_models_have_their_turn(store: Store, monkeypatch: pytest.MonkeyPatch, walked: int) -> None:
    """Also behind more models without room than a round looks at, and where they are more than it finds."""
    monkeypatch.setattr(waiting_models, "MOST_WALKED", walked)
    monkeypatch.setattr(shares, "MOST_MODELS", 5)
    monkeypatch.setattr(dispatch_lanes, "MOST_MODELS", 5)
    monkeypatch.setattr(fair_turns, "MOST_REMEMBERED", 10)
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
