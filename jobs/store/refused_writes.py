"""Tells a database that answers and takes no writes from one that is away."""

import sqlite3

_DISK_FULL, READ_ONLY = "53100", "25006"
"""The SQLSTATE of a write for which there is no room, and of one to a PostgreSQL that only reads, as a standby does."""

_SQLITE_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
"""The second one: no room for the index of the write-ahead log, which a read needs, too."""


def is_disk_full(error: Exception) -> bool:
    """Whether an error says that the disk of the database is full."""
    cause = getattr(error, "orig", None)
    code = getattr(cause, "sqlite_errorcode", None)
    return code in _SQLITE_FULL or getattr(cause, "sqlstate", None) == _DISK_FULL


def is_read_only(error: Exception) -> bool:
    """Whether an error says that the database only reads."""
    cause = getattr(error, "orig", None)
    code = getattr(cause, "sqlite_errorcode", None) or 0
    # The lowest byte is the kind, and the rest says more of it.
    return code & 0xFF == sqlite3.SQLITE_READONLY or getattr(cause, "sqlstate", None) == READ_ONLY
