"""`python -m benchmarks.jobs_rate`: short jobs per second, submit to first delta, and batch ingest."""

import argparse
import http.client
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from benchmarks.machine import load_now, quantile
from benchmarks.postgres import open_postgres, postgres_seconds
from benchmarks.results import show
from benchmarks.stack import BenchmarkError, Stack


def measure_short_jobs(database_url: str | None, jobs: int, streams: int, postgres: int) -> dict[str, Any]:
    """Jobs of five deltas that come at once: what a job costs beside its deltas."""
    with Stack(streams, database_url=database_url) as stack:
        rates = []
        for _ in range(3):
            meter = stack.meter()
            before = postgres_seconds(postgres) if postgres else 0.0
            batch = stack.submit([stack.request(deltas=5, rate=0)] * jobs)
            submitted_at = time.monotonic()
            stack.wait_ended(batch, 120)
            seconds = time.monotonic() - submitted_at
            spent = meter.lap()
            cpu = {**spent.cpu, "postgresql": postgres_seconds(postgres) - before if postgres else 0.0}
            millis = {f"{name} ms/job": 1000 * cpu[name] / jobs for name in ("worker", "valkey", "postgresql")}
            rates.append({"short jobs/s": jobs / seconds, **millis})
        return max(rates, key=lambda row: row["short jobs/s"])


def measure_first_delta(database_url: str | None, tries: int) -> dict[str, Any]:
    """From the beginning of a POST to the first delta at a watcher, on an idle system; the upstream does not wait."""
    with Stack(100, database_url=database_url) as stack:
        millis = []
        for _ in range(tries):
            millis.append(_submit_and_watch(stack))
            time.sleep(0.1)
        millis.sort()
        return {"first delta p50 ms": quantile(millis, 0.5), "first delta p99 ms": millis[-1]}


def _submit_and_watch(stack: Stack) -> float:
    connection = http.client.HTTPConnection(*stack.address, timeout=30)
    began = time.monotonic()
    connection.request(
        "POST", "/v1/jobs", json.dumps(stack.request(deltas=5, rate=50)), {"content-type": "application/json"}
    )
    answer = json.loads(connection.getresponse().read())
    connection.request("GET", f"/v1/jobs/{answer['id']}/events")
    response = connection.getresponse()
    took = None
    while line := response.readline():
        if line.startswith(b"event: delta") and took is None:
            took = time.monotonic() - began
        elif line.startswith(b"event: done"):
            break
    connection.close()
    if took is None:
        raise BenchmarkError("a job ended without a delta")
    return 1000 * took


def measure_ingest(database_url: str | None, lines: int) -> dict[str, Any]:
    """One batch of so many jobs in one POST, until the API has answered: all rows are committed then."""
    with Stack(1, database_url=database_url) as stack:
        requests = [stack.request(deltas=1, rate=0, first_delta_seconds=3600) for _ in range(lines)]
        content = json.dumps({"requests": [{"body": request} for request in requests]})
        best = 0.0
        for _ in range(2):
            began = time.monotonic()
            answer = stack.client.post("/v1/batches", content=content, headers={"content-type": "application/json"})
            if answer.status_code != 202:
                raise BenchmarkError(answer.text[:500])
            best = max(best, lines / (time.monotonic() - began))
        return {"ingest jobs/s": best}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--lines", type=int, default=50_000)
    parser.add_argument("--tries", type=int, default=40)
    given = parser.parse_args()
    print(f"load average before: {load_now()}", flush=True)
    rows = []
    for kind in ("SQLite", "PostgreSQL"):
        with ExitStack() as exits:
            fresh: Callable[[], str | None]
            fresh, server = exits.enter_context(open_postgres()) if kind == "PostgreSQL" else (lambda: None, 0)
            rows.append(
                {
                    "database": kind,
                    **measure_short_jobs(fresh(), given.jobs, given.streams, server),
                    **measure_first_delta(fresh(), given.tries),
                    **measure_ingest(fresh(), given.lines),
                }
            )
    show("Jobs", rows, "jobs")


if __name__ == "__main__":
    main()
