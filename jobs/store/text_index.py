"""The index of texts by their trigrams: which jobs may contain a text.

It holds the texts of jobs that have ended, but very long ones, and changes with them in the same transaction: on
PostgreSQL it is an index (`postgresql_text_index.py`), on SQLite a table that triggers maintain. The texts of running
jobs are not in it, because a checkpoint comes every few seconds and would be indexed each time; they are few, and are
searched one by one, as are the long ones.

Where the database cannot have it (no `pg_trgm`, no FTS5), search is just as exact, but finds rare texts slowly.
"""

import logging
from collections.abc import Sequence
from itertools import product

from sqlalchemy import Connection, Select, column, select, table, text, union_all
from sqlalchemy.exc import DBAPIError

from jobs.store.contains import folded
from jobs.store.database import driver_message
from jobs.store.postgresql_text_index import LONG, SHORT, is_valid, make_indexes
from jobs.tables import jobs, texts

log = logging.getLogger(__name__)

_MOST_GRAMS = 24
"""A longer text is looked up by about this many of its trigrams; more of them only cost."""
_MOST_ENDINGS = 500
"""One or two letters are looked up by the trigrams that begin with them, if there are no more than this."""
MOST_CANDIDATES = 100_000
"""If more texts than this match, the index does not help: their ids alone are 10 MB."""

MOST_INDEXED_CHARACTERS = 65_536
"""A longer text is not indexed on SQLite, and is among what any search reads. All writers wait while a text is indexed,
and its time grows faster than its trigrams: 0.2 s for so many random Chinese letters, 20 to 80 s for 4 to 16 MB."""

# Texts are indexed in lower case and with two spaces after them, so that each letter begins a trigram. `detail=none`
# stores which texts have a trigram and not where: a third of the size, and each candidate is read anyway.
_ON_SQLITE = (
    "CREATE TABLE text_numbers (number INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT NOT NULL UNIQUE)",
    """
    CREATE VIRTUAL TABLE text_grams USING fts5 (
        text, tokenize='trigram case_sensitive 1', content='', detail=none, columnsize=0
    )
    """,
    "CREATE VIRTUAL TABLE text_gram_list USING fts5vocab (text_grams, row)",
    "INSERT INTO text_numbers (job_id) SELECT job_id FROM texts WHERE ended AND length(text) <= {most} ORDER BY job_id",
    """
    INSERT INTO text_grams (rowid, text)
    SELECT number, lower(text) || '  ' FROM text_numbers JOIN texts ON texts.job_id = text_numbers.job_id
    """,
)
_LONG_TEXTS = (
    "CREATE TABLE text_long (job_id TEXT PRIMARY KEY)",
    """
    INSERT INTO text_long (job_id) SELECT job_id FROM texts
    WHERE ended AND length(text) > {most} AND job_id NOT IN (SELECT job_id FROM text_numbers)
    """,
    *(f"DROP TRIGGER IF EXISTS text_{name}" for name in ("added", "removed", "ended", "resumed", "changed")),
    "CREATE TRIGGER text_added AFTER INSERT ON texts WHEN new.ended BEGIN {add} END",
    "CREATE TRIGGER text_removed AFTER DELETE ON texts WHEN old.ended BEGIN {remove} END",
    "CREATE TRIGGER text_ended AFTER UPDATE ON texts WHEN new.ended AND NOT old.ended BEGIN {add} END",
    "CREATE TRIGGER text_resumed AFTER UPDATE ON texts WHEN old.ended AND NOT new.ended BEGIN {remove} END",
    """
    CREATE TRIGGER text_changed AFTER UPDATE ON texts WHEN old.ended AND new.ended AND old.text != new.text
    BEGIN {remove} {add} END
    """,
)
_ADD = (
    "INSERT INTO text_numbers (job_id) SELECT new.job_id WHERE length(new.text) <= {most};"
    " INSERT INTO text_long (job_id) SELECT new.job_id WHERE length(new.text) > {most};"
    " INSERT INTO text_grams (rowid, text)"
    " SELECT number, lower(new.text) || '  ' FROM text_numbers WHERE job_id = new.job_id;"
)
_REMOVE = (
    "INSERT INTO text_grams (text_grams, rowid, text)"
    " SELECT 'delete', number, lower(old.text) || '  ' FROM text_numbers WHERE job_id = old.job_id;"
    " DELETE FROM text_numbers WHERE job_id = old.job_id;"
    " DELETE FROM text_long WHERE job_id = old.job_id;"
)

_grams = table("text_grams", column("rowid"), column("text_grams"))
_numbers = table("text_numbers", column("number"), column("job_id"))
_long = table("text_long", column("job_id"))


def make_text_index(connection: Connection) -> None:
    """Make the index if it is missing. If the database cannot have it, the log says what it needs.

    On SQLite it is made in the transaction of this connection. On PostgreSQL the connection must commit each statement
    by itself: see `make_indexes`.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    try:
        if is_sqlite:
            _make_on_sqlite(connection)
        else:
            make_indexes(connection)
    except DBAPIError as error:
        cure = "a SQLite of 3.34 or later with FTS5" if is_sqlite else "CREATE EXTENSION pg_trgm (its package: contrib)"
        log.warning("no index of texts, so rare texts are found slowly: %s; needs %s", driver_message(error), cure)


def _make_on_sqlite(connection: Connection) -> None:
    missing: list[str] = []
    if not has_text_index(connection):
        missing += _ON_SQLITE
    if not _has_table(connection, "text_long"):  # earlier versions indexed every text
        missing += _LONG_TEXTS
    with connection.begin_nested():
        for statement in missing:
            # Not as parameters of the driver: the text of a trigger can have none.
            for name, meaning in (("add", _ADD), ("remove", _REMOVE), ("most", str(MOST_INDEXED_CHARACTERS))):
                statement = statement.replace(f"{{{name}}}", meaning)  # noqa: PLW2901  # it is written out here
            connection.exec_driver_sql(statement)


def has_text_index(connection: Connection) -> bool:
    if connection.dialect.name == "sqlite":
        return _has_table(connection, "text_grams")
    return is_valid(connection)


def _has_table(connection: Connection, name: str) -> bool:
    return bool(connection.scalar(text("SELECT count(*) FROM sqlite_master WHERE name = :name"), {"name": name}))


def drop_text_index(connection: Connection) -> None:
    """Drop the index; the triggers go with the table of texts."""
    if connection.dialect.name == "sqlite":
        for name in ("text_gram_list", "text_grams", "text_numbers", "text_long"):
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")


def find_with_text(
    connection: Connection, wanted: str, *, beyond: str, newest_first: bool, project: str | None = None
) -> Sequence[str] | None:
    """The ids of all jobs of a project that may contain this text and come after the one with id `beyond`, in order.

    None when the index cannot tell. The caller checks everything else on each job, its text too.
    """
    if not has_text_index(connection):
        return None
    ended: Select[tuple[str]]
    if connection.dialect.name == "sqlite":
        match = _match(connection, folded(wanted))
        if match is None:
            return None
        ended = select(_numbers.c.job_id).join_from(_grams, _numbers, _numbers.c.number == _grams.c.rowid)
        ended = ended.where(_grams.c.text_grams.op("MATCH")(match))
        long = [select(_long.c.job_id)] if _has_table(connection, "text_long") else []
    else:
        if len(wanted) < 3:
            return None
        ended = select(texts.c.job_id).where(text(SHORT), texts.c.text.icontains(wanted, autoescape=True))
        long = [select(texts.c.job_id).where(text(LONG))]
    # Spelled exactly as in the partial index; SQLite uses the index for no other spelling.
    unended = select(texts.c.job_id).where(text("NOT texts.ended"))
    either = union_all(ended, unended, *long).subquery()
    found = select(either.c.job_id).where(either.c.job_id < beyond if newest_first else either.c.job_id > beyond)
    if project is not None:  # here, because the index knows none: others may have the text in 100,000 jobs
        found = found.where(select(jobs.c.id).where(jobs.c.id == either.c.job_id, jobs.c.project == project).exists())
    found = found.order_by(either.c.job_id.desc() if newest_first else either.c.job_id)
    ids = connection.scalars(found.limit(MOST_CANDIDATES + 1)).all()
    return ids if len(ids) <= MOST_CANDIDATES else None


def _match(connection: Connection, wanted: str) -> str | None:
    """The FTS5 query: all of some trigrams of the text, or, for one or two letters, any trigram that they begin."""
    if len(wanted) < 3:
        endings = text("SELECT term FROM text_gram_list WHERE term >= :first AND term < :last LIMIT :most")
        grams: list[str] = []
        for first in _spellings(wanted):
            bounds = {"first": first, "last": first + "\U0010ffff", "most": _MOST_ENDINGS + 1}
            grams += connection.scalars(endings, bounds)
        if len(grams) > _MOST_ENDINGS:
            return None
        return " OR ".join(_quoted(gram) for gram in grams) or _quoted(wanted)
    grams = [wanted[place : place + 3] for place in range(len(wanted) - 2)]
    some = grams[:: max(1, len(grams) // _MOST_GRAMS)]
    return " AND ".join(f"({' OR '.join(map(_quoted, _spellings(gram)))})" for gram in dict.fromkeys(some))


def _spellings(some: str) -> list[str]:
    """How letters may stand in the index. It holds what `lower()` makes, with a second sigma at the end of words."""
    return ["".join(letters) for letters in product(*("σς" if letter == "σ" else letter for letter in some))]


def _quoted(gram: str) -> str:
    return '"' + gram.replace('"', '""') + '"'
