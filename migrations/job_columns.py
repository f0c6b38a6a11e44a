"""New columns in `jobs`, also on SQLite before the prompt.

SQLite adds a column after the last one. To read it from a row, it then reads the whole prompt before it, for every job
of a list. So there the table is made anew, with the columns in their place, and the indexes are made again.
"""

from alembic import op
from sqlalchemy import text

_PROMPT = "request TEXT NOT NULL"


def add_before_the_prompt(**columns: str) -> None:
    """Add columns to `jobs`: their names and SQL types. One that is NOT NULL needs a default."""
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        for name, kind in columns.items():
            op.execute(f"ALTER TABLE jobs ADD COLUMN {name} {kind}")
        return
    found = "SELECT type, sql FROM sqlite_master WHERE tbl_name = 'jobs' AND sql IS NOT NULL"
    definitions = [(row.type, row.sql) for row in connection.execute(text(found))]
    (table,) = (sql for kind, sql in definitions if kind == "table")
    old = [row.name for row in connection.execute(text("SELECT name FROM pragma_table_info('jobs')"))]
    if _PROMPT not in table:
        raise RuntimeError(f"the table of jobs is not as it was made: no {_PROMPT!r} in {table}")
    added = "".join(f"{name} {kind}, " for name, kind in columns.items())
    # Not as text(): a definition may have a colon.
    connection.exec_driver_sql("ALTER TABLE jobs RENAME TO jobs_before")
    connection.exec_driver_sql(table.replace(_PROMPT, added + _PROMPT, 1))
    names = ", ".join(old)
    copied = f"INSERT INTO jobs ({names}) SELECT {names} FROM jobs_before ORDER BY rowid"  # noqa: S608 (names of columns)
    connection.exec_driver_sql(copied)
    connection.exec_driver_sql("DROP TABLE jobs_before")
    for kind, sql in definitions:
        if kind == "index":
            connection.exec_driver_sql(sql)
