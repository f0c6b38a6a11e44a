"""A PostgreSQL server that has `pg_trgm`, and databases of it."""

import os
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from jobs.store.database import Database, open_database
from migrations import migrate
from tests.store.trigram_postgres import find_trigram_postgres, running_postgres


@pytest.fixture(scope="session")
def trigram_server() -> Iterator[URL]:
    """A PostgreSQL server that has `pg_trgm`, as its administrator."""
    programs = find_trigram_postgres()
    if programs is None:
        reason = "no PostgreSQL with pg_trgm is installed (Debian's package: postgresql)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with running_postgres(programs) as url:
        yield url


@pytest.fixture
def trigram_database(trigram_server: URL) -> Iterator[Database]:
    """A fresh PostgreSQL database with `pg_trgm`."""
    admin = create_engine(trigram_server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    name = "longhand_search"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = trigram_server.set(database=name).render_as_string(hide_password=False)
    migrate(url)
    opened = open_database(url)
    try:
        yield opened
    finally:
        opened.close()
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
