"""The index of texts on PostgreSQL: made while others write, and made anew where an earlier version made another."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep

from sqlalchemy import Connection, text

MOST_INDEXED_BYTES = 65_536
"""A longer text is not indexed on PostgreSQL, and is among what any search reads. The ends of all jobs of a worker
process wait while it is indexed: 0.3 s for so many bytes of random Chinese letters, 16 s for 3 MB. Bytes, because
PostgreSQL knows them without reading the text; to count its letters it unpacks it first. `make_indexes` looks at names
alone: with another bound they need others."""

SHORT = f"texts.ended AND octet_length(texts.text) <= {MOST_INDEXED_BYTES}"
LONG = f"texts.ended AND octet_length(texts.text) > {MOST_INDEXED_BYTES}"
"""As the indexes have it. PostgreSQL uses a partial index where a query says the same."""

_INDEXES = {
    "texts_long": f"ON texts (job_id) WHERE {LONG}",
    # It ignores case by itself, as ILIKE does. What is new waits in a list, which whoever fills it puts in order: with
    # the usual 4 MB one job's end in some hundred took 1 to 5 s, with 256 kB one in some ten takes 0.2 to 0.5 s.
    "texts_short_by_trigram": (
        f"ON texts USING gin (text gin_trgm_ops) WITH (gin_pending_list_limit = 256) WHERE {SHORT}"
    ),
}
_FORMER = "texts_by_trigram"
"""It held every text. An API process of an earlier version that still runs finds it gone, and searches slowly."""

# Any number that nothing else in this database locks.
_LOCK = 0x6C6F6E68


def make_indexes(connection: Connection) -> None:
    """Make what is missing. It takes a connection that commits each statement by itself: an index of a million texts
    takes 5 to 20 minutes, and inside a transaction no job could end meanwhile. Raises what the database refuses.
    """
    connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    with alone(connection):
        for name, definition in _INDEXES.items():
            if not is_valid(connection, name):
                # One that was begun and never finished is written to, and never used.
                connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {name}"))
                connection.execute(text(f"CREATE INDEX CONCURRENTLY {name} {definition}"))
        connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {_FORMER}"))


def is_valid(connection: Connection, name: str = "texts_short_by_trigram") -> bool:
    """Whether there is such an index, and all of it."""
    asked = text("SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass(:name) AND indisvalid")
    return bool(connection.scalar(asked, {"name": name}))


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """One process at a time. The others ask again and again: CONCURRENTLY waits for every statement that has begun,
    also for one that waits for this lock.
    """
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}):
        sleep(0.2)
    try:
        yield
    finally:
        if not connection.invalidated:  # it ends with its connection
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
