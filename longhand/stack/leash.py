"""Runs a command that cannot outlive the process that started it: `leash.py <pid of the parent> <command...>`.

When the parent is gone, however it ended, the kernel kills the command (PR_SET_PDEATHSIG, Linux) by SIGKILL, which is
certain and costs nothing: leases rescue the jobs, Valkey appends its writes to a file, SQLite has its log. The signal
is asked for here, in the new process, and not in a `preexec_fn`: that would run Python between fork and exec, which may
hang when the parent has threads. The pid stays the same. Systems other than Linux have no such signal: there, what a
killed `longhand up` has started must be ended by hand.

A script and not a module, so that it starts in 13 ms without reading any package.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for the signal, then become the command."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(parent):
            # The parent ended before the signal was asked for.
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606  # no shell is meant


if __name__ == "__main__":
    main()
