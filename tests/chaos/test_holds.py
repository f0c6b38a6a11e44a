"""An upstream that goes away or has no more credit, and a worker that dies meanwhile: no job is charged or fails."""

import time

import pytest
from sqlalchemy import func, select

from jobs.dispatch.holds import Hold, read_holds
from jobs.model.status import AttemptOutcome, JobStatus
from jobs.tables import attempts
from longhand.simulator import ServedSimulator
from tests.chaos.audit import begin_audit, read_audit
from tests.chaos.fault_proxy import FaultProxy
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
    upstream.wait_until(lambda seen: seen["completed"] >= 25)
    _wait_held(stack, probes=1)
    wait_until(lambda: stack.count(JobStatus.IN_PROGRESS) == 0, PATIENCE_SECONDS, "nothing runs")
    assert upstream.stats()["completed"] == 25
    # What the upstream had written whole when its reader died was paid for, and its place goes to nobody.
    unread = 25 - stack.count(JobStatus.COMPLETED)
    assert 0 <= unread <= len(_lost_when_whole(stack, upstream))
    assert stack.count(JobStatus.FAILED) == 0
    wasted = upstream.stats()["refused"]["credit"]
    upstream.top_up(1000)
    stack.wait_final(120)
    _check_nothing_charged(stack, upstream, 80)
    print(f"{wasted} calls refused before the top-up")
    assert wasted <= 2 * 20 + 4


def test_an_upstream_that_begins_every_text_and_cuts_it_is_held_until_one_is_longer(
    stack: Stack, upstream: ServedSimulator, line: FaultProxy
) -> None:
    """Its probes write their first words, too: were that enough, every stream would be cut and paid for again."""
    stack.upstream_url = f"http://127.0.0.1:{line.port}/v1"
    stack.start_api()
    doomed, _ = (stack.start_worker(**SETTINGS) for _ in range(2))
    stack.submit(articles(20, deltas=60, per_second=20))
    upstream.wait_until(lambda seen: seen["running"] >= 4)
    line.cut_each_after(3000)
    hold = _wait_held(stack, probes=1)
    assert hold.cut_bytes is not None
    doomed.kill()
    assert _wait_held(stack, probes=3).since == hold.since, "the first words of a probe lifted it"
    line.heal()
    stack.wait_final(120)
    tally = check(stack, upstream, most_calls=20 + line.counts["cut"] + upstream.stats()["clients_gone"])
    assert (tally.statuses, tally.failed) == ({JobStatus.COMPLETED: 20}, 0)
    assert line.counts["cut"] >= 4 + 3
    assert not read_holds(stack.database)
    print(f"{line.counts['cut']} streams cut")


def test_a_rejected_key_charges_nothing_and_the_work_goes_on_with_the_right_one(
    stack: Stack, upstream: ServedSimulator
) -> None:
    begin_audit(stack.database)
    stack.start_api()
    doomed, _ = (stack.start_worker(**SETTINGS) for _ in range(2))
    stack.submit(articles(60, deltas=40, per_second=20))
    upstream.wait_until(lambda seen: seen["completed"] >= 3)
    upstream.refuse_key()
    hold = _wait_held(stack, probes=0)
    assert hold.reason == "key"
    doomed.kill()
    _wait_held(stack, probes=1)
    assert stack.count(JobStatus.FAILED) == 0
    upstream.refuse_key(False)
    stack.wait_final(120)
    _check_nothing_charged(stack, upstream, 60)
    assert upstream.stats()["refused"]["key"] >= 2


def _wait_held(stack: Stack, probes: int) -> Hold:
    """The hold of the upstream, once so many probes have failed."""

    def found() -> Hold | None:
        return next((hold for hold in read_holds(stack.database) if hold.probes >= probes), None)

    hold = wait_until(found, PATIENCE_SECONDS, f"the upstream is held, and {probes} probes have failed")
    assert isinstance(hold, Hold)
    assert hold.held_by == "system"
    return hold


def _lost_when_whole(stack: Stack, upstream: ServedSimulator) -> set[str]:
    """The lost attempts of which the upstream had written all: `job-attempt`, as in its ledger."""
    of_lost = select(attempts.c.job_id, attempts.c.attempt).where(attempts.c.outcome == AttemptOutcome.LOST)
    with stack.database.read() as connection:
        lost = {f"{job_id}-{attempt}" for job_id, attempt in connection.execute(of_lost)}
    wrote = {name: output_tokens for name, (_, output_tokens) in upstream.ledger().items()}
    return {name for name in lost & wrote.keys() if wrote[name] == max(wrote.values())}


def _check_nothing_charged(stack: Stack, upstream: ServedSimulator, count: int) -> None:
    seen = upstream.stats()
    # Each job once, and what was refused, cut, or lost with its worker, even just after the upstream had written it.
    written_twice = min(max(0, seen["completed"] - count), _count_lost(stack))
    explained = count + sum(seen["refused"].values()) + seen["cut"] + seen["clients_gone"] + written_twice
    tally = check(stack, upstream, most_calls=explained)
    assert (tally.statuses, tally.failed) == ({JobStatus.COMPLETED: count}, 0)
    audited = read_audit(stack.database)
    assert [wrong for wrong in audited.wrongs if "above" not in wrong] == []
    assert audited.reservations >= count


def _count_lost(stack: Stack) -> int:
    with stack.database.read() as connection:
        lost = select(func.count()).select_from(attempts).where(attempts.c.outcome == AttemptOutcome.LOST)
        return connection.scalar(lost) or 0
