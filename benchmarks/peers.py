"""`python -m benchmarks.peers`: what others spend on a delta, and Longhand in the same run.

The peers need packages that Longhand does not: `pip install '.[bench]'`, or name the Python of an environment that has
`openai[aiohttp]`, `celery[redis]` and `uvloop` in BENCH_PYTHON. Who is missing is left out, and the table says so.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import deltas
from benchmarks.machine import Meter, children_of, load_now, proportional_bytes
from benchmarks.results import show
from benchmarks.stack import Stack

STREAMS = 50
PYTHON = os.environ.get("BENCH_PYTHON", sys.executable)
_HERE = Path(__file__).parent


def measure_sdk(fast: bool) -> dict[str, Any]:
    """The SDK alone: it reads, and nothing is published."""
    with Stack(1) as stack:
        command = [PYTHON, str(_HERE / "peer_sdk.py"), stack.upstream_url, str(STREAMS), *(["fast"] if fast else [])]
        process = stack.start(command)
        stack.wait_running(STREAMS)
        return _best(stack, lambda: [process.pid])


def measure_celery() -> dict[str, Any]:
    """Prefork, one process a stream."""
    with Stack(1) as stack:
        environ = {
            "PEER_BROKER": stack.redis_url.removesuffix("/0") + "/5",
            "PEER_UPSTREAM": stack.upstream_url,
            "PYTHONPATH": str(_HERE),
        }
        command = [PYTHON, "-m", "celery", "-A", "peer_celery", "worker", "-c", str(STREAMS), "-P", "prefork"]
        process = stack.start(command, environ)
        stack.start([PYTHON, str(_HERE / "peer_celery.py"), str(STREAMS)], environ).wait()
        try:
            stack.wait_running(STREAMS)
            return _best(stack, lambda: [process.pid, *children_of(process.pid)])
        finally:
            process.terminate()
            process.terminate()
            for child in children_of(process.pid):
                os.kill(child, 9)


def _best(stack: Stack, pids_of: Callable[[], list[int]]) -> dict[str, Any]:
    time.sleep(2.0)
    pids = pids_of()
    rows = []
    for _ in range(3):
        before = stack.upstream_stats()
        meter = Meter({"worker": pids, "valkey": [stack.valkey.pid]})
        time.sleep(3.0)
        spent = meter.lap()
        sent = stack.upstream_stats()["deltas_sent"] - before["deltas_sent"]
        row = {name: 1e6 * cpu / sent for name, cpu in spent.cpu.items()}
        rows.append(row | {"deltas/s": sent / spent.seconds})
    best = min(rows, key=lambda row: row["worker"])
    return best | {"MB": sum(map(proportional_bytes, pids)) / 1e6}


def main() -> None:
    """Measure and print."""
    print(f"load average before: {load_now()}", flush=True)
    measured: dict[str, Callable[[], dict[str, Any]]] = {}
    if can_import("openai"):
        measured["openai SDK, reading only"] = lambda: measure_sdk(fast=False)
        measured["openai SDK, aiohttp and uvloop, reading only"] = lambda: measure_sdk(fast=True)
        if can_import("celery", "redis"):
            measured["Celery prefork, SDK, one publish per delta"] = measure_celery
    rows = [{"what": name, **measure()} for name, measure in measured.items()]
    own = deltas.measure(STREAMS)
    kept = {name: own[name] for name in ("worker", "api", "valkey", "deltas/s")}
    rows.append({"what": "Longhand, stored, with one watcher a job", **kept})
    for row in rows:
        row["in all"] = row["worker"] + row.get("api", 0.0) + row["valkey"]
    show(f"CPU per delta in us, {STREAMS} streams", rows, "peers")
    if len(measured) < 3:
        print("Not all peers were measured: pip install '.[bench]', or set BENCH_PYTHON.")


def can_import(*modules: str) -> bool:
    """Whether the peers' Python has these modules."""
    command = [PYTHON, "-c", f"import {', '.join(modules)}"]
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0  # noqa: S603  # of the user's own choice


if __name__ == "__main__":
    main()
