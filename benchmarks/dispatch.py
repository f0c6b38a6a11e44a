"""`python -m benchmarks.dispatch`: rounds of dispatch and claims over 1,000,000 jobs, SQLite and PostgreSQL.

Half of the jobs wait, in batches of a hundred of three projects with three models each; the others have ended. Eight
worker processes dispatch and claim at the same time, and finish what they got: at `--rate` jobs a second together, and
then as fast as they can. The table shows the times of rounds, claims and ends, and how long each waited to begin its
transactions: on SQLite that is the wait for the write lock. PostgreSQL is asked fifty times a second which statements
wait for a lock. `--fill` makes a database at `--url` that stays; `--url` without it measures that one.
"""

import argparse
import itertools
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, make_url, text

from benchmarks.machine import load_now, quantile
from benchmarks.queued_jobs import fill, filled
from benchmarks.results import show
from jobs.dispatch.lane_news import LaneNews
from jobs.dispatch.lanes import Lanes
from jobs.lifecycle.lease import Claimed, claim
from jobs.lifecycle.transitions import finish
from jobs.model.endings import MAX_CRASHES, AttemptResult
from jobs.model.records import Usage
from jobs.pace.reports import Accepted, Finished
from jobs.store.database import Database, open_database
from jobs.upstreams import Upstreams, UpstreamSpec

T = TypeVar("T")

WORKERS = 8
_WARM_SECONDS = 3.0
"""What is measured before is left out: the processes start, compile their statements and fill their caches."""

_LOOK_SECONDS = 0.02

_WAITING = text("""
    SELECT CASE
        WHEN query LIKE 'UPDATE jobs SET status=%attempt=(jobs.attempt%' THEN 'claim'
        WHEN query LIKE 'INSERT INTO attempts%' THEN 'claim'
        WHEN query LIKE 'UPDATE jobs SET status=%' THEN 'finish'
        ELSE 'round' END
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND wait_event_type = 'Lock'
""")


class _TimedDatabase(Database):
    """A database that notes how long each transaction waited to begin."""

    waited = 0.0

    @contextmanager
    def write(self) -> Iterator[Connection]:
        began = time.perf_counter()
        with super().write() as connection:
            self.waited += time.perf_counter() - began
            yield connection


@dataclass(slots=True)
class _Times:
    """Of each call of one kind: how many milliseconds it took, and how many of these it waited to begin."""

    took: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)


Measured = dict[str, _Times]


class _Worker:
    """One worker process, with one thread that does everything in turn."""

    def __init__(self, url: str, name: str) -> None:
        self._database = _TimedDatabase(open_database(url, connections=2).engine)
        # A declared rate, so that no ramp holds the jobs back.
        spec = UpstreamSpec(name="default", url="", max_streams=64, requests_per_minute=600_000)
        self._lanes = Lanes(self._database, 3.0, lambda: Upstreams((spec,)))
        self._name = name
        self._wrote = AttemptResult("text", 4, "", 1, None, usage=Usage(1, 0, 1, 0, 2, source="upstream"))
        self._measured: Measured = {}

    def work(self, ready: Any, ended: Any, rate: float) -> Measured:
        """Work from when all are `ready` until `ended` is set, at `rate` jobs a second or, with 0, at full speed."""
        ready.wait()
        pause = random.Random(self._name)
        warm_at = time.monotonic() + _WARM_SECONDS
        cold = True
        while not ended.is_set():
            if cold and time.monotonic() > warm_at:
                self._measured, cold = {}, False
            began = time.monotonic()
            reserved = self._timed("round", self._lanes.reserve, 10, MAX_CRASHES).reserved
            for job_id in reserved:
                claimed = self._timed("claim", claim, self._database, job_id, self._name, 60)
                if claimed is not None:
                    self._timed("finish", finish, self._database, job_id, claimed.attempt, self._wrote)
                    self._report(claimed)
            rest = began + len(reserved) / rate - time.monotonic() if rate else 0.0
            ended.wait(max(rest, pause.uniform(0.01, 0.03)))
        self._database.close()
        return self._measured

    def _report(self, claimed: Claimed) -> None:
        """What a worker tells the pace of a text: the next round writes it."""
        key, now = (claimed.upstream, claimed.job.model), self._database.now().timestamp()
        accepted = Accepted(now - 0.1, now, 0.1, self._lanes.in_flight(key))
        finished = Finished(now - 0.1, now, claimed.reserved_tokens, used_tokens=2, output_tokens=1)
        self._lanes.note(key, LaneNews([accepted, finished]))

    def _timed(self, name: str, call: Callable[..., T], *given: Any) -> T:
        self._database.waited = 0.0
        began = time.perf_counter()
        result = call(*given)
        times = self._measured.setdefault(name, _Times())
        times.took.append(1000 * (time.perf_counter() - began))
        times.waited.append(1000 * self._database.waited)
        return result


def _work(url: str, name: str, rate: float, ready: Any, ended: Any, results: Any) -> None:
    results.put(_Worker(url, name).work(ready, ended, rate))


def measure(url: str, seconds: float, rate: float) -> list[dict[str, Any]]:
    """Eight worker processes for so long; the times of their claims, rounds and ends."""
    context = multiprocessing.get_context("spawn")
    ready, ended, results = context.Barrier(WORKERS + 1), context.Event(), context.Queue()
    workers = [
        context.Process(target=_work, args=(url, f"w{number}", rate / WORKERS, ready, ended, results))
        for number in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    ready.wait(timeout=120)
    time.sleep(_WARM_SECONDS)
    waits = _look_for_waits(url, seconds)
    ended.set()
    each: list[Measured] = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    rows = []
    for name in ("claim", "round", "finish"):
        took = sorted(itertools.chain.from_iterable(one[name].took for one in each if name in one))
        waited = sorted(itertools.chain.from_iterable(one[name].waited for one in each if name in one))
        row: dict[str, Any] = {"what": name, "jobs/s": rate or "all it can", "times": len(took)}
        row |= {"p50 ms": quantile(took, 0.5), "p99 ms": quantile(took, 0.99), "longest ms": took[-1]}
        row |= {"p50 ms to begin": quantile(waited, 0.5), "p99 ms to begin": quantile(waited, 0.99)}
        rows.append(row | waits.row(name, sum(took)))
    return rows


@dataclass(slots=True)
class _Waits:
    """Which statements waited for a lock, in so many looks at the server. On SQLite nobody looks."""

    looks: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)

    def row(self, name: str, took: float) -> dict[str, Any]:
        """What share of all the time that these calls took was a wait for a lock, and how many waited at once."""
        if not self.looks:
            return {}
        share = 100 * self.seen[name] * 1000 * _LOOK_SECONDS / took if took else 0.0
        return {
            "looks": self.looks,
            "seen waiting": self.seen[name],
            "% of its time": share,
            "at once": self.most[name],
        }


def _look_for_waits(url: str, seconds: float) -> _Waits:
    watcher = open_database(url, connections=1)
    waits = _Waits()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        if not watcher.is_sqlite:
            with watcher.read() as connection:
                now = Counter(connection.scalars(_WAITING))
            waits.looks += 1
            waits.seen += now
            waits.most |= now
    watcher.close()
    return waits


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--databases", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--url", help="a database, in place of those")
    parser.add_argument("--fill", action="store_true", help="only fill it")
    given = parser.parse_args()
    if given.url and given.fill:
        fill(given.url, given.jobs)
        return
    for kind in [make_url(given.url).get_backend_name()] if given.url else given.databases:
        with nullcontext(given.url) if given.url else filled(kind, given.jobs) as url:
            print(f"{kind}; load average before: {load_now()}", flush=True)
            rows = [row for rate in (given.rate, 0.0) for row in measure(url, given.seconds, rate)]
        show(f"dispatch and claims with {given.jobs:,} jobs on {kind}", rows, f"dispatch-{kind}")


if __name__ == "__main__":
    main()
