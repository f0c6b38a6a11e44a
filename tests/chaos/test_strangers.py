"""Strangers and crowds at full strength beside honest watchers, on the whole stack. What was measured is printed; the
bounds that are asserted are wide, since other work may have most of the machine.
"""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, text

from benchmarks.machine import cpu_seconds, resident_bytes
from jobs.model.status import JobStatus
from jobs.tables import jobs
from longhand.simulator import ServedSimulator
from tests.chaos.beside import Beside
from tests.chaos.invariants import articles, check
from tests.chaos.processes import PATIENCE_SECONDS, wait_until
from tests.chaos.stack import Stack

_MB = 1_000_000
_DELTAS, _PER_SECOND = 600, 20
_ATTACK_SECONDS = 12.0
_LONGEST_ANSWER_MS = 5000
"""Before, the API answered nobody for as long or longer."""

# Texts that a model would take minutes to write.
_GROW = text(
    "WITH grown AS (UPDATE jobs SET bytes = bytes * :times WHERE batch_id = :batch RETURNING id)"
    " UPDATE texts SET text = repeat(text, :times) WHERE job_id IN (SELECT id FROM grown)"
)
_SHRINK = text(
    "WITH shrunk AS (UPDATE jobs SET bytes = bytes / :times WHERE batch_id = :batch RETURNING id)"
    " UPDATE texts SET text = left(text, length(text) / :times) WHERE job_id IN (SELECT id FROM shrunk)"
)


class Honest:
    """An API and a worker with running jobs that honest clients watch."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.api = stack.start_api()
        stack.start_worker()

    def watch(self) -> list[str]:
        """Twenty jobs that run for half a minute, with a watcher each."""
        ids = self.stack.submit(articles(20, deltas=_DELTAS, per_second=_PER_SECOND))
        self.stack.watch(ids)
        return ids

    @contextmanager
    def attacked(self, ids: list[str], *orders: str) -> Iterator[Callable[[], dict[str, Any]]]:
        """Attack meanwhile, and see what an honest client notices. Gives what says how far the attack has come."""
        with Beside("tests.chaos.bystander", self.stack.api_url, ids[0]) as bystander:
            wait_until(lambda: bystander.take()["gaps"]["count"], PATIENCE_SECONDS, "the bystander hears deltas")
            most = memory = resident_bytes(self.api.pid)
            spent, began = cpu_seconds(self.api.pid), time.monotonic()
            with Beside("tests.chaos.strangers", self.stack.api_url, *orders) as strangers:

                def take() -> dict[str, Any]:
                    nonlocal most
                    most = max(most, resident_bytes(self.api.pid))
                    return strangers.take()

                bystander.take()
                yield take
                wait_until(
                    lambda: take() and time.monotonic() - began > _ATTACK_SECONDS, PATIENCE_SECONDS, "the attack lasts"
                )
                noticed, tally = bystander.take(), take()
            share = (cpu_seconds(self.api.pid) - spent) / (time.monotonic() - began)
        names = " ".join(order.partition(":")[0] for order in orders)
        print(f"\n{names}: /healthz {noticed['health']} ms, between two deltas (paced at {1000 // _PER_SECOND} ms)"
              f" {noticed['gaps']} ms, memory {memory // _MB} -> {most // _MB} MB at most, {share:.0%} of a CPU;"
              f" {tally}")  # fmt: skip
        assert noticed["health"]["count"] > 0
        assert noticed["health"]["max"] < _LONGEST_ANSWER_MS
        assert noticed["gaps"]["count"] > 0
        assert most - memory < 700 * _MB  # unbounded, ten slow readers took 2.6 GB

    def end(self, upstream: ServedSimulator) -> None:
        """Everything has ended as it should, in spite of the attack, and every watcher is exact."""
        assert self.api.alive
        self.stack.wait_final(120)
        tally = check(self.stack, upstream, watchers=self.stack.watchers, watch_seconds=120)
        assert set(tally.statuses) == {JobStatus.COMPLETED}
        assert tally.attempts == sum(tally.statuses.values())


@pytest.fixture
def honest(stack: Stack) -> Honest:
    return Honest(stack)


def test_a_thousand_connections_without_a_request_end_while_watchers_read_on(
    honest: Honest, upstream: ServedSimulator
) -> None:
    """Row 1, with 1,024 descriptors: more connections than there are. Each is closed in its time, and whoever comes
    new is served in between.
    """
    resource.prlimit(honest.api.pid, resource.RLIMIT_NOFILE, (1024, 1024))
    ids = honest.watch()
    with honest.attacked(ids, "hold=1005") as take:
        wait_until(lambda: take().get("open", 0) > 900, PATIENCE_SECONDS, "the strangers hold nearly all descriptors")
        wait_until(
            lambda: take().get("opened", 0) > 2 * 1005, PATIENCE_SECONDS, "all of them were closed, and came again"
        )
    assert _answers_soon(honest.stack)
    honest.end(upstream)


def test_refused_bodies_without_end_cost_watchers_nothing(honest: Honest, upstream: ServedSimulator) -> None:
    """Row 2: each is cut after a few kB."""
    with honest.attacked(honest.watch(), "flood=20") as take:
        wait_until(lambda: take().get("refused", 0) > 100, PATIENCE_SECONDS, "the floods were refused and cut")
    honest.end(upstream)


def test_slow_readers_of_large_results_hold_little_of_them(honest: Honest, upstream: ServedSimulator) -> None:
    """Row 3: 60 texts of 4 MB, which ten read at 80 kB a second."""
    batch = honest.stack.submit_batch(articles(60, deltas=100, per_second=1000, first=100))
    honest.stack.wait_final(PATIENCE_SECONDS)
    with honest.stack.database.write() as connection:
        connection.execute(_GROW, {"batch": batch, "times": 8000})
        size = connection.scalar(select(func.min(jobs.c.bytes)).where(jobs.c.batch_id == batch))
    assert size > 3 * _MB
    path = f"/v1/batches/{batch}/results"
    with honest.attacked(honest.watch(), f"sip=10:{path}?format=jsonl,{path}?format=csv,{path}?format=md") as take:
        wait_until(lambda: take().get("read", 0) > 2 * _MB, PATIENCE_SECONDS, "the downloads have begun")
        assert take()["opened"] == 10
    with honest.stack.database.write() as connection:
        connection.execute(_SHRINK, {"batch": batch, "times": 8000})
    honest.end(upstream)


def test_large_bodies_without_their_last_byte_take_what_they_may(honest: Honest, upstream: ServedSimulator) -> None:
    """Row 5: 20 bodies of 60 MB by one key."""
    with honest.attacked(honest.watch(), "withhold=20") as take:
        wait_until(lambda: take().get("withheld", 0) > 0, PATIENCE_SECONDS, "a body lacks its last byte only")
        wait_until(lambda: take().get("refused for the others", 0) > 20, PATIENCE_SECONDS, "the others are refused")
    honest.end(upstream)


def test_a_thousand_watches_at_once_leave_the_running_ones_alone(honest: Honest, upstream: ServedSimulator) -> None:
    """Row 13; then the API is killed under all of them, and they come back at once to the next one."""
    ids = honest.watch()
    paths = ",".join(f"/v1/jobs/{job_id}/events" for job_id in ids[:5])
    with honest.attacked(ids, f"watch=1000:{paths}") as take:
        opened = _seconds_until(lambda: take().get("watched", 0) >= 1000)
    honest.api.kill()
    honest.api = honest.stack.restart_api()
    ids = honest.watch()  # on a slow machine the first have ended by now
    paths = ",".join(f"/v1/jobs/{job_id}/events" for job_id in ids[:5])
    with honest.attacked(ids, f"watch=1000:{paths}") as take:
        again = _seconds_until(lambda: take().get("watched", 0) >= 1000)
    print(f"1,000 open after {opened:.1f} s, and after the restart after {again:.1f} s")
    honest.end(upstream)


def _seconds_until(holds: Callable[[], bool]) -> float:
    began = time.monotonic()
    wait_until(holds, PATIENCE_SECONDS, "all watches are open")
    return time.monotonic() - began


def _answers_soon(stack: Stack) -> bool:
    """Whether somebody who comes now is served: not a connection of before, but a new one."""

    def is_served() -> bool:
        try:
            return httpx.get(f"{stack.api_url}/v1/jobs", timeout=10).status_code == 200
        except httpx.HTTPError:
            return False

    return bool(wait_until(is_served, PATIENCE_SECONDS, "a new client is served"))
