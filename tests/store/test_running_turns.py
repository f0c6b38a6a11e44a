"""What a project's turns cost whose texts still run, and of which nobody knows yet how long they take."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain, cycle, repeat
from statistics import mean

import pytest

from jobs.intake.submission import BatchOptions, submit_batch
from jobs.lifecycle.lease import Claimed, claim
from jobs.lifecycle.rescue import cancel_job
from jobs.lifecycle.transitions import finish
from jobs.model.endings import MAX_CRASHES
from tests.sparing import on_sqlite
from tests.store.reserving import HINT_SECONDS, lanes_of, unpaced, upstream
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
        self.running: list[tuple[float, float, Claimed]] = []
        self.second = 0.0

    def submit(self, project: str, count: int) -> None:
        submit_batch(self.store.database, [new_job()] * count, BatchOptions(project=project))

    def run(self, seconds: float) -> list[Counter[str]]:
        """The streams that each project has, every half second."""
        seen = []
        for _ in range(int(2 * seconds)):
            self.store.clock.advance(0.5)
            self.second += 0.5
            for until, took, claimed in [one for one in self.running if one[0] <= self.second]:
                assert finish(self.store.database, claimed.job.id, 1, written("text"))
                self.reporter.end_turn(claimed, Used(10, 1), self.store.clock.after(-took))
                self.running.remove((until, took, claimed))
            with unpaced():
                reserved = self.lanes.reserve(STREAMS - len(self.running), MAX_CRASHES).reserved
            for job_id in reserved:
                begun = claim(self.store.database, job_id, "w1", 1000 * LEASE)
                assert begun is not None
                takes = next(self.texts[begun.job.project])
                self.running.append((self.second + takes, takes, begun))
            seen.append(Counter(claimed.job.project for _, _, claimed in self.running))
        return seen


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
