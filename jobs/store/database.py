"""One database behind one object: SQLite (embedded) and PostgreSQL, with the settings that make each of them safe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from logging import getLogger
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, Table, create_engine, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from jobs.store.refused_writes import READ_ONLY
from jobs.store.sqlite_engine import WRITE, prepare_engine
from jobs.store.steady_clock import SteadyClock
from jobs.store.write_ahead_log import WriteAheadLog
from jobs.store.write_turn import PATIENCE_SECONDS, WriteTurn

log = getLogger(__name__)

DATABASE_ERRORS = (DBAPIError, PoolTimeoutError)
"""What a statement raises when the database is away or refuses it; `is_transient` tells the one from the other."""


_SLOW_ANSWER = timedelta(seconds=1)
"""An answer that took this long tells the database's time only to within half of that."""

_STEP = timedelta(seconds=5)
"""No clock drifts so far between two looks at it."""


def is_transient(error: Exception) -> bool:
    """Whether an error says that the database is away or busy, and not that the statement is wrong."""
    if isinstance(error, DBAPIError):
        if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
            return True
        return str(getattr(error.orig, "sqlstate", "")).startswith("25")  # of a transaction's state: read-only, ...
    return isinstance(error, PoolTimeoutError)


def driver_message(error: Exception) -> str:
    """The database's own words in one line, without the statement."""
    return " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())


def utc_now() -> datetime:
    return datetime.now(UTC)


class Database:
    """An engine, the clock that its rows go by, and two ways in: `read` and `write`.

    A process with two of them gives the one's `now` to the other as its clock, and synchronizes the one.

    With SQLite's defaults, 3,242 of 3,480 concurrent updates were lost: a transaction that reads first and then writes
    fails at once when another wrote in between. So every write transaction takes the write lock at its beginning
    (`BEGIN IMMEDIATE`), waits for it for up to 30 s, and syncs at its end.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime] | None = None) -> None:
        self.engine = engine
        self._skew = timedelta()
        self._is_synchronized = False
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._steady = SteadyClock(f"{engine.url.database}-clock") if self.is_sqlite and engine.url.database else None
        self._clock = clock or (self._steady.now if self._steady is not None else utc_now)
        self._writer = engine.execution_options(**{WRITE: True})
        self._turn = WriteTurn(engine.url.database) if self.is_sqlite else None
        self._log = WriteAheadLog(engine, self._turn) if self._turn is not None else None

    def now(self) -> datetime:
        """The time that leases go by: that of the database, as `synchronize` last found it. On SQLite it is the
        machine's, without its steps back.
        """
        return self._clock() + self._skew

    def synchronize(self) -> None:
        """Ask the database for its time. A worker whose own clock is ahead would see the others' leases as expired."""
        if self.is_sqlite:
            return  # one machine, one clock
        with self.read() as connection:
            before = self._clock()
            told: datetime = connection.scalars(select(func.clock_timestamp())).one()
            after = self._clock()
        if after - before < _SLOW_ANSWER:
            skew = told - (before + (after - before) / 2)
            if self._is_synchronized and skew < self._skew - _STEP:
                back = (self._skew - skew).total_seconds()
                log.warning(
                    "the database's clock is set back by %.0f s: holds and dead workers' jobs wait longer", back
                )
            self._skew, self._is_synchronized = skew, True

    def read(self) -> Connection:
        """A connection to read with, one snapshot on SQLite. It is given back at the end of its `with`."""
        return self.engine.connect()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: committed at the end, rolled back when an exception leaves it."""
        if self._turn is None:
            with self._writer.begin() as connection:
                yield connection
            return
        # The connection first: a thread that waits for one must not keep every other process from writing meanwhile.
        with (
            self._turn.of_threads(),
            self._writer.connect() as connection,
            self._turn.of_processes(),
            connection.begin(),
        ):
            yield connection

    def mark_erased(self) -> None:
        """Something was deleted that nobody is to find any more, not even in the database's files."""
        if self._log is not None:
            self._log.mark_erased()

    def scrub(self) -> None:
        """Empty SQLite's write-ahead log if something was deleted, which still stands there, or if it is large. While
        somebody reads an older state that cannot be, and the next call tries again.
        """
        if self._log is not None:
            self._log.scrub()

    def close(self) -> None:
        """Give up every connection; one that a thread has at this moment is closed when it comes back."""
        event.listen(self.engine, "checkin", _close_for_good)
        self.engine.dispose()
        if self._steady is not None:
            self._steady.close()
        if self._turn is not None:
            self._turn.close()


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`, which both databases have."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def open_database(url: str, *, connections: int = 16, clock: Callable[[], datetime] | None = None) -> Database:
    """Open the database at a SQLAlchemy URL (`sqlite:///...` or `postgresql+psycopg://...`). Nothing is created in it.

    `connections` bounds the pool; a thread that asks for one more waits for up to 60 s. A stream holds no connection,
    so this is the number of statements at once, not of jobs.
    """
    parsed = make_url(url)
    pool: dict[str, Any] = {"pool_size": connections, "max_overflow": 0, "pool_timeout": PATIENCE_SECONDS}
    pool["hide_parameters"] = True  # they are prompts and texts, and an error's message goes to the log
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed, **pool)
        prepare_engine(engine)
    else:
        engine = create_engine(
            parsed,
            **pool,
            pool_pre_ping=True,
            # A database that is frozen rather than gone must not hold a thread for ever.
            connect_args={
                "connect_timeout": 5,
                # And a process that is frozen inside a transaction must not hold its rows for ever.
                "options": "-c statement_timeout=60000 -c lock_timeout=30000"
                " -c idle_in_transaction_session_timeout=30000"
                # A generic plan cannot know that a status fits a partial index.
                " -c plan_cache_mode=force_custom_plan",
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 2,
                "tcp_user_timeout": 15000,
            },
        )
        event.listen(engine, "handle_error", _leave_replica)
    return Database(engine, clock)


def _close_for_good(_connection: object, entry: ConnectionPoolEntry) -> None:
    entry.close()


def _leave_replica(context: ExceptionContext) -> None:
    """Give up the connections to a server that takes no writes any more: after a failover they lead to the old one."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True
