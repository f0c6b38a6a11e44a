"""What is still stored of a job's earlier attempts: the longest text, the one to repair, and the newest one."""

from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, select, union, union_all

from jobs.live.channel import TextKind
from jobs.store.database import Database
from jobs.tables import longest_texts, rejected_texts, texts

_WITH_REASONING = (texts, longest_texts)
_TABLES = (*_WITH_REASONING, rejected_texts)


def select_kept(job_id: ColumnElement[str]) -> CompoundSelect[Any]:
    """The attempts of which a text is stored."""
    return union(*(select(table.c.attempt).where(table.c.job_id == job_id, table.c.text != "") for table in _TABLES))


def read_kept_text(database: Database, job_id: str, attempt: int, kind: TextKind) -> str | None:
    """What this attempt wrote, or its reasoning, as far as it is stored; None when nothing of it is."""
    # In one statement, so that a text is not missed while it moves from one table to another.
    found = (
        select(table.c[kind]).where(table.c.job_id == job_id, table.c.attempt == attempt, table.c.text != "")
        for table in (_TABLES if kind == "text" else _WITH_REASONING)
    )
    with database.read() as connection:
        text: str | None = connection.scalar(union_all(*found))
    return text
