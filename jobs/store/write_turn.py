"""Whose turn it is to write to a SQLite file, among the threads of a process and among the processes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from jobs.model.fair_lock import FairLock
from jobs.store.file_lock import FileLock

PATIENCE_SECONDS = 60
"""How long a thread waits for a connection of the pool, and on SQLite for its turn to write."""

LOCK_SECONDS = 20
"""How long one process waits on SQLite for another that writes. The largest batch takes a third of it; one that takes
longer is stopped or hangs, and until it goes on nobody else waits for it."""


class WriteTurn:
    """That of one file.

    SQLite polls for its write lock: of 4 busy processes one got 335 of 400 jobs, and the slowest claim took 1.7 s. The
    kernel's lock on a file beside the database wakes the one that waits. Threads have it in the order of their coming:
    of Python's own lock, one that cancels a large batch in rounds had every turn.
    """

    def __init__(self, path: str | None) -> None:
        self._threads = FairLock()
        self._path = f"{path}-turn" if path else None
        self._lock: FileLock | None = None

    @contextmanager
    def of_threads(self) -> Iterator[None]:
        """The turn among the threads that write through this object. Raises when it does not come within 60 s, and at
        once when another process has kept the turn for longer than any transaction takes.
        """
        if self._lock is not None and self._lock.waited_seconds() > LOCK_SECONDS:
            raise PoolTimeoutError(f"another process has kept the turn to write for more than {LOCK_SECONDS} s")
        with ExitStack() as turn:
            try:
                turn.enter_context(self._threads.hold(timeout=PATIENCE_SECONDS))
            except TimeoutError:
                raise PoolTimeoutError(f"no turn to write within {PATIENCE_SECONDS} s") from None
            yield

    @contextmanager
    def of_processes(self) -> Iterator[None]:
        """The turn among all processes; held by the thread whose turn it is here. Raises when it does not come."""
        if self._path is None:
            yield
            return
        if self._lock is None:
            self._lock = FileLock(self._path)
        # From when this process began to wait: those behind the first one do not each wait as long again.
        if not self._lock.acquire(max(0.0, LOCK_SECONDS - self._lock.waited_seconds())):
            raise PoolTimeoutError(f"another process has kept the turn to write for more than {LOCK_SECONDS} s")
        try:
            yield
        finally:
            self._lock.release()

    def close(self) -> None:
        with self._threads.hold():
            if self._lock is not None:
                self._lock.close()
            self._lock = None
