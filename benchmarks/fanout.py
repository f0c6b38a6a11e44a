"""`python -m benchmarks.fanout`: 1,000 watchers over 50 streams of 50 deltas a second, on one API process.

The readers are two processes of their own. Half of the rate, or any other, can be given.
"""

import argparse
import time
from typing import Any

from benchmarks.machine import load_now, resident_bytes
from benchmarks.readers import Readers
from benchmarks.results import show
from benchmarks.stack import Stack, wait_until


def measure(streams: int, watchers: int, rate: float, windows: int = 3, seconds: float = 3.0) -> dict[str, Any]:
    """One row, the best of several windows."""
    with Stack(streams) as stack:
        batch = stack.submit([stack.request(deltas=10_000_000, rate=rate)] * streams)
        stack.wait_running(streams)
        ids = stack.ids_of(batch)
        watched = [ids[place % streams] for place in range(watchers)]
        idle_bytes = resident_bytes(stack.api.pid)
        readers = [Readers(stack, watched[half::2]) for half in (0, 1)]
        wait_until(lambda: sum(one.take()["open"] for one in readers) >= watchers, f"{watchers} watchers read", 90)
        time.sleep(2.0)
        rows = []
        for _ in range(windows):
            for one in readers:
                one.take()
            meter = stack.meter()
            time.sleep(seconds)
            figures = [one.take() for one in readers]
            spent = meter.lap()
            events = sum(one["events"] for one in figures)
            rows.append(
                {
                    "watchers": watchers,
                    "deltas/s and stream": rate,
                    "events/s": events / spent.seconds,
                    "of those published %": 100 * events / (watchers * rate * spent.seconds),
                    "api us/event": 1e6 * spent.cpu["api"] / max(events, 1),
                    "api busy %": 100 * spent.cpu["api"] / spent.seconds,
                    "p50 ms": max(one["p50"] for one in figures),
                    "p99 ms": max(one["p99"] for one in figures),
                }
            )
        best = min(rows, key=lambda row: row["api us/event"])
        best["p99 ms"] = min(row["p99 ms"] for row in rows)
        best["kB/watcher"] = (resident_bytes(stack.api.pid) - idle_bytes) / watchers / 1000
        return best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--watchers", type=int, default=1000)
    parser.add_argument("rates", nargs="*", type=float, default=[25, 50])
    given = parser.parse_args()
    print(f"load average before: {load_now()}", flush=True)
    rows = [measure(given.streams, given.watchers, rate) for rate in given.rates]
    show(f"{given.watchers:,} watchers over {given.streams} streams, one API process", rows, "fanout")


if __name__ == "__main__":
    main()
