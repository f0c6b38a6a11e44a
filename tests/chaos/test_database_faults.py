"""The database away, and commits of which nobody knows whether they were made."""

import time
from typing import Literal

import pytest
from sqlalchemy import text

from jobs.model.status import BatchStatus, JobStatus
from jobs.store.queries import read_batch
from longhand.simulator import ServedSimulator
from tests.chaos.fault_proxy import FaultProxy
from tests.chaos.invariants import article, articles, check
from tests.chaos.stack import QUICK, Stack

TRANSACTIONS = {
    "claim": b"INSERT INTO attempts",
    "checkpoint": b"UPDATE jobs SET lease_until=",
    "finish": b"\x00\x00\x00\x06length",  # the finish reason, as the protocol writes it
    "settle": b"UPDATE batches SET status",
}
"""What passes on a connection in a transaction, and in no other before it."""


@pytest.mark.parametrize("carried_out", [True, False], ids=["carried_out", "not_carried_out"])
@pytest.mark.parametrize("transaction", TRANSACTIONS)
def test_a_commit_that_reports_an_error_costs_and_doubles_nothing(
    stack: Stack, upstream: ServedSimulator, transaction: str, carried_out: bool
) -> None:
    """Fault 14: the connection breaks at a worker's COMMIT, before the database has it or just after it was made."""
    stack.start_api()
    stack.start_worker(**QUICK)
    trap = _workers_database(stack).trap(
        b"COMMIT", after=TRANSACTIONS[transaction], action="swallow" if carried_out else "cut"
    )
    batch_id = stack.submit_batch(articles(4, deltas=60, per_second=30))
    ids = stack.ids_of(batch_id)
    heard = stack.listen(*ids)
    watchers = stack.watch(ids)
    trap.wait()
    heard.wait_done(ids)
    stack.wait_final(60)
    tally = check(stack, upstream, watchers=watchers)
    assert tally.statuses == {JobStatus.COMPLETED: 4}
    assert (tally.attempts, tally.calls, tally.lost) == (4, 4, 0)
    batch = read_batch(stack.database, batch_id, project=None)
    assert batch is not None
    assert batch.status is BatchStatus.COMPLETED


@pytest.mark.parametrize("how", ["refuse", "freeze"])
def test_jobs_stream_on_while_the_database_is_away(
    stack: Stack, upstream: ServedSimulator, how: Literal["refuse", "freeze"]
) -> None:
    """Fault 17: 30 s with the default lease of 15 s, 12 s or more with one of 3 s. Half of the 50 jobs end in that
    time, half after it; two workers have them, and neither takes the other's.
    """
    # The first must not end before the last has begun: on a busy machine that took 10 s.
    settings, away_seconds, pace = ({}, 30.0, 10.0) if how == "refuse" else (QUICK, 12.0, 12.5)
    stack.start_api()
    workers = [stack.start_worker(LONGHAND_STREAMS="25", **settings) for _ in range(2)]
    ids = stack.submit(
        [*articles(25, deltas=250, per_second=pace), *articles(25, deltas=600, per_second=pace, first=25)]
    )
    watchers = stack.watch(ids)
    upstream.wait_until(lambda seen: seen["running"] == 50)
    database = _workers_database(stack)
    getattr(database, how)()
    time.sleep(away_seconds)  # the fault is at least as long as this
    upstream.wait_until(lambda seen: seen["completed"] >= 25)
    assert upstream.stats()["completed"] == 25
    assert stack.count(JobStatus.IN_PROGRESS) == 50, "nothing can have been stored"
    assert database.counts["refused" if how == "refuse" else "held"] > 0
    database.heal()
    stack.wait_final(60)
    assert all(worker.alive for worker in workers)
    tally = check(stack, upstream, watchers=watchers)
    assert (tally.statuses, tally.calls, tally.attempts) == ({JobStatus.COMPLETED: 50}, 50, 50)


def test_a_running_stream_holds_no_database_connection(stack: Stack, upstream: ServedSimulator) -> None:
    """Fault 16: with 100 streams, what the database sees of the worker is its heartbeat and its dispatch."""
    stack.start_api()
    stack.start_worker()
    stack.submit(articles(100, deltas=400, per_second=10))
    upstream.wait_until(lambda seen: seen["running"] == 100)
    busy = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
        " AND pid <> pg_backend_pid()"
    )
    seen = []
    until = time.monotonic() + 7  # longer than a heartbeat
    while time.monotonic() < until:
        with stack.database.read() as connection:
            seen.append(connection.scalar(busy) or 0)
    assert upstream.stats()["running"] == 100
    # Each of the three that may ask is one thread; how long it takes is the machine's affair.
    assert 0 in seen
    assert max(seen) <= 3
    print(f"{len(seen)} looks: no busy connection in {seen.count(0)}, at most {max(seen)}")


@pytest.mark.parametrize("database", ["stack", "sqlite_stack"])
def test_a_text_that_a_database_refuses_is_stored_whole(
    request: pytest.FixtureRequest, upstream: ServedSimulator, database: str
) -> None:
    """Fault 18: emoji split over two deltas, NUL, and half a pair that never gets its other half."""
    stack: Stack = request.getfixturevalue(database)
    stack.start_api()
    stack.start_worker()
    deltas = ["a ", "\ud83d", "\ude00", " b\x00c ", "\ud83d", " d ", "\ude00", "\x00", "中", "\ud83d"]
    wanted = article(1, deltas=100, per_second=20)
    ids = stack.submit([{**wanted, "simulate": {"deltas": deltas, "deltas_per_second": 20}}])
    watchers = stack.watch(ids)
    stack.wait_final(60)
    tally = check(stack, upstream, watchers=watchers)
    assert tally.statuses == {JobStatus.COMPLETED: 1}
    assert stack.text(ids[0]) == "a 😀 b\ufffdc \ufffd d \ufffd\ufffd中\ufffd"


def _workers_database(stack: Stack) -> FaultProxy:
    assert stack.worker_database is not None
    return stack.worker_database
