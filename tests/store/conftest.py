"""A PostgreSQL server that has `pg_trgm`, and databases of it."""

import os
from collections.abc import Iterator

import pytest

from jobs.store.database import Database, open_database
from tests.postgres import PostgresServer
from tests.store.trigram_postgres import find_trigram_postgres, running_postgres


@pytest.fixture(scope="session")
def trigram_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server that has `pg_trgm`; use `trigram_database`, which is a database for one test."""
    programs = find_trigram_postgres()
    if programs is None:
        reason = "no PostgreSQL with pg_trgm is installed (Debian's package: postgresql)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with running_postgres(programs) as server:
        yield server


@pytest.fixture
def trigram_database(trigram_server: PostgresServer) -> Iterator[Database]:
    """A fresh, migrated PostgreSQL database with `pg_trgm`."""
    with trigram_server.database() as url:
        opened = open_database(url)
        try:
            yield opened
        finally:
            opened.close()
