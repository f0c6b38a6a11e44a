"""`python -m benchmarks.scaling [STREAMS ...]`: how many processes that many streams need, and how long a delta waits.

First the arithmetic, from the measured costs; then a simulation of one delta's way through the three single-threaded
parts (worker, Valkey, API process), each a queue with the measured service time, the worker's flush with its pause
before it, and the deltas arriving as independent streams send them. The costs are those of `docs/performance.md`; other
machines have others, so every one can be given.
"""

import argparse
import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from benchmarks.machine import quantile
from benchmarks.results import show
from worker.recorder import FULL_PAUSE_RATE, MAX_PAUSE_SECONDS


@dataclass(frozen=True)
class Costs:
    """What each part was measured to cost, and the load."""

    worker_us: float = 22.0
    """CPU of a worker process per delta."""
    api_us: float = 16.0
    """CPU of an API process per event and watcher."""
    valkey_us: float = 5.0
    """CPU of Valkey per delta, with one subscriber."""
    stream_kb: float = 100.0
    """Resident memory of a worker per stream."""
    watcher_kb: float = 30.0
    worker_job_ms: float = 3.4
    """CPU of a worker per job beside its deltas: hint, claim, request, count, finish."""
    database_job_ms: float = 0.8
    """CPU of PostgreSQL per job: insert, claim, finish, settle, and the looking for what is due."""
    database_row_us: float = 60.0
    """CPU of PostgreSQL per checkpointed text and renewed lease. Assumed."""
    deltas_per_second: float = 50.0
    deltas_per_job: float = 1500.0
    bytes_per_delta: float = 4.5
    heartbeat_seconds: float = 5.0
    watchers: float = 1.0
    """Watchers per stream; most users look at a few of their jobs."""
    busy: float = 0.6
    """How busy a core may be: the simulation shows what the delay does above."""
    database_cores: float = 16.0
    """Of one PostgreSQL server."""


def plan(streams: int, costs: Costs) -> list[dict[str, Any]]:
    """What `streams` concurrent streams need of each part, and what of it is used up first."""
    deltas = streams * costs.deltas_per_second
    jobs = deltas / costs.deltas_per_job
    rows = streams / costs.heartbeat_seconds
    worker = deltas * costs.worker_us / 1e6 + jobs * costs.worker_job_ms / 1e3
    api = deltas * costs.watchers * costs.api_us / 1e6
    valkey = deltas * costs.valkey_us / 1e6
    database = jobs * costs.database_job_ms / 1e3 + rows * costs.database_row_us / 1e6
    text_bytes = rows * costs.deltas_per_job * costs.bytes_per_delta / 2

    def row(part: str, cores: float, load: str, cores_each: float = 1.0) -> dict[str, Any]:
        number = max(1, math.ceil(cores / (cores_each * costs.busy)))
        busy = 100 * cores / (number * cores_each)
        return {"part": part, "load": load, "cores busy": cores, "number": number, "each busy %": busy}

    return [
        row("worker processes", worker, f"{deltas:,.0f} deltas/s, {jobs:,.0f} jobs/s"),
        row("API processes", api, f"{deltas * costs.watchers:,.0f} events/s"),
        row("Valkeys", valkey, f"{deltas:,.0f} publishes/s"),
        row(
            "PostgreSQL servers",
            database,
            f"{jobs:,.0f} jobs/s, {rows:,.0f} checkpoints/s, {text_bytes / 1e6:,.1f} MB/s of text",
            costs.database_cores,
        ),
        {
            "part": "memory, GB",
            "load": f"{streams:,} streams, {streams * costs.watchers:,.0f} watchers",
            "cores busy": "",
            "number": round(streams * (costs.stream_kb + costs.watchers * costs.watcher_kb) / 1e6, 1),
            "each busy %": "",
        },
    ]


def simulate(busy: float, costs: Costs, *, seconds: float = 3.0, seed: int = 1) -> dict[str, Any]:
    """The delay of deltas through a worker, a Valkey and an API process that are all so busy, in milliseconds.

    Valkey and the API process are shared by several workers; the other workers' deltas are background load there.
    """
    rng = random.Random(seed)
    rate = busy / (costs.worker_us / 1e6)
    streams = max(1, round(rate / costs.deltas_per_second))
    interval = 1 / costs.deltas_per_second
    due = [(rng.uniform(0, interval), number) for number in range(streams)]
    heapq.heapify(due)
    arrivals = []
    while due[0][0] < seconds:
        at, number = heapq.heappop(due)
        arrivals.append(at)
        heapq.heappush(due, (at + interval * rng.uniform(0.5, 1.5), number))

    read = _queue(arrivals, costs.worker_us / 1e6)
    pause = MAX_PAUSE_SECONDS * min(1.0, rate / FULL_PAUSE_RATE)
    # What these two are busy with beside the deltas of this worker.
    valkey, api = (_share(one / 1e6, max(0.0, busy - rate * one / 1e6), rng) for one in (costs.valkey_us, costs.api_us))
    flushed, next_flush = [], 0.0
    for at in read:
        if at > next_flush:
            next_flush = at + pause if at - next_flush < pause else at
        flushed.append(max(at, next_flush))
    published = _queue(flushed, 0.0, valkey)
    delivered = _queue(published, 0.0, api)
    delays = sorted(1000 * (end - start) for start, end in zip(arrivals, delivered, strict=True))
    return {
        "every part busy %": 100 * busy,
        "streams of the worker": streams,
        "p50 ms": quantile(delays, 0.5),
        "p99 ms": quantile(delays, 0.99),
    }


def _share(service: float, share: float, rng: random.Random) -> Callable[[float], float]:
    """The work that a shared server gets with one of ours, `gap` seconds after the one before: ours, and what came from
    others meanwhile, in calls of about 100 deltas.
    """

    def work(gap: float) -> float:
        others = share * gap / (service * 100)
        whole = int(others) + (rng.random() < others % 1)
        return service + whole * service * 100

    return work


def _queue(arrivals: list[float], service: float, work: Callable[[float], float] | None = None) -> list[float]:
    """When each leaves a server that takes them one after another."""
    free_at = before = 0.0
    ends = []
    for at in arrivals:
        spent = work(at - before) if work is not None else service
        before = at
        free_at = max(free_at, at) + spent
        ends.append(free_at)
    return ends


def main() -> None:
    """Print the plans and the simulation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("streams", nargs="*", type=int, default=[400, 10_000, 1_000_000])
    for one in fields(Costs):
        parser.add_argument(f"--{one.name.replace('_', '-')}", type=float, default=one.default)
    given = vars(parser.parse_args())
    costs = Costs(**{one.name: given[one.name] for one in fields(Costs)})
    for streams in given["streams"]:
        show(f"{streams:,} streams", plan(streams, costs))
    show("Delay by how busy the parts are", [simulate(busy / 100, costs) for busy in (20, 40, 60, 70, 80, 90, 95)])


if __name__ == "__main__":
    main()
