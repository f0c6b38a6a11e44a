"""Who cannot use a turn, because none of its jobs is due, is next as soon as one is."""

from collections import Counter

from jobs.intake.submission import BatchOptions, submit_batch
from jobs.lifecycle.lease import Claimed, claim
from jobs.lifecycle.transitions import finish
from jobs.model.endings import MAX_CRASHES
from tests.store.reserving import HINT_SECONDS, lanes_of, unpaced
from tests.store.store_fixtures import LEASE, Store, new_job, store, written
from worker.reports import LaneReporter, Used

__all__ = ["store"]  # a fixture

STREAMS = 6
SECONDS = {"busy": 3, "rare": 6, "full": 6}
"""How long the texts of each project take."""


class Process:
    """A worker."""

    def __init__(self, store: Store) -> None:
        self.store, self.lanes = store, lanes_of(store.database, HINT_SECONDS)
        self.reporter = LaneReporter(self.lanes, store.clock, lambda: None)
        self.running: dict[str, tuple[float, Claimed]] = {}
        self.second = 0.0

    def submit(self, project: str, count: int, max_concurrency: int | None = None) -> None:
        submit_batch(
            self.store.database, [new_job()] * count, BatchOptions(project=project, max_concurrency=max_concurrency)
        )

    def run(self, seconds: int) -> Counter[str]:
        """How many texts of each project began within so many seconds."""
        began = Counter[str]()
        for _ in range(seconds):
            self.store.clock.advance(1)
            self.second += 1
            for job_id in [job_id for job_id, (until, _) in self.running.items() if until <= self.second]:
                _, claimed = self.running.pop(job_id)
                assert finish(self.store.database, job_id, 1, written("text"))
                self.reporter.end_turn(claimed, Used(10, 1), self.store.clock.after(-SECONDS[claimed.job.project]))
            with unpaced():
                reserved = self.lanes.reserve(STREAMS - len(self.running), MAX_CRASHES).reserved
            for job_id in reserved:
                begun = claim(self.store.database, job_id, "w1", 1000 * LEASE)
                assert begun is not None
                self.running[job_id] = (self.second + SECONDS[begun.job.project], begun)
                began[begun.job.project] += 1
        return began


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
