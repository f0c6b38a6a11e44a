"""Empty databases to migrate, and what is in one then: its tables, its indexes, and what Alembic would change."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import NullPool

import migrations
from jobs.store.database import Database
from jobs.tables import metadata
from tests.postgres import PostgresServer

BY_EXPRESSION = ("jobs_by_batch", "jobs_alone", "jobs_waiting")
"""The indexes that Alembic cannot compare: they are over `priority DESC`."""

TEXT_INDEX = ("text_gram", "text_numbers", "text_long", "texts_by_trigram")
"""What the names begin with that `jobs/store/text_index.py` makes, where the database can have it."""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with nothing in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'new folder' / '100% empty.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with server.database("template1") as url:
        yield url


def tables_of(url: str) -> set[str]:
    """The names of the tables that are there, but those of the index of texts."""
    engine = create_engine(url, poolclass=NullPool)
    return {name for name in inspect(engine).get_table_names() if not name.startswith(TEXT_INDEX)}


def differences(database: Database) -> list[Any]:
    """What Alembic would change for the database to be as `jobs/tables/` says."""
    with database.read() as connection:
        wanted = {
            "compare_type": True,
            "include_object": lambda _, name, *__: name not in BY_EXPRESSION and not name.startswith(TEXT_INDEX),
        }
        context = MigrationContext.configure(connection, opts=wanted)
        return list(compare_metadata(context, metadata))


def alembic_for(url: str) -> Config:
    """What Alembic's commands take."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.attributes["url"] = url
    return config


def downgrade(url: str, to: str = "base") -> None:
    """Take back the migrations after this one, or every one."""
    command.downgrade(alembic_for(url), to)


def index_texts(database: Database) -> dict[str, str]:
    """The definition of each index that is ours, as the database tells it."""
    wanted = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        if database.is_sqlite
        else "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    )
    with database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(text(wanted))}
