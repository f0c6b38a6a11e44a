"""The index of names on PostgreSQL, by their bytes: in the order of a language it finds no name by its beginning.

It is made while others write, in the place of the one that migrations make: with a million jobs that takes 14 s, in
which no lease could be renewed. It finds whole names as that one did, so every version can use it.
"""

from sqlalchemy import Connection, text

from jobs.store.postgresql_text_index import alone, is_valid

_NAME = "jobs_by_custom_id"
_NEW = "jobs_by_custom_id_new"
_DEFINITION = "ON jobs (project, custom_id text_pattern_ops, id) WHERE custom_id IS NOT NULL"


def make_name_index(connection: Connection) -> None:
    """Make it if it is missing. It takes a connection that commits each statement by itself."""
    with alone(connection):
        if _is_by_bytes(connection):
            return
        if not is_valid(connection, _NEW):
            # One that was begun and never finished is written to, and never used.
            connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {_NEW}"))
            connection.execute(text(f"CREATE INDEX CONCURRENTLY {_NEW} {_DEFINITION}"))
        connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {_NAME}"))
        connection.execute(text(f"ALTER INDEX {_NEW} RENAME TO {_NAME}"))


def _is_by_bytes(connection: Connection) -> bool:
    found = connection.scalar(text("SELECT pg_get_indexdef(to_regclass(:name))"), {"name": _NAME})
    return "text_pattern_ops" in (found or "")
