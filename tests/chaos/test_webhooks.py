"""Workers that die around the end of a batch: its event arrives, and each time under the same id."""

import json
import signal

import pytest

from jobs.model.status import JobStatus
from longhand.simulator import ServedSimulator
from tests.chaos.crash_worker import BATCH_END_POINTS
from tests.chaos.invariants import articles, check
from tests.chaos.processes import wait_until
from tests.chaos.stack import QUICK, Stack
from tests.worker.receiving import Receiver, receiving

ALLOW = {"LONGHAND_WEBHOOK_ALLOW": "127.0.0.0/8"}


def ends_at(receiver: Receiver) -> dict[str, list[str]]:
    """The ids of the events that have come, for each batch that has ended."""
    found: dict[str, list[str]] = {}
    for request in list(receiver.received):
        event = json.loads(request.body)
        assert request.headers["webhook-id"] == event["id"]
        if event["type"] == "batch.completed":
            found.setdefault(event["data"]["id"], []).append(event["id"])
    return found


@pytest.mark.parametrize("point", BATCH_END_POINTS)
def test_a_worker_killed_around_the_end_of_a_batch_loses_no_event(
    stack: Stack, upstream: ServedSimulator, point: str
) -> None:
    """The receiver takes everything; so an event comes twice only where the death was after it was sent, or where a
    process stood still for a second.
    """
    proof = stack.directory / "proof"
    chaos = {"CHAOS_POINT": point, "CHAOS_SIGNAL": "SIGKILL", "CHAOS_PROOF": str(proof)}
    with receiving() as receiver:
        stack.start_api(**ALLOW)
        doomed = stack.start_worker(**chaos, **QUICK, **ALLOW)
        wanted = [
            stack.submit_batch(articles(2, deltas=5, per_second=50, first=2 * number), webhook={"url": receiver.url})
            for number in range(4)
        ]
        assert doomed.wait(60) == -signal.SIGKILL, doomed.log
        assert proof.read_text().startswith(("batch_", "evt_"))
        stack.start_worker(**QUICK, **ALLOW)
        stack.wait_final(120)
        wait_until(lambda: ends_at(receiver).keys() == set(wanted), 60, "the end of every batch is told")
        if point == "sent":  # the process died with the receiver's answer: it is sent again
            wait_until(lambda: max(map(len, ends_at(receiver).values())) == 2, 60, "the event is sent again")
        events = ends_at(receiver)
    assert {len(set(ids)) for ids in events.values()} == {1}, "an event has one id"
    # What died with the receiver's answer comes a second time: a few may have been sent at once.
    assert all(len(ids) <= 2 for ids in events.values())
    tally = check(stack, upstream, most_calls=16)
    assert tally.statuses == {JobStatus.COMPLETED: 8}
