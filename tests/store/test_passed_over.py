"""Who cannot use a turn, because none of its jobs is due, is next as soon as one is."""

import json
from collections import Counter

import pytest
from sqlalchemy import select, update

from jobs.dispatch.choice import Chosen
from jobs.dispatch.due_lanes import DueLanes
from jobs.dispatch.holds import HoldKind, pause, resume
from jobs.dispatch.lane_news import LaneNews, LaneTurn, LaneWish
from jobs.dispatch.lanes import Lanes
from jobs.dispatch.turn_costs import Ended
from jobs.dispatch.upstream_total import ALL_MODELS
from jobs.dispatch.upstream_turns import UpstreamTurns
from jobs.intake.submission import BatchOptions, submit_batch
from jobs.lifecycle.lease import Claimed, claim
from jobs.lifecycle.transitions import finish
from jobs.model.endings import MAX_CRASHES
from jobs.pace.reports import Refused
from jobs.tables import lanes as lane_rows
from jobs.upstreams import Upstreams, UpstreamSpec
from tests.sparing import on_sqlite
from tests.store.reserving import HINT_SECONDS, clock_at, lanes_of, unpaced, upstream
from tests.store.store_fixtures import LEASE, Store, new_job, store, written
from worker.reports import LaneReporter, Used

__all__ = ["store"]  # a fixture

STREAMS = 6
SECONDS = {"busy": 3, "rare": 6, "full": 6}
"""How long the texts of each project take."""


class Process:
    """A worker."""

    def __init__(self, store: Store, upstreams: int = 1) -> None:
        specs = [upstream(f"u{number}") for number in range(upstreams)]
        self.store, self.lanes = store, lanes_of(store.database, HINT_SECONDS, *specs)
        self.reporter = LaneReporter(self.lanes, store.clock, lambda: None)
        self.running: dict[str, tuple[float, Claimed]] = {}
        self.second = 0.0

    def submit(self, project: str, count: int, max_concurrency: int | None = None) -> None:
        submit_batch(
            self.store.database, [new_job()] * count, BatchOptions(project=project, max_concurrency=max_concurrency)
        )

    def submit_paused(self, project: str, models: int) -> str:
        """A batch whose jobs are all for another model. Returns its id."""
        some = [new_job(model=f"m-{number}") for number in range(models)]
        paused = submit_batch(self.store.database, some, BatchOptions(project=project)).id
        pause(self.store.database, HoldKind.BATCH, paused)
        return paused

    def run(self, seconds: int) -> Counter[str]:
        """How many texts of each project began within so many seconds."""
        began = Counter[str]()
        for _ in range(seconds):
            self.store.clock.advance(1)
            self.second += 1
            for job_id in [job_id for job_id, (until, _) in self.running.items() if until <= self.second]:
                _, claimed = self.running.pop(job_id)
                assert finish(self.store.database, job_id, 1, written("text"))
                took = SECONDS[claimed.job.project]
                self.reporter.end_turn(claimed, Used(10, 1), self.store.clock.after(-took), took)
            with unpaced(), clock_at(self.second):
                reserved = self.lanes.reserve(STREAMS - len(self.running), MAX_CRASHES).reserved
            for job_id in reserved:
                begun = claim(self.store.database, job_id, "w1", 1000 * LEASE)
                assert begun is not None
                self.running[job_id] = (self.second + SECONDS[begun.job.project], begun)
                began[begun.job.project] += 1
        return began


@on_sqlite
def test_a_project_whose_batch_was_full_for_long_has_its_share_at_once(store: Store) -> None:
    """Before, each round put it further back: it started nothing for minutes."""
    process = Process(store)
    process.submit("full", 100, max_concurrency=1)
    process.submit("busy", 20)
    assert process.run(30)["full"] == 5
    process.submit("busy", 100)
    process.submit("full", 100)
    began = process.run(36)
    assert 15 <= began["full"] <= 24, began


@on_sqlite
def test_a_project_that_had_nothing_left_in_a_round_is_next_when_it_comes_again(store: Store) -> None:
    """Before, it started nothing beside one that always had jobs waiting."""
    process = Process(store)
    process.submit("rare", 3)
    assert process.run(9) == {"rare": 3}
    process.submit("busy", 100)
    assert process.run(10)["busy"] >= 18
    process.submit("rare", 9)
    began = process.run(18)
    assert began["rare"] == 9, began


@on_sqlite
def test_who_has_nothing_due_stays_not_first_where_the_others_use_its_turns(store: Store) -> None:
    """Before, with an upstream that had no room left it had all grants, and the others went by their names."""
    waiting = ["alpha", "beta", "gamma"]
    due = DueLanes()
    due.begin({"m1": waiting}, are_all=True)
    turns = UpstreamTurns(store.database, due)
    turns.read({}, STREAMS)
    spec = UpstreamSpec(name="default", url="")
    wish = LaneWish(spec, "m1", waiting, MAX_CRASHES, STREAMS, grants=["gamma", "gamma"])
    reserved = [Chosen(f"job_{number}", "alpha", None) for number in range(2)]
    turn = LaneTurn(reserved, 2, 0, store.clock.now, costs=[1.0, 1.0])
    due.note(wish, turn)
    turns.note(wish, turn, {}, waiting)
    assert turns.in_order("default", waiting) == ["beta", "gamma", "alpha"]


def test_a_turn_that_ends_as_somebody_is_refused_costs_what_it_costs(store: Store) -> None:
    """Before, it was charged for a million streams: 10,000 times as much."""
    upstreams = Upstreams((UpstreamSpec(name="default", url="", tokens_per_minute=60_000),), {})
    costs, lanes = [], Lanes(store.database, HINT_SECONDS, lambda: upstreams)
    for is_refused in (False, True):
        lanes.reserve(100, MAX_CRASHES)
        project = f"refused {is_refused}"
        lanes.note(("default", "m1"), LaneNews(ended=[Ended(project, 3.0, 100, 1)]))
        if is_refused:
            now = store.clock.now.timestamp()
            lanes.note(("default", "m1"), LaneNews([Refused(now, now, None, 5, 100)]))
            assert lanes.write_news(("default", "m1"))
        store.clock.advance(2)
        lanes.reserve(100, MAX_CRASHES)
        with store.database.read() as connection:
            stored = connection.scalars(select(lane_rows.c.turns).where(lane_rows.c.model == ALL_MODELS)).one()
        costs.append(json.loads(stored)["projects"]["costs"][project])
    assert costs[1] == pytest.approx(costs[0], rel=0.2)


@on_sqlite
@pytest.mark.parametrize(
    "stored", ["{", "[]", '"x"', '{"projects": []}', '{"projects": {"times": {"a": null}}}', '{"streams": {"a": 1}}']
)
def test_turns_that_nobody_can_read_begin_anew(store: Store, stored: str) -> None:
    process = Process(store)
    process.submit("rare", 1)
    assert process.run(1) == {"rare": 1}
    with store.database.write() as connection:
        connection.execute(update(lane_rows).where(lane_rows.c.model == ALL_MODELS).values(turns=stored))
    process.submit("rare", 2)
    assert process.run(2) == {"rare": 2}


@on_sqlite
@pytest.mark.parametrize("upstreams", [1, 2])
def test_models_that_cannot_start_take_no_stream_from_another_project(store: Store, upstreams: int) -> None:
    """Before, a paused batch of 300 models kept another project from all its streams, without one call."""
    process = Process(store, upstreams)
    process.submit("busy", 200)
    process.run(10)
    process.submit_paused("rare", 300)
    began = process.run(30)
    assert began["busy"] >= 54, began


@on_sqlite
@pytest.mark.parametrize("upstreams", [1, 2])
def test_a_project_has_its_share_of_one_model_beside_many_that_cannot_start(store: Store, upstreams: int) -> None:
    process = Process(store, upstreams)
    process.submit_paused("full", 20)
    process.submit("busy", 200)
    process.run(30)
    process.submit("full", 100)
    process.run(30)
    began = process.run(36)
    assert 15 <= began["full"] <= 24, began
    assert began["busy"] + 2 * began["full"] >= 66, began


@on_sqlite
@pytest.mark.parametrize("upstreams", [1, 2])
def test_what_is_resumed_starts_in_its_turn(store: Store, upstreams: int) -> None:
    process = Process(store, upstreams)
    paused = process.submit_paused("full", 60)
    process.submit("busy", 200)
    process.run(30)
    resume(store.database, HoldKind.BATCH, paused)
    process.run(12)
    began = process.run(36)
    assert 15 <= began["full"] <= 24, began


@on_sqlite
@pytest.mark.parametrize("upstreams", [1, 2])
def test_a_paused_project_pays_for_no_stream(store: Store, upstreams: int) -> None:
    """Before, where several upstreams share the streams, it paid for one in each round, and had none for long after."""
    process = Process(store, upstreams)
    process.submit("full", 200)
    process.submit("busy", 200)
    process.run(12)
    pause(store.database, HoldKind.PROJECT, "full")
    process.run(40)
    resume(store.database, HoldKind.PROJECT, "full")
    began = process.run(36)
    assert 15 <= began["full"] <= 24, began
