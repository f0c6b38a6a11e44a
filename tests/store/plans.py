"""How a database reads what a piece of code asks for. SQLite has no figures about its tables, as in production."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from jobs.store.database import Database


@contextmanager
def plans_of(database: Database, *verbs: str) -> Iterator[list[tuple[str, list[str]]]]:
    """A list that has, after the block, each SELECT, or each statement with one of these verbs, that was sent in it,
    with the steps of its plan.
    """
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, given: Any, _context: Any, is_many: bool) -> None:
        asked.append((statement, given[0] if is_many else given))

    plans: list[tuple[str, list[str]]] = []
    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield plans
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    with database.read() as connection:
        for statement, parameters in asked:
            if statement.startswith(verbs or "SELECT"):
                explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
                plan = connection.exec_driver_sql(f"{explain} {statement}", parameters)
                plans.append((statement, [str(row[-1]) for row in plan]))
