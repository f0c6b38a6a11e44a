"""How an API process uses the machine: its memory, its files and the turns of its threads."""

import ctypes
import resource
import sys
from logging import getLogger

_MMAP_THRESHOLD = -3
"""`M_MMAP_THRESHOLD` of malloc.h."""

_LARGE_BYTES = 256 * 1024

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


def raise_descriptor_limit() -> None:
    """Let this process have as many connections as the system allows it: a usual soft limit, 1,024, is soon full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError) as error:  # where the hard limit is "unlimited" and the system has another idea
            log.warning("the limit of open files stays at %d: %s", soft, error)
