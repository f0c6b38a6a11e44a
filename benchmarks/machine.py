"""What the kernel says about processes: CPU, memory, and how busy the machine is with something else."""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, in nanoseconds' grain: /proc/PID/stat has 10 ms, a tenth of what ten
    streams cost in a window.
    """
    return time.clock_gettime(_cpu_clock_of(pid))


def _cpu_clock_of(pid: int) -> int:
    # clock_getcpuclockid(3), which Python has for threads only.
    return (~pid << 3) | 2


def resident_bytes(pid: int) -> int:
    """What of a process is in memory."""
    return _bytes_of(pid, "status", "VmRSS:")


def peak_bytes(pid: int) -> int:
    """The most that a process has had in memory so far."""
    return _bytes_of(pid, "status", "VmHWM:")


def proportional_bytes(pid: int) -> int:
    """What of a process is in memory, shared memory divided among those that share it: forked processes share much."""
    return _bytes_of(pid, "smaps_rollup", "Pss:")


def _bytes_of(pid: int, file: str, name: str) -> int:
    lines = map(str.split, Path(f"/proc/{pid}/{file}").read_text().splitlines())
    return next((int(words[1]) * 1024 for words in lines if words[0] == name), 0)


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and that still run."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def load_now() -> str:
    """How many processes wanted to run in the last minute, 5 and 15 minutes."""
    return " ".join(Path("/proc/loadavg").read_text().split()[:3])


def _busy_seconds() -> float:
    """CPU time of everything on the machine since it started, without idling and waiting."""
    user, nice, system, _idle, _wait, interrupts, soft, *_ = map(
        int, Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    )
    return (user + nice + system + interrupts + soft) / _TICKS


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds over a stretch of time, by name of process."""

    seconds: float
    cpu: Mapping[str, float]
    others: float
    """CPU seconds of everything else on the machine: how much the figures were disturbed."""


class Meter:
    """Measures the CPU time of some processes from one look to the next."""

    def __init__(self, pids: Mapping[str, Iterable[int]]) -> None:
        self._pids = {name: list(of_name) for name, of_name in pids.items()}
        self._last = self._look()

    def _look(self) -> tuple[float, dict[str, float], float]:
        cpu = {name: sum(map(cpu_seconds, pids)) for name, pids in self._pids.items()}
        return time.monotonic(), cpu, _busy_seconds()

    def lap(self) -> Spent:
        """What was spent since the last lap, or since this was made."""
        before, cpu_before, busy_before = self._last
        self._last = now, cpu_now, busy_now = self._look()
        cpu = {name: cpu_now[name] - cpu_before[name] for name in cpu_now}
        others = max(0.0, busy_now - busy_before - sum(cpu.values()))
        return Spent(now - before, cpu, others)


def quantile(sorted_values: list[float], share: float) -> float:
    """The value that `share` of the sorted values do not exceed; NaN of none."""
    if not sorted_values:
        return float("nan")
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]
