"""Migrations: from nothing to the tables of `jobs/tables/` and back, whoever runs them, however often."""

from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, inspect, make_url, text
from sqlalchemy.pool import NullPool

from jobs.store.database import Database, open_database
from jobs.store.search import JobFilter, list_jobs
from jobs.tables import LIST_COLUMNS, metadata
from migrations import migrate
from tests.store.migrating import BY_EXPRESSION, differences, downgrade, empty_url, index_texts, tables_of
from tests.store.several_processes import forking
from tests.store.store_fixtures import Store

__all__ = ["empty_url"]  # a fixture


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
    context = forking()
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


def test_a_list_of_jobs_reads_no_prompt_on_sqlite(tmp_path: Path) -> None:
    """SQLite reads a row from its first column to the last one that is wanted."""
    url = f"sqlite:///{tmp_path / 'longhand.db'}"
    migrate(url)
    in_order = [column["name"] for column in inspect(create_engine(url, poolclass=NullPool)).get_columns("jobs")]
    prompt = in_order.index("request")
    assert {column.name for column in LIST_COLUMNS} == set(in_order[:prompt])
    assert in_order[prompt:] == ["request", "message", "accept", "cells"]


def test_the_folder_of_a_sqlite_file_is_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a' / 'b' / 'longhand.db'}"
    migrate(url)
    assert Path(str(make_url(url).database)).is_file()
