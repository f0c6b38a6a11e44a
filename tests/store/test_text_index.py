"""The index of texts on SQLite holds no very long text, and one that an earlier version made may hold some."""

from sqlalchemy import Connection, text

from jobs.store.text_index import MOST_INDEXED_CHARACTERS, find_with_text, make_text_index
from tests.store.searching import completed, found, sqlite_store
from tests.store.store_fixtures import Store

__all__ = ["sqlite_store"]  # a fixture


def drop_long_texts(connection: Connection) -> None:
    """Make the index as an earlier version made it: of every text."""
    add = (
        "INSERT INTO text_numbers (job_id) VALUES (new.job_id);"
        " INSERT INTO text_grams (rowid, text)"
        " SELECT number, lower(new.text) || '  ' FROM text_numbers WHERE job_id = new.job_id;"
    )
    remove = (
        "INSERT INTO text_grams (text_grams, rowid, text)"
        " SELECT 'delete', number, lower(old.text) || '  ' FROM text_numbers WHERE job_id = old.job_id;"
        " DELETE FROM text_numbers WHERE job_id = old.job_id;"
    )
    for name in ("added", "removed", "ended", "resumed", "changed"):
        connection.execute(text(f"DROP TRIGGER text_{name}"))
    connection.execute(text("DROP TABLE text_long"))
    for trigger in (
        f"CREATE TRIGGER text_added AFTER INSERT ON texts WHEN new.ended BEGIN {add} END",
        f"CREATE TRIGGER text_removed AFTER DELETE ON texts WHEN old.ended BEGIN {remove} END",
        f"CREATE TRIGGER text_ended AFTER UPDATE ON texts WHEN new.ended AND NOT old.ended BEGIN {add} END",
        f"CREATE TRIGGER text_resumed AFTER UPDATE ON texts WHEN old.ended AND NOT new.ended BEGIN {remove} END",
        f"CREATE TRIGGER text_changed AFTER UPDATE ON texts WHEN old.text != new.text BEGIN {remove} {add} END",
    ):
        connection.exec_driver_sql(trigger)


def test_a_very_long_text_is_found_without_being_indexed(sqlite_store: Store) -> None:
    """All other writers waited while it was: 80 s for 16 MB with many different trigrams."""
    long = "word " * (MOST_INDEXED_CHARACTERS // 5) + " a lighthouse"
    job_id = completed(sqlite_store, long)
    for place in range(3):
        completed(sqlite_store, f"another {place}")
    with sqlite_store.database.write() as connection:
        assert connection.scalar(text("SELECT count(*) FROM text_long")) == 1
        assert find_with_text(connection, "lighthouse", beyond="", newest_first=False) == [job_id]
        assert connection.scalar(text("SELECT count(*) FROM text_numbers")) == 3
    assert found(sqlite_store, text="lighthouse") == [job_id]
    assert found(sqlite_store, text="no such word") == []
    with sqlite_store.database.write() as connection:
        connection.execute(text("DELETE FROM texts"))
        for table in ("text_long", "text_numbers"):
            assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0  # noqa: S608  # names above


def test_an_index_of_an_earlier_version_keeps_what_it_holds(sqlite_store: Store) -> None:
    """It holds long texts, too, and they leave it as they came."""
    with sqlite_store.database.write() as connection:
        drop_long_texts(connection)
    old = completed(sqlite_store, "word " * MOST_INDEXED_CHARACTERS + " a lighthouse")
    assert found(sqlite_store, text="lighthouse") == [old]
    with sqlite_store.database.write() as connection:
        make_text_index(connection)
    new = completed(sqlite_store, "word " * MOST_INDEXED_CHARACTERS + " a lighthouse")
    with sqlite_store.database.write() as connection:
        assert connection.scalars(text("SELECT job_id FROM text_long")).all() == [new]
        assert found(sqlite_store, text="lighthouse") == [new, old]
        connection.execute(text("DELETE FROM texts WHERE job_id = :id"), {"id": old})
        assert find_with_text(connection, "lighthouse", beyond="", newest_first=False) == [new]
        connection.execute(text("INSERT INTO text_grams (text_grams) VALUES ('integrity-check')"))
