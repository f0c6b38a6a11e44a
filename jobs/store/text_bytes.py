"""How long stored texts are, where a transaction that writes must not write too much of them: on SQLite everybody waits
for it.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, LargeBinary, Select, bindparam, cast, func, select

from jobs.store.database import Database
from jobs.store.pages import in_portions
from jobs.tables import longest_texts, texts

MOST_BYTES_TOGETHER = 256 * 1024
"""How much of texts is stored, indexed, copied or deleted in one transaction, or one that is longer: SQLite needs up to
0.2 s to index one of 65,000 random Chinese letters."""

_TABLES = (texts, longest_texts)


def byte_length(text: ColumnElement[str], *, is_sqlite: bool) -> ColumnElement[int]:
    """The length of a text in bytes."""
    if is_sqlite:
        return func.length(cast(text, LargeBinary))  # without the cast it counts characters, up to a NUL
    return func.octet_length(text)


def read_text_bytes(database: Database, job_ids: Sequence[str]) -> dict[str, int]:
    """How many bytes of texts and reasoning each of these jobs has stored, of those that have any. It is what the next
    attempt's first checkpoint copies, or its end deletes.
    """
    found: Counter[str] = Counter()
    for some in in_portions(job_ids):
        with database.read() as connection:
            found.update(_read(connection, some))
    return found


def first_with_bytes(connection: Connection, jobs: Sequence[Sequence[Any]]) -> list[str]:
    """The first of these jobs that have no more than `MOST_BYTES_TOGETHER` of texts together; at least one, if any.

    Each is given as its id and the number of its last attempt. They are looked at one after the other, because SQLite
    reads a text to know its length: those beyond the bound are not read.
    """
    left = MOST_BYTES_TOGETHER
    first: list[str] = []
    for job_id, attempt in jobs:
        left -= sum(_read(connection, [job_id]).values()) if attempt else 0
        if first and left < 0:
            break
        first.append(job_id)
    return first


def _read(connection: Connection, job_ids: Sequence[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for wanted in _sizes(is_sqlite=connection.dialect.name == "sqlite"):
        for row in connection.execute(wanted, {"ids": list(job_ids)}):
            found[row.job_id] += row.size
    return found


@cache
def _sizes(*, is_sqlite: bool) -> Sequence[Select[Any]]:
    length = partial(byte_length, is_sqlite=is_sqlite)
    ids: BindParameter[Any] = bindparam("ids", expanding=True)
    return [
        select(table.c.job_id, (length(table.c.text) + length(table.c.reasoning)).label("size")).where(
            table.c.job_id.in_(ids)
        )
        for table in _TABLES
    ]
