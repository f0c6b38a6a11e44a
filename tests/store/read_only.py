"""A PostgreSQL that only reads for a while, as a standby does after a failover."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, text

from jobs.store.database import Database


@contextmanager
def read_only(database: Database) -> Iterator[None]:
    """Let this PostgreSQL take no writes; its connections are opened anew."""
    set_read_only(database, "on")
    try:
        yield
    finally:
        set_read_only(database, "off")


def set_read_only(database: Database, state: str) -> None:
    outside = create_engine(database.engine.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    name = database.engine.url.database
    with outside.connect() as connection:
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {state}'))
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        connection.execute(text(others), {"name": name})
    outside.dispose()
    database.engine.dispose()
