"""How an API process uses the machine: its memory, its files and the turns of its threads."""

import asyncio
import ctypes
import resource
import sys
from logging import getLogger
from pathlib import Path

_MMAP_THRESHOLD = -3
"""`M_MMAP_THRESHOLD` of malloc.h."""

_LARGE_BYTES = 256 * 1024

_MANY_BYTES = 64 * 1024 * 1024
_LOOK_SECONDS = 60.0
"""How much may be free, and how often that is looked at. To give it back keeps the event loop for up to a millisecond
for each megabyte, for it waits for the same lock."""

_SIZES = Path("/proc/self/statm")
"""How many pages this process has, on Linux."""

_SWITCH_SECONDS = 0.0005
"""How long a thread that reads the database may keep the interpreter from the event loop. With Python's own 5 ms, each
look at a socket costs the loop as much while the threads are busy."""

log = getLogger(__name__)


def set_up_process() -> None:
    """Set all of this. Once for a process."""
    give_large_blocks_back()
    raise_descriptor_limit()
    sys.setswitchinterval(_SWITCH_SECONDS)


def give_large_blocks_back() -> None:
    """Let the system have each large block when it is freed: a text, or the line that it becomes.

    Once glibc has freed a block of 4 MB, it keeps all of up to that size, in the heaps of forty threads, among what is
    still used. Sixteen slow readers of such texts took 810 MB that way, and 220 without. Other C libraries do not.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, _LARGE_BYTES)


class _MallocSizes(ctypes.Structure):
    """`struct mallinfo2` of malloc.h."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    )  # fmt: skip


class FreeMemory:
    """Gives the system the pages that are free among used ones, once there are many.

    glibc gives back only what is free at the end of a heap. After a minute of large bodies and of downloads of which
    nothing was left, 860 of 890 MB were free and kept. Other C libraries, and glibc before 2.33, are left alone.
    """

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self._trim = getattr(library, "malloc_trim", None)
        self._sizes = getattr(library, "mallinfo2", None)
        if self._sizes is not None:
            self._sizes.restype = _MallocSizes
        self._least: int | None = None

    def look(self) -> None:
        """Give them back if there are many. Not on the event loop."""
        if self._trim is None or self._sizes is None or not _SIZES.exists():
            return
        idle = self._idle_bytes()
        if self._least is not None and idle > self._least + _MANY_BYTES:
            self._trim(0)
            self._least = self._idle_bytes()
        elif self._least is None or idle < self._least:
            self._least = idle

    async def look_for_ever(self) -> None:
        """Look at once, and each minute."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(_LOOK_SECONDS)

    def _idle_bytes(self) -> int:
        """What the process has beside what malloc knows to be in use: the code, Python's own small objects and what is
        free. What malloc calls free is no measure: what was given back is free still.
        """
        pages = _SIZES.read_text("ascii").split()[1]
        sizes = self._sizes()  # type: ignore[misc]  # `look` has asked
        return int(pages) * resource.getpagesize() - int(sizes.uordblks) - int(sizes.hblkhd)


def raise_descriptor_limit() -> None:
    """Let this process have as many connections as the system allows it: a usual soft limit, 1,024, is soon full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError) as error:  # where the hard limit is "unlimited" and the system has another idea
            log.warning("the limit of open files stays at %d: %s", soft, error)
