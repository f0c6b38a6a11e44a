"""Migrations: from nothing to the tables of `jobs/tables.py` and back, whoever runs them, however often."""

import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

import migrations
from jobs.database import Database, open_database
from jobs.search import JobFilter, list_jobs
from jobs.tables import metadata
from migrations import migrate
from tests.store.store_fixtures import Store

BY_EXPRESSION = ("jobs_by_batch", "jobs_alone", "jobs_waiting")
"""The indexes that Alembic cannot compare: they are over `priority DESC`."""

TEXT_INDEX = ("text_gram", "text_numbers", "texts_by_trigram")
"""What the names begin with that `jobs/text_index.py` makes, where the database can have it."""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with nothing in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'new folder' / '100% empty.db'}"
        return
    server: URL = request.getfixturevalue("postgres_server_url")
    name = f"longhand_empty_{tmp_path.name.replace('-', '_')[:40].lower()}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with admin.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    yield server.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))


def tables_of(url: str) -> set[str]:
    """The names of the tables that are there, but those of the index of texts."""
    engine = create_engine(url, poolclass=NullPool)
    return {name for name in inspect(engine).get_table_names() if not name.startswith(TEXT_INDEX)}


def differences(database: Database) -> list[Any]:
    """What Alembic would change for the database to be as `jobs/tables.py` says."""
    with database.read() as connection:
        wanted = {
            "compare_type": True,
            "include_object": lambda _, name, *__: name not in BY_EXPRESSION and not name.startswith(TEXT_INDEX),
        }
        context = MigrationContext.configure(connection, opts=wanted)
        return list(compare_metadata(context, metadata))


def downgrade(url: str) -> None:
    """Take back every migration."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.attributes["url"] = url
    command.downgrade(config, "base")


def index_texts(database: Database) -> dict[str, str]:
    """The definition of each index that is ours, as the database tells it."""
    wanted = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        if database.is_sqlite
        else "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    )
    with database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(text(wanted))}


def test_an_empty_database_gets_every_table_and_works(empty_url: str) -> None:
    migrate(empty_url)
    assert tables_of(empty_url) == {*metadata.tables, "alembic_version"}
    database = open_database(empty_url)
    try:
        job_id = Store(database).submit()
        assert [job.id for job in list_jobs(database, JobFilter(), after=None, limit=5, project=None)[0]] == [job_id]
    finally:
        database.close()


def test_migrating_twice_changes_nothing(empty_url: str) -> None:
    migrate(empty_url)
    database = open_database(empty_url)
    try:
        store = Store(database)
        store.running()
        before = store.rows()
        migrate(empty_url)
        assert store.rows() == before
    finally:
        database.close()


def migrate_together(url: str, gate: Any) -> None:
    """One of several processes that begin at the same time."""
    gate.wait(60)
    migrate(url)


def test_processes_that_migrate_at_the_same_time_take_turns(empty_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(3)
    processes = [context.Process(target=migrate_together, args=(empty_url, gate)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert tables_of(empty_url) == {*metadata.tables, "alembic_version"}


def test_the_tables_are_those_that_the_code_knows(database: Database) -> None:
    assert differences(database) == []


def test_a_table_that_differs_is_noticed(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("ALTER TABLE jobs ADD COLUMN forgotten INTEGER"))
        connection.execute(text("DROP INDEX jobs_by_model"))
    assert {change[0] for change in differences(database)} == {"remove_column", "add_index"}


def test_the_indexes_that_alembic_cannot_compare_are_the_same_too(database: Database) -> None:
    """And so are the conditions of those over a part of the rows, at which Alembic does not look."""
    migrated = index_texts(database)
    with database.write() as connection:
        for table in metadata.sorted_tables:
            for index in table.indexes:
                index.drop(connection)
                index.create(connection)
    assert index_texts(database) == migrated
    assert all("priority DESC" in migrated[name] for name in BY_EXPRESSION)
    assert "WHERE" in migrated["jobs_alone"]


def test_down_to_nothing_and_up_again(empty_url: str) -> None:
    migrate(empty_url)
    downgrade(empty_url)
    assert tables_of(empty_url) <= {"alembic_version"}
    migrate(empty_url)
    assert tables_of(empty_url) == {*metadata.tables, "alembic_version"}


def test_the_folder_of_a_sqlite_file_is_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a' / 'b' / 'longhand.db'}"
    migrate(url)
    assert Path(str(make_url(url).database)).is_file()
