"""The kernel's lock on a file, with an end to the waiting."""

import fcntl
import os
import threading
from time import monotonic


class FileLock:
    """One process's place in the queue for a lock that other processes hold in turn. One thread at a time may use it.

    The kernel wakes the one that waits, but it knows no timeout. So a separate thread waits where the lock is not
    free; who needs it waits for that thread, and may give up. The place in the queue is then kept for the next one.
    """

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._guard = threading.Lock()
        self._waiting_since: float | None = None
        self._taken: threading.Event | None = None
        self._wanted = False

    def waited_seconds(self) -> float:
        """How long this process has waited for the lock so far; 0 when it does not wait."""
        since = self._waiting_since
        return 0.0 if since is None else monotonic() - since

    def acquire(self, seconds: float) -> bool:
        """Take the lock; False when it does not come within this time."""
        with self._guard:
            if self._taken is None:
                if self._try():
                    return True
                self._taken = threading.Event()
                self._waiting_since = monotonic()
                # A daemon: it may wait for a process that is stopped, and must not keep this one from ending.
                threading.Thread(target=self._wait, args=(self._taken,), name="write lock", daemon=True).start()
            taken, self._wanted = self._taken, True
        if taken.wait(seconds):
            return True
        with self._guard:
            if taken.is_set():  # just now
                return True
            self._wanted = False
            return False

    def release(self) -> None:
        """Let the next process have it."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give up the file, unless a thread still waits for it."""
        with self._guard:
            if self._taken is None:
                os.close(self._file)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _wait(self, taken: threading.Event) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        with self._guard:
            self._taken = self._waiting_since = None
            if self._wanted:
                self._wanted = False
                taken.set()
            else:  # the thread that wanted it has given up
                self.release()
