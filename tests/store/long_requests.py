"""Jobs whose requests are stored in their rows or apart, and what is stored of them where."""

import json
from typing import Any

import pytest
from sqlalchemy import func, select

from jobs.intake.submission import NewJob, submit_job
from jobs.model.records import Job
from jobs.store import job_requests as module
from jobs.store.database import Database
from jobs.store.job_requests import LONG_REQUEST
from jobs.tables import jobs
from tests.store.store_fixtures import Store

CELLS = {"topic": "蛙 🙂", "note": ""}
ACCEPT = {"must_include": ["rain\u0000"]}
IN_ROW, APART, BEFORE = "short", "long", "long, of an earlier version"


def job_of(size: int, **options: Any) -> NewJob:
    """A job whose request, rules and cells have so many bytes together as they are stored."""
    request: dict[str, Any] = {"model": "m1", "messages": [{"role": "user", "content": ""}], "max_tokens": 7}
    stored = sum(len(json.dumps(one, separators=(",", ":"))) for one in (request, ACCEPT, CELLS))
    request["messages"][0]["content"] = "x" * (size - stored)
    return NewJob(request, accept=ACCEPT, cells=CELLS, **options)


def submit(store: Store, where: str, monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[str, NewJob]:
    """A job whose request is stored in this way, and what was submitted."""
    if where == BEFORE:  # as every request was stored
        monkeypatch.setattr(module, "LONG_REQUEST", 1 << 30)
    job = job_of(LONG_REQUEST + (where != IN_ROW), **options)
    job_id = submit_job(store.database, job).id
    monkeypatch.undo()
    store.clock.advance(0.001)
    return job_id, job


def count(database: Database, table: Any) -> int:
    with database.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def in_row(database: Database, job_id: str) -> tuple[Any, ...]:
    with database.read() as connection:
        wanted = select(jobs.c.request, jobs.c.accept, jobs.c.cells).where(jobs.c.id == job_id)
        return tuple(connection.execute(wanted).one())


@pytest.fixture(params=[IN_ROW, APART, BEFORE])
def where(request: pytest.FixtureRequest) -> str:
    """How a request is stored."""
    return str(request.param)


def asked_of(job: Job | NewJob) -> tuple[Any, ...]:
    return job.request, job.accept, job.cells
