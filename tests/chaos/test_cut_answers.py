"""An upstream that says "stop" in every chunk and breaks off anywhere: no half text is completed."""

import random
from collections import Counter
from typing import Any

from jobs.model.status import JobStatus
from longhand.simulator import ServedSimulator
from tests.chaos.fault_proxy import FaultProxy
from tests.chaos.invariants import article, check
from tests.chaos.stack import QUICK, Stack

COUNT = 60
DELTAS = 40
FAULTS = ("cut_after", "error_after")


def test_no_text_that_was_cut_anywhere_is_completed_although_every_chunk_says_stop(
    stack: Stack, upstream: ServedSimulator, line: FaultProxy
) -> None:
    """Of every second job the first answer breaks off after some of its deltas, and some of the second ones, too; and
    three times all that is under way is cut wherever it is. Were it every job's, each probe of a hold would fail.
    """
    chance = random.Random(11)
    stack.upstream_url = f"http://127.0.0.1:{line.port}/v1"
    stack.start_api()
    for _ in range(2):
        stack.start_worker(LONGHAND_STREAMS="10", LONGHAND_RETRY_BASE_SECONDS="0.2", **QUICK)
    ordered: Counter[str] = Counter()
    requests = []
    for number in range(COUNT):
        fault, times = chance.choice(FAULTS), chance.choice((1, 1, 2)) if number % 2 else 0
        ordered[fault] += times
        faults = {fault: chance.randrange(DELTAS + 1), "times": times} if times else {}
        requests.append(_request(number, **faults))
    ids = stack.submit(requests, max_attempts=10)
    watchers = stack.watch(ids[:10])
    cut = 0
    for completed in (5, 20, 35):
        stack.wait_count(JobStatus.COMPLETED, completed)
        upstream.wait_until(lambda seen: seen["running"] >= 3)
        cut += line.cut_all()
    stack.wait_final(180)
    assert cut >= 9
    seen = upstream.stats()
    broken = sum(seen["faults"][fault] for fault in FAULTS)
    assert broken > COUNT // 3
    tally = check(stack, upstream, watchers=watchers, most_calls=COUNT + broken + cut)
    assert tally.statuses == {JobStatus.COMPLETED: COUNT}
    print(
        f"{COUNT} texts, {broken} answers broken off as ordered ({ordered}), {cut} connections cut, {tally.calls} calls"
    )


def _request(number: int, **faults: Any) -> dict[str, Any]:
    request = article(number, deltas=DELTAS, per_second=40)
    request["simulate"] |= {"finish_early": True, **faults}
    return request
