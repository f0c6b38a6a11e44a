"""What the simulator has done, for tests and benchmarks to assert on."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

# A delta that is sent later than this after its time means that the simulator, not its reader, is the bottleneck.
LATE_SECONDS = 0.1
# The counts of so many seconds of a model are kept.
PER_SECOND_FOR = 4000


class Stats:
    """Counters since the last reset, and the last events with their times.

    Only valid completion requests are counted, without the pieces of a `long_line`. Each is `accepted` or `refused`, by
    what was in its way (`ordered`: the request's own orders); an accepted one may have to wait for a slot before it
    runs. Calls that nothing listened to are seen by nobody. `cpu_seconds` is the CPU time of the whole process.

    Only the simulator's own thread writes. `changed` is notified on every event (not on every delta), so that a test in
    another thread can wait for one instead of sleeping.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.running = 0
        self.waiting = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything but the requests that run now."""
        with self.changed:
            self.requests = 0
            self.by_key: Counter[str] = Counter()
            self.accepted = 0
            self.refused: Counter[str] = Counter()
            self.peak_running = self.running
            self.peak_waiting = self.waiting
            self.per_second: dict[tuple[int, str], Counter[str]] = {}
            self.deltas_sent = 0
            self.completed = 0
            self.faults: Counter[str] = Counter()
            self.clients_gone = 0
            self.cut = 0
            self.ledger: dict[str, tuple[int, int]] = {}
            self.late_deltas = 0
            self.max_late_seconds = 0.0
            self.last: dict[str, dict[str, Any]] = {}
            self.recent: deque[dict[str, Any]] = deque(maxlen=256)
            self.since = time.monotonic()
            self.cpu_since = time.process_time()

    def begin(self, key: str, model: str) -> int:
        """Count a request and return how many its key has had, this one included."""
        with self.changed:
            self.requests += 1
            self.by_key[key] += 1
            self._this_second(model)["requests"] += 1
            self._record("request", key)
            return self.by_key[key]

    def refuse(self, kind: str, key: str, model: str) -> None:
        """A request was not accepted, because of `kind`."""
        with self.changed:
            self.refused[kind] += 1
            self._this_second(model)["refused"] += 1
            self._record("refused", key, kind=kind)

    def accept(self, key: str, model: str) -> None:
        """A request was accepted, and waits for its slot until it runs."""
        with self.changed:
            self.accepted += 1
            self._this_second(model)["accepted"] += 1
            self.waiting += 1
            self._record("accepted", key)

    def wait(self) -> None:
        """An accepted request found no free slot."""
        with self.changed:
            self.peak_waiting = max(self.peak_waiting, self.waiting)

    def run(self, key: str, model: str) -> None:
        """An accepted request runs."""
        with self.changed:
            self.waiting -= 1
            self.running += 1
            self.peak_running = max(self.peak_running, self.running)
            second = self._this_second(model)
            second["peak_running"] = max(second["peak_running"], self.running)
            self._record("running", key)

    def end(self, event: str, key: str, model: str, tokens: int, *, was_running: bool) -> None:
        """An accepted request is over: `completed` (all sent), `closed`, `client_gone`, or `cut` by an outage.

        It has used so many tokens.
        """
        with self.changed:
            if was_running:
                self.running -= 1
            else:
                self.waiting -= 1
            self.completed += event == "completed"
            self.clients_gone += event == "client_gone"
            self.cut += event == "cut"
            second = self._this_second(model)
            second["completed"] += event == "completed"
            second["tokens"] += tokens
            self._record(event, key)

    def bill(self, name: str, input_tokens: int, output_tokens: int) -> None:
        """An accepted request has read and written so many tokens; `name` is its `Idempotency-Key`."""
        with self.changed:
            before = self.ledger.get(name, (0, 0))
            self.ledger[name] = before[0] + input_tokens, before[1] + output_tokens

    def outage(self, event: str) -> None:
        """An outage has begun (`outage`) or ended (`outage_over`)."""
        with self.changed:
            self._record(event, "")

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

    def _this_second(self, model: str) -> Counter[str]:
        place = int(time.monotonic() - self.since), model
        if place not in self.per_second:
            if len(self.per_second) >= PER_SECOND_FOR:
                del self.per_second[next(iter(self.per_second))]
            self.per_second[place] = Counter()
        return self.per_second[place]

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
                "accepted": self.accepted,
                "refused": dict(self.refused),
                "running": self.running,
                "peak_running": self.peak_running,
                "waiting": self.waiting,
                "peak_waiting": self.peak_waiting,
                "completed": self.completed,
                "deltas_sent": self.deltas_sent,
                "faults": dict(self.faults),
                "clients_gone": self.clients_gone,
                "cut": self.cut,
                "per_second": [
                    {"second": second, "model": model, **counts} for (second, model), counts in self.per_second.items()
                ],
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
