"""`python -m benchmarks.ingest`: a batch of 50,000 lines from a file, a small file and one of 200 MB.

Twenty jobs are written and watched meanwhile, as at any other time, and a writer beside the API asks for the database's
write lock ten times a second, as heartbeats do: what both of them feel is part of the figures.
"""

import argparse
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from benchmarks.machine import load_now, peak_bytes, quantile
from benchmarks.postgres import open_postgres
from benchmarks.readers import Readers
from benchmarks.results import show
from benchmarks.stack import BenchmarkError, Stack, wait_until
from jobs.store.database import Database

LINES = 50_000
_WATCHED = 20
_NEVER_ENDING = 10_000_000


class Writer:
    """Takes the write lock now and then, and remembers how long it waited for it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ended = threading.Event()
        self.waits: list[float] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.1):
            began = time.perf_counter()
            with self._database.write():
                self.waits.append(1000 * (time.perf_counter() - began))


def write_file(path: Path, lines: int, size: int) -> None:
    """A batch file of so many lines that is so large in all."""
    spare = size // lines
    with path.open("w") as file:
        for number in range(lines):
            body = {**Stack.request(deltas=10, rate=0.0), "messages": [{"role": "user", "content": ""}]}
            line = {"custom_id": f"line-{number:06}", "method": "POST", "url": "/v1/chat/completions", "body": body}
            body["messages"] = [{"role": "user", "content": "Write. " * ((spare - len(json.dumps(line))) // 7)}]
            file.write(json.dumps(line) + "\n")


def measure(stack: Stack, size: int, lines: int) -> dict[str, Any]:
    """One row: a file of this size."""
    path = stack.directory / "in.jsonl"
    write_file(path, lines, size)
    watched = stack.submit([stack.request(deltas=_NEVER_ENDING, rate=50.0)] * _WATCHED)
    stack.wait_running(_WATCHED)
    readers = Readers(stack, stack.ids_of(watched))
    wait_until(lambda: readers.take()["open"] >= _WATCHED, "all watchers read")
    time.sleep(5.0)
    before = readers.take()
    began = time.perf_counter()
    with path.open("rb") as file:
        answer = stack.client.post("/v1/files", data={"purpose": "batch"}, files={"file": ("in.jsonl", file)})
    uploaded = time.perf_counter() - began
    meter = stack.meter()
    with Writer(stack.database) as writer:
        began = time.perf_counter()
        order = {"input_file_id": answer.json()["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        batch = stack.client.post("/v1/batches", json=order, timeout=600).json()
        accepted = time.perf_counter() - began
    figures = readers.take()
    spent = meter.lap()
    if batch.get("status") != "in_progress" or batch["request_counts"]["total"] != lines:
        raise BenchmarkError(json.dumps(batch)[:500])
    began = time.perf_counter()
    listed = stack.client.get("/v1/jobs", params={"batch_id": batch["id"], "order": "asc", "limit": 1}).json()
    next(_events(stack, f"/v1/jobs/{listed['data'][0]['id']}/events", "delta"))
    first_delta = time.perf_counter() - began
    next(_events(stack, f"/v1/batches/{batch['id']}/events?deltas=true", "deltas"))
    in_whole_batch = time.perf_counter() - began
    waits = sorted(writer.waits)
    for ended in (watched, batch["id"]):
        stack.client.post(f"/v1/batches/{ended}/cancel", timeout=600)
    return {
        "file MB": path.stat().st_size / 1e6,
        "lines": lines,
        "upload s": uploaded,
        "accept s": accepted,
        "api CPU s": spent.cpu["api"],
        "first delta after s": first_delta,
        "to a watcher of all s": in_whole_batch,
        "api peak MB": peak_bytes(stack.api.pid) / 1e6,
        "api busy %": 100 * spent.cpu["api"] / spent.seconds,
        "others busy %": 100 * spent.others / spent.seconds,
        "watchers p99 ms before": before["p99"],
        "watchers p50 ms": figures["p50"],
        "watchers p99 ms": figures["p99"],
        "writer p50 ms": quantile(waits, 0.5),
        "writer longest ms": waits[-1] if waits else 0.0,
    }


def _events(stack: Stack, url: str, name: str) -> Iterator[str]:
    with stack.client.stream("GET", url, timeout=httpx.Timeout(60)) as response:
        yield from (line for line in response.iter_lines() if line == f"event: {name}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--megabytes", type=float, nargs="*", default=[20.0, 200.0])
    parser.add_argument("--databases", nargs="*", default=["sqlite", "postgresql"])
    given = parser.parse_args()
    print(f"load average before: {load_now()}", flush=True)
    rows = []
    for kind in given.databases:
        for megabytes in given.megabytes:
            with ExitStack() as exits:
                url = exits.enter_context(open_postgres())[0]() if kind == "postgresql" else None
                stack = exits.enter_context(Stack(_WATCHED + 30, database_url=url))
                rows.append({"database": kind, **measure(stack, int(megabytes * 1e6), given.lines)})
                print(rows[-1], flush=True)
    show("A batch from a file", rows, "ingest")


if __name__ == "__main__":
    main()
