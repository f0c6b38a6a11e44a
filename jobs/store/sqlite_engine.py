"""What makes SQLite safe for several processes and threads: how connections are opened and transactions begin."""

import sqlite3
from time import monotonic, sleep
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

from jobs.store.contains import contains

WRITE = "longhand_write"
"""The execution option of a connection whose transactions write."""

BUSY_MS = 30_000
_OPEN_SECONDS = 60
"""How long one of several processes that open a new file waits for the others."""


def prepare_engine(engine: Engine) -> None:
    """Let an engine open its connections, begin its transactions and write its hints as they have to be."""
    engine.dialect.statement_compiler = _HintingCompiler
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)


class _HintingCompiler(SQLiteCompiler):
    """Writes `with_hint(table, "INDEXED BY ...", "sqlite")` into the statement, which SQLAlchemy's own leaves out."""

    def get_from_hint_text(self, table: Any, text: str | None) -> str | None:
        return text


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself: `_begin_sqlite` does
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten, and not only left out
    cursor.close()
    # SQLite's own knows only ASCII: "ÉTÉ" would not be found as "été". The index of texts is made of what it gives.
    connection.create_function("lower", 1, _lower, deterministic=True)
    connection.create_function("longhand_contains", 2, contains, deterministic=True)


def _write_ahead(cursor: Any) -> None:
    """Have the file use a write-ahead log. Of several that open a new file at once SQLite refuses all but one, and
    does so without waiting: two that wait for each other would never end.
    """
    until = monotonic() + _OPEN_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > until:
                raise
            sleep(0.01)
        else:
            return


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get(WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
