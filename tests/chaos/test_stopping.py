"""Stopping: a drain gives everything back, a cancel reaches the upstream, and what is cancelled stays so."""

import signal
import time
from functools import partial
from typing import Any

import pytest

from jobs.dispatch.queue import make_celery, send_hints
from jobs.model.status import JobStatus
from jobs.store.queries import read_attempts
from longhand.simulator import ServedSimulator
from tests.chaos.invariants import articles, check
from tests.chaos.processes import PATIENCE_SECONDS, wait_until
from tests.chaos.stack import QUICK, Stack


def test_a_drain_gives_back_every_stream_and_charges_none(stack: Stack, upstream: ServedSimulator) -> None:
    """Fault 9, with the default grace of 10 s: the other worker has them at once, without waiting for a lease."""
    stack.start_api()
    leaving = stack.start_worker(LONGHAND_STREAMS="50")
    ids = stack.submit(articles(50, deltas=400, per_second=20))
    watchers = stack.watch(ids)
    upstream.wait_until(lambda seen: seen["running"] == 50)
    stack.start_worker()
    for watcher in watchers:
        watcher.wait_for_bytes(20)
    shown = {watcher.job_id: len(watcher.text) for watcher in watchers}
    began = time.monotonic()
    leaving.terminate()
    assert leaving.wait(10) == 0, leaving.log
    took = time.monotonic() - began
    upstream.wait_until(lambda seen: seen["requests"] == 100 and seen["running"] == 50, timeout_seconds=10)
    print(f"drained 50 streams in {took:.2f} s, all running again after {time.monotonic() - began:.2f} s")
    for job_id in ids:
        first = read_attempts(stack.database, job_id)[0]
        assert (str(first.outcome), first.error_code) == ("released", None)
        assert first.bytes is not None
        assert first.bytes >= shown[job_id], "the checkpoint has less than the watcher was shown"
        assert first.usage is not None
    stack.wait_final(120)
    tally = check(stack, upstream, watchers=watchers, most_calls=100)
    assert tally.statuses == {JobStatus.COMPLETED: 50}
    assert (tally.released, tally.failed, tally.lost) == (50, 0, 0)


def test_a_drain_ends_within_its_grace_when_the_database_is_away(stack: Stack, upstream: ServedSimulator) -> None:
    """What cannot be given back is rescued."""
    stack.start_api()
    leaving = stack.start_worker(LONGHAND_GRACE_SECONDS="3", **QUICK)
    ids = stack.submit(articles(5, deltas=100, per_second=20))
    watchers = stack.watch(ids)
    upstream.wait_until(lambda seen: seen["running"] == 5)
    assert stack.worker_database is not None
    stack.worker_database.freeze()
    began = time.monotonic()
    leaving.terminate()
    assert leaving.wait(10) == 1, leaving.log
    assert 2.5 < time.monotonic() - began < 5
    assert stack.worker_database.counts["held"] > 0
    stack.worker_database.heal()
    stack.start_worker(**QUICK)
    stack.wait_final(120)
    tally = check(stack, upstream, watchers=watchers, most_calls=10)
    assert tally.statuses == {JobStatus.COMPLETED: 5}


def test_a_worker_killed_in_its_drain_loses_nothing(stack: Stack, upstream: ServedSimulator) -> None:
    """The crash point `drain`."""
    proof = stack.directory / "proof"
    stack.start_api()
    crash = {"CHAOS_POINT": "drain", "CHAOS_SIGNAL": "SIGKILL", "CHAOS_PROOF": str(proof)}
    leaving = stack.start_worker(**crash, **QUICK)
    ids = stack.submit(articles(10, deltas=100, per_second=20))
    watchers = stack.watch(ids)
    upstream.wait_until(lambda seen: seen["running"] == 10)
    leaving.terminate()
    assert leaving.wait(10) == -signal.SIGKILL, leaving.log
    assert proof.exists()
    stack.start_worker(**QUICK)
    stack.wait_final(120)
    tally = check(stack, upstream, watchers=watchers, most_calls=20)
    assert tally.statuses == {JobStatus.COMPLETED: 10}
    assert tally.failed == 0


@pytest.mark.parametrize("redis_frozen", [False, True], ids=["", "redis_frozen"])
def test_a_cancel_closes_the_upstream_within_2_seconds(
    stack: Stack, upstream: ServedSimulator, redis_frozen: bool
) -> None:
    """Fault 9, on whichever of two workers the job runs; what was written is kept, with its usage."""
    stack.start_api()
    for _ in range(2):
        stack.start_worker(LONGHAND_STREAMS="5")
    ids = stack.submit(articles(10, deltas=300, per_second=20))
    watchers = stack.watch(ids)
    upstream.wait_until(lambda seen: seen["running"] == 10)
    for watcher in watchers:
        watcher.wait_for_bytes(30)
    if redis_frozen:
        stack.worker_redis.freeze()
        stack.api_redis.freeze()
    slowest = 0.0
    for gone, job_id in enumerate(ids[:6]):
        began = time.monotonic()
        assert stack.cancel(job_id).status_code == 202
        seen = upstream.wait_until(partial(_has_closed, gone + 1), 5)
        slowest = max(slowest, seen["last"]["client_gone"]["monotonic"] - began)
    assert slowest < 2
    wait_until(lambda: stack.count(JobStatus.CANCELLED) == 6, PATIENCE_SECONDS, "they are cancelled")
    if redis_frozen:
        assert stack.worker_redis.counts["held"] > 0
        stack.worker_redis.heal()
        stack.api_redis.heal()
    stack.wait_final(120)
    tally = check(stack, upstream, watchers=watchers)
    assert tally.statuses == {JobStatus.CANCELLED: 6, JobStatus.COMPLETED: 4}
    for job_id in ids[:6]:
        job = stack.job(job_id)
        assert job.bytes is not None
        assert job.bytes >= 30
        assert job.usage is not None
    print(f"the upstream's socket was closed after at most {slowest:.2f} s")


def _has_closed(count: int, seen: dict[str, Any]) -> bool:
    return bool(seen["clients_gone"] >= count)


def test_a_cancelled_job_never_runs_again(stack: Stack, upstream: ServedSimulator) -> None:
    """Fault 11: cancelled while its worker stands still, and while it waits; then the whole fleet is killed and
    started again, with Redis full of old hints.
    """
    stack.start_api()
    worker = stack.start_worker(LONGHAND_STREAMS="3", **QUICK)
    running = stack.submit(articles(3, deltas=300, per_second=20))
    upstream.wait_until(lambda seen: seen["running"] == 3)  # else a stream may go to the other batch
    waiting = stack.submit(articles(3, deltas=20, per_second=20, first=3))
    watchers = stack.watch([*running, *waiting])
    stack.freeze(worker)
    with make_celery(f"redis://127.0.0.1:{stack.api_redis.port}/0") as app:
        send_hints(app, [*running, *waiting] * 10)
    assert stack.waiting_hints() >= 60
    assert [stack.cancel(job_id).status_code for job_id in running] == [202] * 3
    assert [stack.cancel(job_id).status_code for job_id in waiting] == [200] * 3
    for process in stack.processes:
        process.kill()
    stack.restart_api()
    stack.start_worker(**QUICK)
    after = stack.submit(articles(2, deltas=20, per_second=20, first=6))
    stack.wait_final(120)
    wait_until(lambda: stack.waiting_hints() == 0, PATIENCE_SECONDS, "every hint is taken")
    tally = check(stack, upstream, watchers=watchers, most_calls=5)
    assert tally.statuses == {JobStatus.CANCELLED: 6, JobStatus.COMPLETED: 2}
    assert [stack.job(job_id).attempt for job_id in [*running, *waiting, *after]] == [1] * 3 + [0] * 3 + [1] * 2
