"""The statements that read one job. They are built once: to build them takes longer than SQLite takes to run them."""

from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Connection, RowMapping, Select, bindparam, select

from jobs.store.job_requests import job_columns
from jobs.store.kept_texts import select_kept
from jobs.store.projects import keep_seconds_of
from jobs.tables import RESULT_COLUMNS, attempts, jobs, texts


def read_row(
    connection: Connection, statement: Callable[[bool], Select[Any]], job_id: str, project: str | None
) -> RowMapping | None:
    """The row of a job of this project, by `select_job` or `select_result`. None means every project; only internal
    callers may pass it, never an endpoint.
    """
    asked = {"job": job_id} | ({"of_project": project} if project is not None else {})
    return connection.execute(statement(project is not None), asked).mappings().one_or_none()


@cache
def select_job(is_owned: bool) -> Select[Any]:
    """A job with its request."""
    return select_owned(select(*job_columns(), keep_seconds_of(jobs)), is_owned)


@cache
def select_result(is_owned: bool) -> Select[Any]:
    """A job with its text."""
    return select_owned(select_with_text(), is_owned)


@cache
def select_attempts() -> Select[Any]:
    return select(attempts).where(attempts.c.job_id == bindparam("job")).order_by(attempts.c.attempt)


@cache
def select_kept_texts() -> CompoundSelect[Any]:
    """The attempts of which a text is stored."""
    return select_kept(bindparam("job"))


def select_with_text(*more: ColumnElement[Any]) -> Select[Any]:
    """Jobs with their texts, and with these columns."""
    return select(*RESULT_COLUMNS, *more, keep_seconds_of(jobs), texts.c.text, texts.c.reasoning).join_from(
        jobs, texts, texts.c.job_id == jobs.c.id, isouter=True
    )


def select_owned(wanted: Select[Any], is_owned: bool) -> Select[Any]:
    """What is wanted of one job; of a project, if it `is_owned`."""
    wanted = wanted.where(jobs.c.id == bindparam("job"))
    return wanted.where(jobs.c.project == bindparam("of_project")) if is_owned else wanted
