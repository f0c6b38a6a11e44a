"""Stores to search in, with and without the index of texts.

SQLite has the index of texts always, PostgreSQL where it has `pg_trgm`. The one that the tests carry has not: that is
the search without an index. For the search with it a PostgreSQL of the machine's own packages is started.
"""

from collections.abc import Iterator
from typing import Any

import pytest

import jobs.store.metadata_pairs
import jobs.store.search
from jobs.lifecycle.transitions import finish
from jobs.store.database import Database, open_database
from jobs.store.search import JobFilter, list_jobs
from jobs.store.text_index import has_text_index
from tests.store.store_fixtures import Store, written


@pytest.fixture(params=["sqlite_database", "postgresql without pg_trgm", "postgresql with pg_trgm"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store in which a text is looked for in one job by walking, and then in the index of texts."""
    monkeypatch.setattr(jobs.store.search, "_WALK", 1)
    monkeypatch.setattr(jobs.store.search, "_WALK_ON_POSTGRESQL", 1)
    monkeypatch.setattr(jobs.store.search, "_IDS_PER_READ", 2)
    if request.param == "postgresql without pg_trgm":
        opened = open_database(request.getfixturevalue("postgres_url"))
        yield Store(opened)
        opened.close()
        return
    name = "trigram_database" if request.param == "postgresql with pg_trgm" else request.param
    database = request.getfixturevalue(name)
    with database.read() as connection:
        assert has_text_index(connection)
    yield Store(database)


@pytest.fixture
def sqlite_store(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> Store:
    """One that has the index of texts, with a walk of one job."""
    monkeypatch.setattr(jobs.store.search, "_WALK", 1)
    return Store(sqlite_database)


def completed(store: Store, written_text: str, **options: Any) -> str:
    """A job with this stored text."""
    job_id = store.running(**options)
    assert finish(store.database, job_id, 1, written(written_text))
    return job_id


def found(store: Store, *, project: str | None = "default", newest_first: bool = True, **wanted: Any) -> list[str]:
    """The ids of the jobs that a filter finds, read in pages of two."""
    ids: list[str] = []
    more = True
    while more:
        after = ids[-1] if ids else None
        page, more = list_jobs(
            store.database, JobFilter(**wanted), project=project, after=after, limit=2, newest_first=newest_first
        )
        assert len(page) == 2 or not more
        ids += [job.id for job in page]
    return ids
