"""Workers that die: what the rows say a text cost is what the upstream counted, and all that was paid is in them."""

from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select

from jobs.model.cost import Cost
from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.queries import read_attempts, read_batch
from jobs.tables import attempts
from longhand.simulator import ServedSimulator
from tests.chaos.invariants import articles, check
from tests.chaos.processes import PATIENCE_SECONDS, wait_until
from tests.chaos.stack import QUICK, Stack

INPUT, OUTPUT = 2_500, 10_000
"""Billionths of a dollar per token."""

FILE = """
[[upstream]]
name = "one"
url = "{url}"
price = {{ input = 2.5, output = 10 }}
"""


@pytest.fixture
def upstreams_file(tmp_path: Path, upstream: ServedSimulator) -> Path:
    """The upstream with its prices."""
    file = tmp_path / "upstreams.toml"
    file.write_text(FILE.format(url=upstream.url))
    return file


def test_the_costs_of_10_batches_with_killed_workers_are_what_the_upstream_counted(
    stack: Stack, upstream: ServedSimulator, upstreams_file: Path
) -> None:
    settings = {**QUICK, "LONGHAND_UPSTREAMS": str(upstreams_file)}
    stack.start_api(LONGHAND_UPSTREAMS=str(upstreams_file))
    batch_ids = []
    for number in range(10):
        worker = stack.start_worker(**settings)
        batch_ids.append(stack.submit_batch(articles(8, deltas=100, per_second=40, first=100 * number)))
        upstream.wait_until(lambda seen: seen["running"] >= 6)
        if number % 2:  # else it dies before its first checkpoint, and nobody knows what it had written
            wait_until(partial(_has_checkpoint, stack, batch_ids[-1]), PATIENCE_SECONDS, "a checkpoint")
        worker.kill()
        upstream.wait_until(lambda seen: seen["running"] == 0)
        replacement = stack.start_worker(**settings)
        stack.wait_final(120)
        tally = check(stack, upstream, most_calls=16 * (number + 1))
        replacement.kill()
    assert tally.statuses == {JobStatus.COMPLETED: 80}
    assert tally.lost >= 60, "the workers were not killed while they wrote"
    whole = [_check_batch(stack, upstream, batch_id) for batch_id in batch_ids]
    assert {True, False} == set(whole), "each kind of kill was meant to happen"
    assert set(upstream.ledger()) <= _names(stack), "the upstream was paid for something that no row has"


def _check_batch(stack: Stack, upstream: ServedSimulator, batch_id: str) -> bool:
    """Compare each attempt with the upstream's ledger, and the batch with its attempts. Whether its cost is whole."""
    ledger = upstream.ledger()
    known, unknown, estimated = 0, 0, False
    for job_id in stack.ids_of(batch_id):
        for one in read_attempts(stack.database, job_id):
            if one.outcome is AttemptOutcome.COMPLETED:
                read, wrote = ledger[f"{job_id}-{one.attempt}"]  # a lost one may have died before its request was sent
                assert one.cost == Cost(read * INPUT + wrote * OUTPUT, "USD"), job_id
                assert one.usage is not None
                assert one.usage.source == "upstream"
            else:
                assert one.outcome is AttemptOutcome.LOST
                assert (one.cost is None) == (one.usage is None)
                estimated |= one.cost is not None
            known += one.cost.nanos if one.cost else 0
            unknown += one.cost is None
    batch = read_batch(stack.database, batch_id, project=None)
    assert batch is not None
    assert batch.cost is not None
    [total] = batch.cost.known
    assert (total.nanos, total.currency, total.estimated, batch.cost.unknown) == (known, "USD", estimated, unknown)
    assert (batch.cost.whole is None) == (unknown > 0)
    return not unknown


def _has_checkpoint(stack: Stack, batch_id: str) -> bool:
    return any(map(stack.text, stack.ids_of(batch_id)))


def _names(stack: Stack) -> set[str]:
    with stack.database.read() as connection:
        rows = connection.execute(select(attempts.c.job_id, attempts.c.attempt)).all()
        assert len(rows) == connection.scalar(select(func.count()).select_from(attempts))
    return {f"{row.job_id}-{row.attempt}" for row in rows}
