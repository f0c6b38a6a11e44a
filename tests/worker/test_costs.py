"""What an attempt cost is stored when it ends, by the price of its model at that time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.model.cost import Cost
from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.database import Database
from jobs.tokens import Tokenizers
from longhand.simulator import ServedSimulator
from tests.upstream.scripted_upstream import ScriptedUpstream
from tests.worker.ear import listening
from tests.worker.parts import WHOLE, part
from tests.worker.test_lost import lose
from tests.worker.worker_fixtures import (
    MODEL,
    WAITS,
    WorkerParts,
    fast_simulator,
    history,
    job_and_text,
    open_worker,
    small_settings,
    submit,
    wait_until,
)
from worker.active_attempts import StopReason
from worker.lost import LostCounter

PRICES = f"""
[[upstream.price]]
models = ["{MODEL}"]
input = 2.5
output = 10
[[upstream.price]]
models = ["free"]
input = 0
output = 0
"""


@pytest.fixture
def upstream() -> Iterator[ServedSimulator]:
    with fast_simulator() as served:
        yield served


@pytest.fixture
def worker(
    sqlite_database: Database, redis_url: str, upstream: ServedSimulator, tmp_path: Path
) -> Iterator[WorkerParts]:
    """A worker whose upstream has prices."""
    file = tmp_path / "upstreams.toml"
    file.write_text(f'[[upstream]]\nname = "default"\nurl = "{upstream.url}"\n{PRICES}')
    with open_worker(sqlite_database, small_settings(redis_url, upstream.url, upstreams=file)) as parts:
        yield parts


def test_the_cost_is_that_of_the_tokens_which_the_upstream_counted(
    worker: WorkerParts, upstream: ServedSimulator
) -> None:
    job_id = submit(worker.database, {"deltas": list("seven d"), "reasoning": 5})
    worker.run(job_id)
    [only] = history(worker.database, job_id)
    read, wrote = upstream.ledger()[f"{job_id}-1"]
    assert wrote == 12
    assert only.cost == Cost(read * 2_500 + wrote * 10_000, "USD")


def test_what_was_cut_costs_what_longhand_counted(worker: WorkerParts) -> None:
    job_id = submit(worker.database, WAITS)
    with listening(worker.settings.require_redis_url(), job_id) as ear:
        started = worker.start(job_id)
        ear.wait_for(lambda heard: sum(not one.event for one in heard) >= 3)
        worker.running.stop(job_id, StopReason.CANCEL)
        started.result(60)
    [only] = history(worker.database, job_id)
    assert only.outcome is AttemptOutcome.CANCELLED
    assert only.usage is not None
    assert only.usage.source == "tokenizer"
    assert only.cost == Cost((only.usage.input_tokens or 0) * 2_500 + (only.usage.output_tokens or 0) * 10_000, "USD")


def test_a_refused_request_cost_nothing_and_leaves_the_jobs_cost_whole(
    worker: WorkerParts, upstream: ServedSimulator
) -> None:
    job_id = submit(worker.database, {"status": 429, "times": 1})
    assert worker.run(job_id)
    wait_until(lambda: worker.run(job_id), "it runs again")
    first, second = history(worker.database, job_id)
    assert (first.outcome, first.cost) == (AttemptOutcome.RATE_LIMITED, Cost(0, "USD"))
    assert second.cost is not None
    assert second.cost.nanos > 0


@pytest.mark.parametrize("status", [500, 504])
def test_what_a_failed_request_cost_is_unknown(worker: WorkerParts, status: int) -> None:
    job_id = submit(worker.database, {"status": status}, max_attempts=1)
    worker.run(job_id)
    assert [one.cost for one in history(worker.database, job_id)] == [None]


def test_a_model_without_a_price_has_an_unknown_cost_and_a_free_one_has_one(worker: WorkerParts) -> None:
    costs = []
    for model in ("other", "free"):
        job_id = submit(worker.database, {"deltas": ["Good."]}, fields={"model": model})
        worker.run(job_id)
        assert job_and_text(worker.database, job_id)[0].status is JobStatus.COMPLETED
        costs += [one.cost for one in history(worker.database, job_id)]
    assert costs == [None, Cost(0, "USD")]


def test_a_lost_attempt_is_priced_by_whoever_counts_it(worker: WorkerParts) -> None:
    job_id = submit(worker.database)
    lose(worker.database, job_id, "so far ")
    LostCounter(worker.database, Tokenizers(None), 60, worker.source.current).count_all()
    [only] = history(worker.database, job_id)
    assert only.usage is not None
    assert only.cost == Cost((only.usage.input_tokens or 0) * 2_500 + (only.usage.output_tokens or 0) * 10_000, "USD")


def test_a_text_that_goes_on_at_the_limit_costs_what_its_requests_do(
    sqlite_database: Database, redis_url: str, tmp_path: Path
) -> None:
    parts = [part("One ", "two"), part(" three.", end=WHOLE, prompt=14)]
    with ScriptedUpstream(*parts) as upstream:
        file = tmp_path / "upstreams.toml"
        file.write_text(f'[[upstream]]\nname = "default"\nurl = "{upstream.url}"\nprefix = "assistant"\n{PRICES}')
        with open_worker(sqlite_database, small_settings(redis_url, upstream.url, upstreams=file)) as worker:
            job_id = submit(sqlite_database, max_continuations=8)
            worker.run(job_id)
        assert len(upstream.exchanges) == 2
    [only] = history(sqlite_database, job_id)
    assert only.cost == Cost((10 + 14) * 2_500 + (5 + 5) * 10_000, "USD")
