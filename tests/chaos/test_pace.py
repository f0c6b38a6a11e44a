"""A provider with a limit in flight, under three workers of which some die: nobody starts more than the lane may have,
whatever was lost; and the limit is found although nobody has named it.
"""

import random
from pathlib import Path

import pytest

from jobs.model.status import JobStatus
from longhand.simulator import ServedSimulator
from tests.chaos.audit import begin_audit, declare_upstream, read_audit
from tests.chaos.invariants import articles, check
from tests.chaos.stack import QUICK, Stack

LIMIT = 6
STREAMS = 8


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "not_declared"])
def test_no_lane_gets_above_its_window_while_workers_die_and_redis_is_erased(
    stack: Stack, upstream: ServedSimulator, tmp_path: Path, declared: bool
) -> None:
    """Where `max_streams` is declared nothing is refused; else the provider refuses what finds its limit."""
    upstream.change_limits(in_flight=LIMIT)
    file = tmp_path / "upstreams.toml"
    file.write_text(declare_upstream(stack.upstream_url, **({"max_streams": LIMIT} if declared else {})))
    settings = {**QUICK, "LONGHAND_STREAMS": str(STREAMS), "LONGHAND_UPSTREAMS": str(file)}
    chance = random.Random(6)
    begin_audit(stack.database)
    stack.start_api(LONGHAND_UPSTREAMS=str(file))
    workers = [stack.start_worker(**settings) for _ in range(3)]
    stack.submit(articles(200, deltas=25, per_second=50))
    killed_running = 0
    for completed in (40, 80, 120):
        stack.wait_count(JobStatus.COMPLETED, completed)
        killed_running += upstream.stats()["running"]
        workers.pop(chance.randrange(3)).kill()
        stack.redis.flushall()
        stack.redis.script_flush()
        workers.append(stack.start_worker(**settings))
    stack.wait_final(180)
    assert killed_running > 0
    seen, audited = upstream.stats(), read_audit(stack.database, LIMIT if declared else None)
    assert audited.wrongs == []
    assert audited.reservations >= 200
    assert audited.most_in_flight >= LIMIT, "the limit was never reached"
    assert seen["peak_running"] == LIMIT
    refused = sum(seen["refused"].values())
    tally = check(stack, upstream, most_calls=200 + refused + 3 * STREAMS)
    assert (tally.statuses, tally.failed) == ({JobStatus.COMPLETED: 200}, 0)
    assert declared == (refused == 0)
    print(f"{tally.calls} calls, {refused} refused, {tally.lost} lost with their workers; at most"
          f" {audited.most_in_flight} in flight by the rows, {seen['peak_running']} at the provider")  # fmt: skip
