"""A worker of a version before 0.2 goes on for a while after the migration, and stores ends as it knows them."""

from collections.abc import Iterator
from typing import Any

import pytest
from alembic import command
from sqlalchemy import MetaData, create_engine, insert, select, update
from sqlalchemy.pool import NullPool

from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.old_ends import amend_old_ends
from jobs.lifecycle.retry import count_retryable, retry_batch
from jobs.lifecycle.transitions import fail, finish
from jobs.store.database import open_database
from jobs.store.queries import read_batch
from jobs.tables import batches, longest_texts, texts
from jobs.tables import jobs as new_jobs
from migrations import migrate
from tests.store.migrating import alembic_for, empty_url
from tests.store.plans import plans_of
from tests.store.store_fixtures import REFUSED, Store, written

__all__ = ["empty_url"]  # a fixture

CUT = {"length": "max_output_tokens", "content_filter": "content_filter", "stop": None}


class OldWorker:
    """It writes to the tables of revision 0001, as its statements did."""

    def __init__(self, store: Store, tables: MetaData) -> None:
        self._store = store
        self._tables = tables

    def complete(self, job_id: str, reason: str, text: str = "Rain falls.") -> None:
        """Claim a job, and complete it with this finish reason."""
        jobs, attempts = self._tables.tables["jobs"], self._tables.tables["attempts"]
        now, one = self._store.clock.now, jobs.c.id == job_id
        number = self._store.job(job_id).attempt + 1
        taken = {"status": "in_progress", "attempt": number, "worker": "old", "started_at": now, "hinted_at": None}
        own = {"bytes": len(text), "sha256": "ab", "finish_reason": reason}
        ended = {"status": "completed", "finished_at": now, "lease_until": None, **own}
        row = {"attempt": number, "text": text, "ended": True, "deltas": 1}
        with self._store.database.write() as connection:
            connection.execute(update(jobs).where(one).values(taken))
            attempt = {"job_id": job_id, "attempt": number, "worker": "old", "started_at": now, "outcome": "completed"}
            connection.execute(insert(attempts), attempt)
            connection.execute(update(jobs).where(one).values(ended))
            stored = self._tables.tables["texts"]
            if not connection.execute(update(stored).where(stored.c.job_id == job_id).values(row)).rowcount:
                connection.execute(insert(stored), {"job_id": job_id, **row})

    def close(self, batch_id: str, completed: int) -> None:
        """End a batch."""
        old = self._tables.tables["batches"]
        values = {"status": "completed", "completed": completed, "failed": 0, "finalizing_at": self._store.clock.now}
        with self._store.database.write() as connection:
            connection.execute(update(old).where(old.c.id == batch_id).values(values))


@pytest.fixture
def upgraded(empty_url: str) -> Iterator[tuple[Store, OldWorker]]:
    """A database of revision 0001 that was migrated, while such a worker ran."""
    command.upgrade(alembic_for(empty_url), "0001")
    old = MetaData()
    old.reflect(create_engine(empty_url, poolclass=NullPool), only=["jobs", "attempts", "texts", "batches"])
    assert "incomplete" not in old.tables["jobs"].c
    migrate(empty_url)
    store = Store(open_database(empty_url))
    yield store, OldWorker(store, old)
    store.database.close()


def counted(store: Store, batch_id: str) -> int:
    batch = read_batch(store.database, batch_id, project=None)
    assert batch is not None
    return batch.incomplete


def stored(store: Store, *names: str) -> list[tuple[Any, ...]]:
    """These columns of every job, in input order."""
    with store.database.read() as connection:
        columns = (new_jobs.c[name] for name in names)
        return [tuple(row) for row in connection.execute(select(*columns).order_by(new_jobs.c.id))]


def test_no_reader_takes_a_text_that_it_stored_cut_short_for_whole(upgraded: tuple[Store, OldWorker]) -> None:
    store, old = upgraded
    batch_id, ids = store.submit_batch(4)
    for job_id, reason in zip(ids, CUT, strict=False):
        old.complete(job_id, reason)
    old.complete(ids[3], "length", text="")
    assert {job.finish_reason: job.incomplete for job in map(store.job, ids[:3])} == CUT
    assert store.job(ids[3]).incomplete is None  # as the migration has it: there is no text that could be cut
    old.close(batch_id, 4)
    assert count_retryable(store.database, batch_id) == {"incomplete": 2}
    assert [change.id for change in retry_batch(store.database, batch_id, (), incomplete=True)] == ids[:2]
    assert [store.job(job_id).incomplete for job_id in ids[:2]] == [None, None]


@pytest.mark.parametrize("closes", ["nobody", "new", "old"])
def test_what_it_stored_and_the_count_of_its_batch_are_right_after_a_look(
    upgraded: tuple[Store, OldWorker], closes: str
) -> None:
    store, old = upgraded
    batch_id, ids = store.submit_batch(4)
    for job_id, reason in zip(ids, CUT, strict=False):
        old.complete(job_id, reason)
    if closes != "nobody":
        old.complete(ids[3], "stop")
    if closes == "new":
        assert close_batch(store.database, batch_id)
    if closes == "old":
        old.close(batch_id, 4)
    assert amend_old_ends(store.database) == (3 if closes == "nobody" else 4)
    assert stored(store, "incomplete", "text_attempt")[:3] == [(why, 1) for why in CUT.values()]
    assert counted(store, batch_id) == 2
    assert amend_old_ends(store.database) == 0


def test_a_batch_that_it_closes_counts_what_others_completed(upgraded: tuple[Store, OldWorker]) -> None:
    store, old = upgraded
    batch_id, (job_id,) = store.submit_batch(1)
    claimed = store.claim(job_id)
    assert finish(store.database, job_id, claimed.attempt, written("Rain", incomplete="max_output_tokens"))
    old.close(batch_id, 1)
    with store.database.read() as connection:
        assert connection.scalar(select(batches.c.incomplete)) is None
    assert counted(store, batch_id) == 1


def test_its_text_has_nothing_of_the_attempt_before(upgraded: tuple[Store, OldWorker]) -> None:
    store, old = upgraded
    job_id = store.running()
    thought = {"reasoning": "Hm.", "reasoning_bytes": 3, "reasoning_sha256": "ab", "message": {"refusal": "No."}}
    assert fail(store.database, job_id, 1, written("Rain", **thought), REFUSED)
    with store.database.write() as connection:  # an API of its version has retried it
        connection.execute(update(new_jobs).values(status="queued"))
        connection.execute(insert(longest_texts), {"job_id": job_id, "attempt": 1, "text": "Rain", "reasoning": "Hm."})
    old.complete(job_id, "length", text="Snow")
    assert store.job(job_id).incomplete == "max_output_tokens"
    assert stored(store, "upstream") != [(None,)]  # it was reserved by a worker of this version
    assert amend_old_ends(store.database) == 1
    assert stored(store, "incomplete", "text_attempt", "reasoning_bytes", "message", "upstream") == [
        ("max_output_tokens", 2, None, None, None)
    ]
    with store.database.read() as connection:
        assert connection.execute(select(texts.c.text, texts.c.reasoning)).one() == ("Snow", "")
        assert connection.execute(select(longest_texts)).all() == []


def test_what_others_complete_is_not_looked_at_and_a_look_reads_an_index(upgraded: tuple[Store, OldWorker]) -> None:
    store, _ = upgraded
    job_id = store.running()
    assert finish(store.database, job_id, 1, written("Rain", finish_reason="length"))  # it says that it is whole
    before = store.rows()
    with plans_of(store.database) as plans:
        assert amend_old_ends(store.database) == 0
    assert store.rows() == before
    assert store.job(job_id).incomplete is None
    ((_, steps),) = plans
    assert any("jobs_hinted" in step for step in steps), steps
