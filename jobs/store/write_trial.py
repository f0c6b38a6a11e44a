"""Whether the database takes what is submitted: a small write shows it, and no read does."""

import secrets
from errno import ENOSPC

from sqlalchemy.exc import SQLAlchemyError

from jobs.store.database import Database, insert_into
from jobs.store.refused_writes import is_disk_full, is_read_only
from jobs.tables import server_secrets

_NAME = "write_trial"
_CHARACTERS = 16 * 1024
"""More than the rest of a page, and random, so that it cannot be packed: the database must find room for it."""


def try_write(database: Database) -> None:
    """Write one row anew and commit it. Raises what the database raises."""
    with database.write() as connection:
        written = insert_into(connection, server_secrets).values(
            name=_NAME, value=secrets.token_hex(_CHARACTERS // 2), created_at=database.now()
        )
        changed = {"value": written.excluded.value, "created_at": written.excluded.created_at}
        connection.execute(written.on_conflict_do_update(index_elements=[server_secrets.c.name], set_=changed))


def find_refusal(database: Database) -> str | None:
    """Why the database takes no writes although it answers. None: it takes them, or something else is wrong with it,
    which is not told here.
    """
    try:
        try_write(database)
    except SQLAlchemyError as error:
        return "its disk is full" if is_disk_full(error) else "it is read-only" if is_read_only(error) else None
    except OSError as error:  # of the file beside a SQLite database
        return "its disk is full" if error.errno == ENOSPC else None
    return None
