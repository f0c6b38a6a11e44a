"""The clock of an embedded database: all processes of its machine go by it, and no step back of the machine's clock
delays what was due.
"""

import fcntl
import os
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

_STATE = struct.Struct("=16sqq")
"""Which boot of the machine the floor is of, the floor, and the latest time that was told, in nanoseconds."""

_KEEP_NS = 50_000_000
"""How far the floor may fall behind before it is written: it is not worth a write for each look at the clock."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def since_boot() -> int:
    """Nanoseconds that nothing sets: they also pass while the machine sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class SteadyClock:
    """Tells the machine's time or, after that was set back, the time that had been reached.

    From there it goes on at nine tenths of the pace, until the machine's time has caught up: jobs, leases and waits
    stay in order, and nobody sees a pause. A step forward is believed at once. What was reached is in a file beside the
    database, for processes that start later.
    """

    def __init__(
        self, path: str, wall: Callable[[], int] = time.time_ns, running: Callable[[], int] = since_boot
    ) -> None:
        self._path = path
        self._wall = wall
        self._running = running
        self._file: int | None = None
        self._floor: int | None = None
        self._guard = threading.Lock()

    def now(self) -> datetime:
        running = self._running() * 9 // 10
        wall = self._wall()
        floor = self._read_floor(wall, running)
        if wall - running > floor + _KEEP_NS:
            floor = wall - running
            self._write(floor, wall)
        return _EPOCH + timedelta(microseconds=max(wall, running + floor) // 1000)

    def close(self) -> None:
        with self._guard:
            if self._file is not None:
                os.close(self._file)
            self._file = None

    def _read_floor(self, wall: int, running: int) -> int:
        """What is added to the time since the boot, of which a tenth is taken away. Where the file cannot be had, as on
        a full disk, this process goes on by itself.
        """
        with self._guard:
            with suppress(OSError):
                if self._file is None:
                    self._file = self._open(wall, running)
                self._floor = _STATE.unpack(os.pread(self._file, _STATE.size, 0))[1]
            if self._floor is None:
                self._floor = wall - running
            return self._floor

    def _open(self, wall: int, running: int) -> int:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            kept = os.pread(file, _STATE.size, 0)
            boot, _, latest = _STATE.unpack(kept) if len(kept) == _STATE.size else (b"", 0, 0)
            if boot != _boot_id():  # the time since then has begun anew
                latest = max(wall, latest)
                os.pwrite(file, _STATE.pack(_boot_id(), latest - running, latest), 0)
            fcntl.flock(file, fcntl.LOCK_UN)
        except OSError:
            os.close(file)
            raise
        return file

    def _write(self, floor: int, latest: int) -> None:
        with self._guard:
            self._floor = floor
            if self._file is not None:
                with suppress(OSError):
                    os.pwrite(self._file, _STATE.pack(_boot_id(), floor, latest), 0)


@cache
def _boot_id() -> bytes:
    return bytes.fromhex(Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", ""))
