"""Workers that stop past their lease and wake up: they change no row, and no watcher shows a byte of them."""

import signal
from pathlib import Path

from jobs.live.channel import tail_key
from jobs.model.status import JobStatus
from longhand.simulator import ServedSimulator
from tests.chaos.fault_proxy import FaultProxy
from tests.chaos.invariants import articles, check, text_of
from tests.chaos.processes import PATIENCE_SECONDS, Process, wait_until
from tests.chaos.stack import QUICK, Stack

MARK = "☠"
"""What the zombie puts before each of its deltas."""


def test_a_zombie_that_wakes_up_in_its_stream_changes_nothing(stack: Stack, upstream: ServedSimulator) -> None:
    """Fault 6: stopped in the middle of its streams, woken up when attempt 2 has finished."""
    stack.start_api()
    zombie = _zombie(stack, "delta", stack.directory / "proof")
    ids = stack.submit(articles(5, deltas=60, per_second=40))
    watchers = stack.watch(ids)
    _wait_stopped(stack)
    claimed = zombie.log.count(" claim ")  # it may have stopped before it has claimed all of them
    assert claimed > 0
    stack.start_worker(**QUICK)
    for watcher in watchers:
        watcher.wait_done(60)
    _wake(zombie, "the lease was lost", times=claimed)
    tally = check(stack, upstream, watchers=watchers, most_calls=10)
    assert (tally.statuses[JobStatus.COMPLETED], tally.lost) == (5, claimed)
    assert not any(MARK.encode() in watcher.text for watcher in watchers)


def test_no_watcher_shows_what_a_zombie_writes_while_attempt_2_runs(stack: Stack, upstream: ServedSimulator) -> None:
    """Woken up in the middle of attempt 2: what it tells goes to the same channel, and every watcher drops it."""
    stack.start_api()
    zombie = _zombie(stack, "delta", stack.directory / "proof", CHAOS_HEARTBEAT_SECONDS="60")
    ids = stack.submit(articles(1, deltas=400, per_second=50))
    first = stack.watch(ids)
    _wait_stopped(stack)
    stack.start_worker(**QUICK)
    stack.wait_running(1, attempt=2)
    second = stack.watch(ids)  # one that has never heard of attempt 1
    # What the upstream wrote for the zombie meanwhile comes in one burst: from where attempt 2 has been to where it is
    # not yet, so that some of it starts exactly where the watchers are.
    reached = int(stack.redis.strlen(tail_key(ids[0], 1)))
    wait_until(lambda: first[0].attempt == 2 and len(first[0].text) > reached, 20, "attempt 2 has passed the zombie")
    heard = stack.listen(ids[0])
    zombie.send(signal.SIGCONT)
    heard.wait_for(lambda _, message: message.attempt == 1 and MARK in message.text)
    heard.wait_for(lambda _, message: message.attempt == 2 and message.event == "")
    stack.wait_final(60)
    zombie.wait_for_log("the lease was lost", 40)
    tally = check(stack, upstream, watchers=[*first, *second], most_calls=2)
    assert tally.statuses == {JobStatus.COMPLETED: 1}


def test_a_zombie_that_wakes_up_before_its_finish_stores_nothing(
    stack: Stack, upstream: ServedSimulator, line: FaultProxy
) -> None:
    """Stopped just before its text is stored, woken up while attempt 2 streams: only the fence stands between them."""
    stack.upstream_url = f"http://127.0.0.1:{line.port}/v1"
    stack.start_api()
    zombie = _zombie(stack, "finish", stack.directory / "proof")
    ids = stack.submit(articles(1, deltas=300, per_second=100))
    watchers = stack.watch(ids)
    _wait_stopped(stack)
    stack.start_worker(**QUICK)
    stack.wait_running(1, attempt=2)
    line.freeze("to_client")  # attempt 2 goes on until the zombie has spoken
    _wake(zombie, "the lease was lost", times=1)
    assert stack.job(ids[0]).status is JobStatus.IN_PROGRESS
    line.heal()
    stack.wait_final(60)
    tally = check(stack, upstream, watchers=watchers, most_calls=2)
    assert tally.statuses == {JobStatus.COMPLETED: 1}


def test_a_worker_stopped_inside_its_commit_keeps_nobody_from_being_rescued(
    stack: Stack, upstream: ServedSimulator
) -> None:
    """Stopped in the transaction that stores a text, with its row locked: the others it held are rescued meanwhile.
    When it wakes up it finishes, late but first: its text is the stored one.
    """
    stack.start_api()
    zombie = _zombie(stack, "commit", stack.directory / "proof")
    first = stack.submit(articles(1, deltas=40, per_second=40))
    others = stack.submit(articles(4, deltas=240, per_second=40, first=1))
    watchers = stack.watch([*first, *others])
    _wait_stopped(stack)
    stack.start_worker(**QUICK)
    stack.wait_running(4, attempt=2)
    assert stack.job(first[0]).attempt == 1
    zombie.send(signal.SIGCONT)
    for watcher in watchers:
        watcher.wait_done(60)
    assert [watcher.wrongs for watcher in watchers] == [[]] * 5
    assert (stack.job(first[0]).attempt, stack.text(first[0])[:1]) == (1, MARK)
    assert [stack.text(job_id) for job_id in others] == [text_of(stack.job(job_id).request or {}) for job_id in others]


def _zombie(stack: Stack, point: str, proof: Path, **settings: str) -> Process:
    crash = {"CHAOS_POINT": point, "CHAOS_SIGNAL": "SIGSTOP", "CHAOS_PROOF": str(proof), "CHAOS_MARK": MARK,
             "CHAOS_DELTA": "15"}  # fmt: skip
    return stack.start_worker(**{**crash, **QUICK, **settings})


def _wait_stopped(stack: Stack) -> None:
    wait_until((stack.directory / "proof").exists, PATIENCE_SECONDS, "the worker has stopped itself")


def _wake(zombie: Process, text: str, *, times: int) -> None:
    zombie.send(signal.SIGCONT)
    wait_until(lambda: zombie.log.count(text) >= times, PATIENCE_SECONDS, f"{times} lines of the zombie say {text!r}")
