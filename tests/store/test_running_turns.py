"""What a project's turns cost whose texts still run, and of which nobody knows yet how long they take."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain, cycle, repeat
from statistics import mean

import pytest
from sqlalchemy import select, update

from jobs.dispatch.upstream_total import ALL_MODELS
from jobs.intake.submission import BatchOptions, submit_batch
from jobs.lifecycle.lease import Claimed, claim
from jobs.lifecycle.rescue import cancel_job
from jobs.lifecycle.transitions import finish
from jobs.model.endings import MAX_CRASHES
from jobs.tables import lanes
from tests.sparing import on_sqlite
from tests.store.reserving import HINT_SECONDS, clock_at, lanes_of, unpaced, upstream
from tests.store.store_fixtures import LEASE, Store, new_job, store, written
from worker.reports import LaneReporter, Used

__all__ = ["store"]  # a fixture

STREAMS = 12


class Process:
    """A worker. `texts`: the seconds that those of each project take, one after the other."""

    def __init__(self, store: Store, texts: Mapping[str, Iterator[float]], upstreams: int = 1) -> None:
        self.store, self.texts = store, texts
        specs = [upstream(f"u{number}") for number in range(upstreams)]
        self.lanes = lanes_of(store.database, HINT_SECONDS, *specs)
        self.reporter = LaneReporter(self.lanes, store.clock, lambda: None)
        self.running: list[tuple[float, float, datetime, Claimed]] = []
        self.second = 0.0

    def submit(self, project: str, count: int) -> None:
        submit_batch(self.store.database, [new_job()] * count, BatchOptions(project=project))

    def run(self, seconds: float) -> list[Counter[str]]:
        """The streams that each project has, every half second."""
        seen = []
        for _ in range(int(2 * seconds)):
            self.store.clock.advance(0.5)
            self.second += 0.5
            for one in [one for one in self.running if one[0] <= self.second]:
                _, took, began_at, claimed = one
                assert finish(self.store.database, claimed.job.id, 1, written("text"))
                self.reporter.end_turn(claimed, Used(10, 1), began_at, took)
                self.running.remove(one)
            with unpaced(), clock_at(self.second):
                reserved = self.lanes.reserve(STREAMS - len(self.running), MAX_CRASHES).reserved
            for job_id in reserved:
                begun = claim(self.store.database, job_id, "w1", 1000 * LEASE)
                assert begun is not None
                takes = next(self.texts[begun.job.project])
                self.running.append((self.second + takes, takes, self.store.clock.now, begun))
            seen.append(self.streams())
        return seen

    def streams(self) -> Counter[str]:
        return Counter(claimed.job.project for *_, claimed in self.running)


@on_sqlite
@pytest.mark.parametrize("upstreams", [1, 2])
def test_a_project_whose_first_texts_end_at_once_has_no_more_streams_for_that(store: Store, upstreams: int) -> None:
    """Before, its texts were taken for short ones until the first long one had ended: it had all twelve streams."""
    process = Process(
        store, {"steady": cycle((4.0, 5.0, 6.0, 7.0)), "mixed": chain(repeat(0.5, 3), repeat(40.0))}, upstreams
    )
    process.submit("steady", 400)
    process.run(20)
    process.submit("mixed", 100)
    had = process.run(60)
    assert max(streams["mixed"] for streams in had) <= 9


@on_sqlite
def test_turns_whose_end_nobody_reports_are_forgotten(store: Store) -> None:
    """Those of jobs that were cancelled before they began, or whose worker was killed. Before, a project paid for each
    of them once its texts became longer, and had a third of the streams for the time of a hundred texts.
    """
    process = Process(store, {"steady": repeat(3.0), "changed": chain(repeat(1.0, 80), repeat(30.0))})
    process.submit("changed", 1200)
    for _ in range(50):
        process.run(1)
        with unpaced():
            reserved = process.lanes.reserve(STREAMS, MAX_CRASHES).reserved
        assert all(cancel_job(store.database, job_id) for job_id in reserved)
    process.submit("steady", 1000)
    process.run(120)
    had = process.run(120)
    assert mean(streams["changed"] for streams in had) >= 0.46 * STREAMS


@on_sqlite
@pytest.mark.parametrize("upstreams", [1, 2])
@pytest.mark.parametrize("step", [3600, -3600])
def test_a_step_of_the_clock_leaves_each_project_its_share(store: Store, upstreams: int, step: int) -> None:
    """Before, each text that ran over a step forward was charged an hour, and its project had nothing for minutes."""
    process = Process(store, {"short": repeat(1.0), "long": repeat(5.0)}, upstreams)
    for project in process.texts:
        process.submit(project, 1000)
    store.clock.advance(3600)
    process.run(20.5)
    assert set(process.streams()) == {"short", "long"}
    store.clock.advance(step)
    had = process.run(60)
    for part in (had[:40], had[40:]):
        assert mean(streams["long"] for streams in part) == pytest.approx(STREAMS / 2, abs=1.5)


@on_sqlite
def test_no_project_waits_without_end_for_what_it_is_said_to_have_had(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions before charged a text that ran while the clock was set for years, and that is in the row."""
    monkeypatch.setattr("jobs.dispatch.upstream_turns.MOST_AHEAD_SECONDS", 10.0)
    process = Process(store, {"short": repeat(1.0), "long": repeat(5.0)})
    for project in process.texts:
        process.submit(project, 1000)
    process.run(20)
    of_upstream = (lanes.c.upstream == "u0", lanes.c.model == ALL_MODELS)
    with store.database.write() as connection:
        turns = json.loads(connection.scalars(select(lanes.c.turns).where(*of_upstream)).one())
        for times in ("times", "floors"):
            turns["projects"][times]["long"] = 1e12
        connection.execute(update(lanes).where(*of_upstream).values(turns=json.dumps(turns)))
    had = process.run(60)
    assert had[20]["long"] == 0, "it is ahead"
    assert mean(streams["long"] for streams in had[60:]) == pytest.approx(STREAMS / 2, abs=1.5)
