"""Tells a full disk of the database from a database that is away."""

import sqlite3

_DISK_FULL = "53100"
"""The SQLSTATE of a write for which there is no room."""

_SQLITE_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
"""The second one: no room for the index of the write-ahead log, which a read needs, too."""


def is_disk_full(error: Exception) -> bool:
    """Whether an error says that the disk of the database is full."""
    cause = getattr(error, "orig", None)
    code = getattr(cause, "sqlite_errorcode", None)
    return code in _SQLITE_FULL or getattr(cause, "sqlstate", None) == _DISK_FULL
