"""What the API process has freed is the system's again."""

import platform
import subprocess
import sys

import pytest

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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps them")
def test_large_blocks_are_given_back_when_they_are_freed() -> None:
    assert kept_bytes("as it is by default") > 50 << 20
    assert kept_bytes("given back") < 10 << 20
