"""Checks that the schema version of the database matches this code.

A worker or an API with other tables would fail at each statement, and log it a hundred times a minute. So it checks
once, before it begins, and ends with one line.
"""

from logging import getLogger

from sqlalchemy import Connection, column, inspect, select, table

from jobs.store.database import DATABASE_ERRORS, driver_message, open_database

log = getLogger(__name__)

REVISION = "0014"
"""The newest one in `migrations/versions`; a test compares the two. Revisions are numbers and only grow."""


class RevisionError(Exception):
    """The tables are not those of this version; the message is one line that says what to do."""


def check_revision(url: str) -> None:
    """Raises `RevisionError` when the database at this URL is not at `REVISION`.

    A database that is away passes: the process waits for it, and if the tables are wrong, each statement says so.
    """
    database = open_database(url, connections=1)
    try:
        with database.read() as connection:
            found = read_revision(connection)
    except DATABASE_ERRORS as error:
        log.warning("the database is away, its revision is not known: %s", driver_message(error))
        return
    finally:
        database.close()
    name = f"the database {database.engine.url.database}"
    if found is None:
        raise RevisionError(f"{name} has no tables of Longhand yet: run `longhand migrate` first")
    if found < REVISION:
        raise RevisionError(
            f"{name} is at revision {found}, and this version needs {REVISION}: run `longhand migrate` first"
        )
    if found > REVISION:
        raise RevisionError(
            f"{name} is at revision {found}, and this version knows no later one than {REVISION}:"
            " start the version that migrated it, or a newer one"
        )


def read_revision(connection: Connection) -> str | None:
    """The revision that the database is at; None without tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(select(table("alembic_version", column("version_num")).c.version_num))
