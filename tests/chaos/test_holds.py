"""An upstream that goes away or has no more credit, and a worker that dies meanwhile: no job is charged or fails."""

import time

import pytest

from jobs.dispatch.holds import Hold, read_holds
from jobs.model.status import JobStatus
from longhand.simulator import ServedSimulator
from tests.chaos.audit import begin_audit, read_audit
from tests.chaos.invariants import articles, check
from tests.chaos.processes import PATIENCE_SECONDS, wait_until
from tests.chaos.stack import QUICK, Stack

SETTINGS = {**QUICK, "LONGHAND_STREAMS": "10"}


@pytest.mark.parametrize("status", [None, 503], ids=["nothing_listens", "503"])
def test_an_outage_under_running_and_waiting_jobs_charges_none_although_a_worker_dies_in_it(
    stack: Stack, upstream: ServedSimulator, status: int | None
) -> None:
    """What runs is cut, or goes on beside refusals; what waits is probed with, by whichever worker is left."""
    begin_audit(stack.database)
    stack.start_api()
    doomed, _ = (stack.start_worker(**SETTINGS) for _ in range(2))
    stack.submit(articles(60, deltas=60, per_second=20))
    upstream.wait_until(lambda seen: seen["running"] >= 10)
    upstream.go_away(status)
    began = time.monotonic()
    hold = _wait_held(stack, probes=0)
    assert hold.reason == "away"
    doomed.kill()
    assert _wait_held(stack, probes=2).since == hold.since, "it was lifted meanwhile"
    assert stack.count(JobStatus.FAILED) == 0
    assert stack.count(JobStatus.QUEUED) > 20
    upstream.come_back()
    print(f"away for {time.monotonic() - began:.1f} s")
    stack.wait_final(120)
    _check_nothing_charged(stack, upstream, 60)
    if status is None:
        assert upstream.stats()["cut"] >= 10
    assert not read_holds(stack.database)


def test_without_credit_jobs_wait_uncharged_although_a_worker_dies_and_all_complete_after_the_top_up(
    stack: Stack, upstream: ServedSimulator
) -> None:
    """Credit for 25 of 80: some run on it when the others are refused, and one of two workers dies just then."""
    upstream.top_up(25)
    begin_audit(stack.database)
    stack.start_api()
    doomed, _ = (stack.start_worker(**SETTINGS) for _ in range(2))
    stack.submit(articles(80, deltas=30, per_second=20))
    hold = _wait_held(stack, probes=0)
    assert hold.reason == "credit"
    doomed.kill()
    _wait_held(stack, probes=1)
    # A text that died with its worker was not paid for, and its place goes to another: a probe that finds it lifts the
    # hold, and the next refusal begins one anew.
    stack.wait_count(JobStatus.COMPLETED, 25)
    _wait_held(stack, probes=1)
    assert (stack.count(JobStatus.COMPLETED), stack.count(JobStatus.FAILED)) == (25, 0)
    wasted = upstream.stats()["refused"]["credit"]
    upstream.top_up(1000)
    stack.wait_final(120)
    _check_nothing_charged(stack, upstream, 80)
    print(f"{wasted} calls refused before the top-up")
    assert wasted <= 2 * 20 + 4


def _wait_held(stack: Stack, probes: int) -> Hold:
    """The hold of the upstream, once so many probes have failed."""

    def found() -> Hold | None:
        return next((hold for hold in read_holds(stack.database) if hold.probes >= probes), None)

    hold = wait_until(found, PATIENCE_SECONDS, f"the upstream is held, and {probes} probes have failed")
    assert isinstance(hold, Hold)
    assert hold.held_by == "system"
    return hold


def _check_nothing_charged(stack: Stack, upstream: ServedSimulator, count: int) -> None:
    seen = upstream.stats()
    # Each job once, and what was refused, cut, or lost with its worker.
    explained = count + sum(seen["refused"].values()) + seen["cut"] + seen["clients_gone"]
    tally = check(stack, upstream, most_calls=explained)
    assert (tally.statuses, tally.failed) == ({JobStatus.COMPLETED: count}, 0)
    audited = read_audit(stack.database)
    assert [wrong for wrong in audited.wrongs if "above" not in wrong] == []
    assert audited.reservations >= count
