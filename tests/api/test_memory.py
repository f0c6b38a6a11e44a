"""What the API process has freed is the system's again."""

import platform
import subprocess
import sys
import threading
from resource import getpagesize

import pytest

from api import process
from api.process import FreeMemory
from tests.conftest import serve_api

FREE_AMONG_SMALL_ONES = """
import ctypes, sys
from pathlib import Path
from api.process import give_large_blocks_back

if sys.argv[1] == "given back":
    give_large_blocks_back()

class Sizes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in sys.argv[2].split()]

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.mallinfo.restype = Sizes
libc.free(ctypes.c_void_p(libc.malloc(ctypes.c_size_t(4 << 20))))  # from here on glibc keeps what is as large
large = []
for _ in range(20):
    large.append(libc.malloc(ctypes.c_size_t(3 << 20)))
    libc.malloc(ctypes.c_size_t(1000))
for block in large:
    libc.free(ctypes.c_void_p(block))
print(libc.mallinfo().fordblks)
"""

SIZES = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
"""The fields of `mallinfo`; `fordblks` is what is free and kept."""


def kept_bytes(how: str) -> int:
    """How many bytes that are free the C library keeps."""
    command = [sys.executable, "-c", FREE_AMONG_SMALL_ONES, how, SIZES]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


FREE_AMONG_USED_ONES = """
import ctypes
from pathlib import Path
from api.process import FreeMemory, give_large_blocks_back

give_large_blocks_back()
def resident_pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

memory = FreeMemory()
memory.look()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
pieces = []
for _ in range(2_000):
    pieces.append(libc.malloc(ctypes.c_size_t(100_000)))
    ctypes.memset(ctypes.c_void_p(pieces[-1]), 1, 100_000)
    libc.malloc(ctypes.c_size_t(700))
for piece in pieces:
    libc.free(ctypes.c_void_p(piece))
print(resident_pages())
memory.look()
print(resident_pages())
memory._trim = lambda _: print("again")
memory.look()
"""

on_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps them")


@on_glibc
def test_large_blocks_are_given_back_when_they_are_freed() -> None:
    assert kept_bytes("as it is by default") > 50 << 20
    assert kept_bytes("given back") < 10 << 20


@on_glibc
def test_what_is_free_among_used_blocks_is_given_back_once_it_is_much() -> None:
    """A piece of a body is too small for a block of its own."""
    command = [sys.executable, "-c", FREE_AMONG_USED_ONES]
    before, after, *again = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert int(before) * getpagesize() > 200_000_000
    assert int(after) * getpagesize() < 100_000_000
    assert again == []  # what has been given back is no reason to look for it once more


def test_the_api_looks_at_its_memory_again_and_again(
    sqlite_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, twice = [0], threading.Event()

    def look(_: FreeMemory) -> None:
        looks[0] += 1
        if looks[0] > 1:
            twice.set()

    monkeypatch.setattr(process, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(FreeMemory, "look", look)
    with serve_api(sqlite_url, redis_url):
        assert twice.wait(60)
