"""Alembic's entry: run by `migrate()` with a URL, or by the `alembic` command with the one of the settings."""

from alembic import context
from sqlalchemy import inspect, text

from jobs.settings import load_settings
from jobs.store.database import Database, open_database
from jobs.store.postgresql_name_index import make_name_index
from jobs.store.text_index import make_text_index
from jobs.tables import metadata

# Any number that nothing else in this database locks.
ADVISORY_LOCK = 0x6C6F6E67


def run(url: str) -> None:
    database = open_database(url, connections=1)
    try:
        with database.write() as connection:
            if not database.is_sqlite:
                # An index on a large table takes longer than any statement of the product may.
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(text("SET LOCAL lock_timeout = 0"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            # The transaction is ours: a migration is carried out whole or not at all, and two processes take turns.
            context.configure(connection=connection, target_metadata=metadata, render_as_batch=database.is_sqlite)
            context.run_migrations()
            # Not a migration: whether the database can have it may change with the database's packages.
            has_texts = inspect(connection).has_table("texts")
            if has_texts and database.is_sqlite:
                make_text_index(connection)
        if has_texts and not database.is_sqlite:
            _make_indexes(database)
    finally:
        database.close()


def _make_indexes(database: Database) -> None:
    """Outside of any transaction, so that jobs end meanwhile. With no other connection open, none has to be reset."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("SET lock_timeout = 0"))
        make_name_index(connection)
        make_text_index(connection)


run(context.config.attributes.get("url") or load_settings().database)
