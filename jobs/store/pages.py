"""Reads in bounded portions: pages by id, and statements with as many parameters as a database takes."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, RowMapping, Select

T = TypeVar("T")

MOST_PARAMETERS = 500
"""SQLite bounds the number of parameters of a statement."""


def read_page(
    connection: Connection,
    query: Select[Any],
    key: ColumnElement[str],
    after: str | None,
    limit: int,
    *,
    newest_first: bool = True,
) -> tuple[Sequence[RowMapping], bool]:
    """The rows after the one with this key, in its order, and whether there are more."""
    if after is not None:
        query = query.where(key < after if newest_first else key > after)
    ordered = query.order_by(key.desc() if newest_first else key.asc())
    rows = connection.execute(ordered.limit(limit + 1)).mappings().all()
    return rows[:limit], len(rows) > limit


def in_portions(items: Iterable[T], most: int = MOST_PARAMETERS) -> Iterator[list[T]]:
    """The same, so many at a time."""
    rest = iter(items)
    while portion := list(islice(rest, most)):
        yield portion
