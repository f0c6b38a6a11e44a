"""SQLite's write-ahead log, which is emptied when something was deleted that still stands in it, or when it is large.

SQLite begins its log anew only when nobody reads from it. While slow reads overlap somebody always does, and it grew by
2.5 MB a second.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from time import monotonic

from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import OperationalError

from jobs.store.sqlite_engine import BUSY_MS
from jobs.store.write_turn import WriteTurn

READERS_MS = 100
"""How long everybody who wants to write waits for those who read from the log that is to be emptied."""

LARGE_BYTES = 64 << 20
"""A log that is larger is emptied."""

TOO_LARGE_BYTES, OVERDUE_SECONDS = 256 << 20, 10.0
PATIENT_MS, MOST_PATIENT_MS = 5000, 10_000
APART_SECONDS, MOST_APART_SECONDS = 30.0, 600.0
"""Reads that overlap and take longer than `READERS_MS` leave no moment to empty it in. So where it is too large, or a
deletion is so old, they are waited for longer. Twice as long as the longest read is enough. If it was not, the next try
waits longer, and comes much later: who writes waits with it.
"""


class WriteAheadLog:
    """That of one file, for one process; others may empty it, too."""

    def __init__(self, engine: Engine, turn: WriteTurn) -> None:
        self._engine = engine
        self._turn = turn
        # Something was, as far as anybody knows, by a process that ended before it could scrub.
        self._has_erased = True
        self._erased_at = monotonic()
        self._patient_at = 0.0
        self._failures = 0
        """How many patient tries in a row were in vain."""

    def mark_erased(self) -> None:
        """Something was deleted that nobody is to find any more."""
        if not self._has_erased:
            self._erased_at = monotonic()
        self._has_erased = True

    def scrub(self) -> None:
        """Empty it if it is time; else the next call tries again. Raises SQLAlchemy's errors."""
        size = self._size()
        if not self._has_erased and size <= LARGE_BYTES:
            return
        readers_ms = self._readers_ms(size)
        self._has_erased, is_erased, done = False, self._has_erased, False
        try:
            done = self._empty(readers_ms)
            if done or readers_ms != READERS_MS:
                self._failures = 0 if done else self._failures + 1
        except sqlite3.Error as error:
            raise OperationalError("empty the write-ahead log", None, error) from error
        finally:
            self._has_erased = self._has_erased or (is_erased and not done)

    def _empty(self, readers_ms: int) -> bool:
        with closing(self._engine.raw_connection()) as connection:
            copy_log(connection)
        with (
            self._turn.of_threads(),
            closing(self._engine.raw_connection()) as connection,
            self._turn.of_processes(),
        ):
            return empty_log(connection, readers_ms)

    def _readers_ms(self, size: int) -> int:
        is_overdue = self._has_erased and monotonic() - self._erased_at > OVERDUE_SECONDS
        if (size <= TOO_LARGE_BYTES and not is_overdue) or monotonic() < self._patient_at:
            return READERS_MS
        self._patient_at = monotonic() + min(MOST_APART_SECONDS, APART_SECONDS * 2.0**self._failures)
        return MOST_PATIENT_MS if self._failures else PATIENT_MS

    def _size(self) -> int:
        try:
            return Path(f"{self._engine.url.database}-wal").stat().st_size
        except OSError:
            return 0


def copy_log(connection: PoolProxiedConnection) -> None:
    """Copy the log into the database, while others read and write."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
    cursor.close()


def empty_log(connection: PoolProxiedConnection, readers_ms: int = READERS_MS) -> bool:
    """Copy the rest of the log and cut it to nothing. Nobody writes meanwhile. False: somebody still reads from it."""
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={readers_ms}")
    try:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (busy, _, _) = cursor.fetchone() or (1, 0, 0)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise
        busy = 1
    finally:
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        cursor.close()
    return not busy
