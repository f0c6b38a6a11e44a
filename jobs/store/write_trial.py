"""Whether the disk of the database has room for what is submitted: a small write shows it, and no read does."""

import secrets
from errno import ENOSPC

from sqlalchemy.exc import SQLAlchemyError

from jobs.store.database import Database, insert_into
from jobs.store.disk_full import is_disk_full
from jobs.tables import server_secrets

_NAME = "write_trial"
_CHARACTERS = 16 * 1024
"""More than the rest of a page, and random, so that it cannot be packed: the database must find room for it."""


def has_room(database: Database) -> bool:
    """Write one row anew and commit it. False only if the disk is full: whatever else is wrong is not told here."""
    try:
        with database.write() as connection:
            written = insert_into(connection, server_secrets).values(
                name=_NAME, value=secrets.token_hex(_CHARACTERS // 2), created_at=database.now()
            )
            changed = {"value": written.excluded.value, "created_at": written.excluded.created_at}
            connection.execute(written.on_conflict_do_update(index_elements=[server_secrets.c.name], set_=changed))
    except SQLAlchemyError as error:
        return not is_disk_full(error)
    except OSError as error:  # of the file beside a SQLite database
        return error.errno != ENOSPC
    return True
