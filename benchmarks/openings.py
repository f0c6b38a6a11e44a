"""`python -m benchmarks.openings`: 1,000 watches of five running jobs that are opened at once, on one API process.

Beside them five watchers read on, and `/healthz` is asked every 20 ms. Measured with the API as it runs, and again with
one that has just been restarted, as when its watchers come back. Before that, what one GET costs.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import httpx

from benchmarks.machine import load_now, quantile
from benchmarks.readers import Readers
from benchmarks.results import show
from benchmarks.stack import BenchmarkError, Stack

_RATE = 20
_PROBE_SECONDS = 0.02
_LONGEST_SECONDS = 60


def _probe_until(met: Callable[[], bool], client: httpx.Client) -> tuple[float, list[float]]:
    """Ask `/healthz` until then; how long it took, and how many milliseconds each answer."""
    began = time.monotonic()
    answers: list[float] = []
    while not met():
        asked = time.monotonic()
        if asked - began > _LONGEST_SECONDS:
            raise BenchmarkError(f"not all watches were open within {_LONGEST_SECONDS} s")
        client.get("/healthz")
        answers.append((time.monotonic() - asked) * 1000)
        time.sleep(max(0.0, asked + _PROBE_SECONDS - time.monotonic()))
    return time.monotonic() - began, sorted(answers)


def _row(stack: Stack, name: str, ids: list[str], watchers: int, running: Readers) -> dict[str, Any]:
    running.take()
    meter = stack.meter()
    opening = Readers(stack, [ids[place % len(ids)] for place in range(watchers)])
    probes = httpx.Client(base_url=stack.url, timeout=_LONGEST_SECONDS, trust_env=False)
    with probes:
        seconds, answers = _probe_until(lambda: bool(opening.take()["open"] >= watchers), probes)
    figures, spent = running.take(), meter.lap()
    opening.process.kill()
    return {
        "API": name,
        "watches": watchers,
        "all open after s": seconds,
        "API ms of CPU a watch": 1000 * spent.cpu["api"] / watchers,
        "/healthz p99 ms": quantile(answers, 0.99),
        "/healthz longest ms": answers[-1],
        "running deltas p99 ms": figures["p99"],
        "running deltas longest ms": figures["max"],
    }


def measure_requests(count: int = 1000) -> list[dict[str, Any]]:
    """What one request costs the API, by kind, over one connection, beside nothing else: a job that has ended."""
    with Stack(1) as stack:
        batch = stack.submit([stack.request(deltas=100, rate=1000)])
        stack.wait_ended(batch)
        [job_id] = stack.ids_of(batch)
        rows = []
        for path in ("/healthz", f"/v1/jobs/{job_id}", f"/v1/jobs/{job_id}/text", "/v1/jobs?limit=1"):
            stack.client.get(path).raise_for_status()
            meter = stack.meter()
            for _ in range(count):
                stack.client.get(path)
            spent = meter.lap()
            rows.append({"GET": path.replace(job_id, "{id}"), "API ms of CPU": 1000 * spent.cpu["api"] / count})
        return rows


def measure(watchers: int, jobs: int = 5) -> list[dict[str, Any]]:
    """A row for an API that runs, and one for an API that was restarted."""
    with Stack(jobs) as stack:
        batch = stack.submit([stack.request(deltas=10_000_000, rate=_RATE)] * jobs)
        stack.wait_running(jobs)
        ids = stack.ids_of(batch)
        running = Readers(stack, ids)
        _probe_until(lambda: bool(running.take()["open"] >= jobs), stack.client)
        rows = [_row(stack, "runs", ids, watchers, running)]
        stack.restart_api()
        running = Readers(stack, ids)
        rows.append(_row(stack, "restarted", ids, watchers, running))
        return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("watchers", nargs="?", type=int, default=1000)
    watchers = parser.parse_args().watchers
    print(f"load average before: {load_now()}", flush=True)
    requests = measure_requests()
    show("What a request costs", requests, "requests")
    rows = measure(watchers)
    show(f"{watchers:,} watches opened at once", rows, "openings")


if __name__ == "__main__":
    main()
