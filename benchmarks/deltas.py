"""`python -m benchmarks.deltas [STREAMS ...]`: what a delta costs on its way from the upstream to a watcher.

Streams of 50 deltas a second, each delta its own HTTP chunk, one watcher a job. CPU is that of whole processes over
windows in the middle of the run. A machine that does something else beside it shows in `others` and in the load
average; so each figure is the best of several windows.
"""

import argparse
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import redis

from benchmarks.awake import cores_awake
from benchmarks.machine import load_now
from benchmarks.readers import Readers
from benchmarks.results import show
from benchmarks.stack import BenchmarkError, Stack, wait_until
from benchmarks.upstream import WRAP, stamp_now
from jobs.live.channel import reasoning_key, tail_key

RATE = 50.0
_NEVER_ENDING = 10_000_000
_IN_TIME_MS = 250.0


def measure(
    streams: int,
    *,
    watched: bool = True,
    windows: int = 3,
    seconds: float = 3.0,
    thinks: bool = False,
) -> dict[str, Any]:
    """One row: CPU per delta in microseconds, delay in milliseconds, memory in kilobytes per stream."""
    with Stack(streams) as stack:
        idle_bytes = stack.worker_bytes()
        batch = stack.submit([stack.request(deltas=_NEVER_ENDING, rate=RATE, thinks=thinks)] * streams)
        stack.wait_running(streams)
        ids = stack.ids_of(batch)
        readers = Readers(stack, ids) if watched else None
        if readers is not None:
            wait_until(lambda: readers.take()["open"] >= streams, f"{streams} watchers read")
        time.sleep(2.0)
        rows = []
        for _ in range(windows):
            rows.append(_window(stack, readers, streams, seconds))
            rows[-1]["tail age ms"] = _tail_age(stack, ids, reasoning_key if thinks else tail_key)
        # What waits unread in a socket has cost nothing yet: such a window is only taken when there is no other.
        in_time = [row for row in rows if row["tail age ms"] < _IN_TIME_MS] or rows
        best = min(in_time, key=lambda row: row["worker"] + row["api"] + row["valkey"])
        if readers is not None:
            best["p50 ms"] = min(row["p50 ms"] for row in rows)
            best["p99 ms"] = min(row["p99 ms"] for row in rows)
        best["kB/stream"] = (stack.worker_bytes() - idle_bytes) / streams / 1000
        return best


def _tail_age(stack: Stack, ids: list[str], key: Callable[[str, int], str]) -> float:
    """How old the newest delta in Valkey is, in milliseconds; the worst of some streams. The pace is part of it."""
    ages = []
    with redis.Redis.from_url(stack.redis_url) as client:
        for job_id in ids[:: max(1, len(ids) // 20)]:
            newest = client.getrange(key(job_id, 1), -8, -1)
            ages.append((stamp_now() - int(newest)) % WRAP / 1000)
    return max(ages)


def _window(stack: Stack, readers: Readers | None, streams: int, seconds: float) -> dict[str, Any]:
    before = stack.upstream_stats()
    meter = stack.meter()
    if readers is not None:
        readers.take()
    time.sleep(seconds)
    figures = readers.take() if readers is not None else {}
    spent = meter.lap()
    after = stack.upstream_stats()
    sent = after["deltas_sent"] - before["deltas_sent"]
    if after["running"] < streams:
        raise BenchmarkError(f"only {after['running']} of {streams} streams run; see {stack.directory}/log")
    cost = {name: 1e6 * cpu / sent for name, cpu in spent.cpu.items()}
    row: dict[str, Any] = {
        "streams": streams,
        "deltas/s": sent / spent.seconds,
        **{name: cost[name] for name in ("worker", "api", "valkey")},
        "in all": cost["worker"] + cost["api"] + cost["valkey"],
        "worker busy %": 100 * spent.cpu["worker"] / spent.seconds,
        "api busy %": 100 * spent.cpu["api"] / spent.seconds,
        "others busy %": 100 * spent.others / spent.seconds,
        "late upstream": after["late_deltas"] - before["late_deltas"],
    }
    if readers is not None:
        row |= {"events/s": figures["events"] / spent.seconds, "p50 ms": figures["p50"], "p99 ms": figures["p99"]}
    if sent < 0.97 * streams * RATE * spent.seconds:
        row["note"] = "not all in time"
    return row


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("streams", nargs="*", type=int, default=[10, 50, 100, 200, 300, 400])
    parser.add_argument("--unwatched", action="store_true", help="no watcher: the worker and Valkey alone")
    parser.add_argument("--reasoning", action="store_true", help="all deltas are of a reasoning; by turns with text")
    parser.add_argument("--awake", action="store_true", help="keep the cores awake: see benchmarks.wakeups")
    parser.add_argument("--windows", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args()
    print(f"load average before: {load_now()}", flush=True)
    rows = []
    with cores_awake() if given.awake else nullcontext():
        for streams in given.streams:
            for thinks in (False, True) if given.reasoning else (False,):
                row = measure(
                    streams,
                    watched=not given.unwatched,
                    windows=given.windows,
                    seconds=given.seconds,
                    thinks=thinks,
                )
                rows.append({"what": "reasoning" if thinks else "text", **row} if given.reasoning else row)
                print(rows[-1], flush=True)
    how = (", nobody watching" if given.unwatched else ", one watcher a job") + (", cores awake" if given.awake else "")
    kind = ("-unwatched" if given.unwatched else "") + ("-awake" if given.awake else "")
    show(f"CPU per delta in us{how}", rows, f"deltas{kind}")


if __name__ == "__main__":
    main()
