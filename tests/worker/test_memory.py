"""All threads of a worker process share one heap."""

import platform
import subprocess
import sys

import pytest

ALLOCATE_IN_THREADS = """
import ctypes, sys, threading
from worker.memory import share_one_heap

if sys.argv[1] == "shared":
    share_one_heap()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(8)

def allocate():
    together.wait()
    libc.malloc(ctypes.c_size_t(10_000))
    together.wait()

threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.malloc_stats()
"""


def heaps(how: str) -> int:
    """How many heaps the C library says that a process with eight threads has."""
    ran = subprocess.run([sys.executable, "-c", ALLOCATE_IN_THREADS, how], capture_output=True, text=True, check=True)
    return ran.stderr.count("Arena ")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives threads heaps of their own")
def test_all_threads_share_one_heap() -> None:
    assert heaps("as it is by default") > 1
    assert heaps("shared") == 1
