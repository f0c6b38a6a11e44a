"""What the simulator has done, for tests and benchmarks to assert on."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

# A delta that is sent later than this after its time means that the simulator, not its reader, is the bottleneck.
LATE_SECONDS = 0.1


class Stats:
    """Counters since the last reset, and the last events with their times.

    Only valid completion requests are counted, without the pieces of a `long_line`. `cpu_seconds` is the CPU time of
    the whole process.

    Only the simulator's own thread writes. `changed` is notified on every event (not on every delta), so that a test in
    another thread can wait for one instead of sleeping.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.running = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything but the requests that run now."""
        with self.changed:
            self.requests = 0
            self.by_key: Counter[str] = Counter()
            self.peak_running = self.running
            self.deltas_sent = 0
            self.completed = 0
            self.faults: Counter[str] = Counter()
            self.clients_gone = 0
            self.late_deltas = 0
            self.max_late_seconds = 0.0
            self.last: dict[str, dict[str, Any]] = {}
            self.recent: deque[dict[str, Any]] = deque(maxlen=256)
            self.since = time.monotonic()
            self.cpu_since = time.process_time()

    def begin(self, key: str) -> int:
        """Count a request and return how many its key has had, this one included."""
        with self.changed:
            self.requests += 1
            self.by_key[key] += 1
            self.running += 1
            self.peak_running = max(self.peak_running, self.running)
            self._record("request", key)
            return self.by_key[key]

    def end(self, event: str, key: str) -> None:
        """A request is over: `completed` (all sent), `refused` (ordered status or body), `closed` or `client_gone`."""
        with self.changed:
            self.running -= 1
            self.completed += event == "completed"
            self.clients_gone += event == "client_gone"
            self._record(event, key)

    def fault(self, name: str, key: str) -> None:
        """A fault has been carried out, not only ordered."""
        with self.changed:
            self.faults[name] += 1
            self._record("fault", key, fault=name)

    def sent(self, deltas: int, late_deltas: int, late_seconds: float) -> None:
        """Count deltas that were sent, how many of them were late, and how late the latest was."""
        self.deltas_sent += deltas
        self.late_deltas += late_deltas
        self.max_late_seconds = max(self.max_late_seconds, late_seconds)

    def _record(self, event: str, key: str, **more: str) -> None:
        entry = {"event": event, "key": key, **more, "monotonic": time.monotonic(), "wall": time.time()}
        self.last[event] = entry
        self.recent.append(entry)
        self.changed.notify_all()

    def snapshot(self) -> dict[str, Any]:
        """All of it, as `GET /stats` gives it. Event times are of `time.monotonic` and `time.time`."""
        with self.changed:
            return {
                "requests": self.requests,
                "by_key": dict(self.by_key),
                "running": self.running,
                "peak_running": self.peak_running,
                "completed": self.completed,
                "deltas_sent": self.deltas_sent,
                "faults": dict(self.faults),
                "clients_gone": self.clients_gone,
                "late_deltas": self.late_deltas,
                "max_late_ms": round(self.max_late_seconds * 1000, 1),
                "seconds": round(time.monotonic() - self.since, 3),
                "cpu_seconds": round(time.process_time() - self.cpu_since, 3),
                "last": dict(self.last),
                "recent": list(self.recent),
            }

    def wait_until(self, holds: Callable[[dict[str, Any]], bool], timeout_seconds: float) -> dict[str, Any]:
        """Wait, in another thread than the simulator's, until `holds` is true of a snapshot, and return that snapshot.

        Raises `TimeoutError`, with the last snapshot in its message.
        """
        deadline = time.monotonic() + timeout_seconds
        # Every event is written under this lock, so none can fall between the check and the wait.
        with self.changed:
            while not holds(snapshot := self.snapshot()):
                if not self.changed.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"not within {timeout_seconds} s in the stats of the simulator: {snapshot}")
            return snapshot
