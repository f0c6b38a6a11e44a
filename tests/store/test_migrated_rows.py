"""What other versions store, before this one or beside it: nothing of it is lost, and its jobs run."""

import json
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import MetaData, create_engine, insert, select, update
from sqlalchemy.pool import NullPool

from jobs.intake.submission import NewJob, submit_batch
from jobs.lifecycle.retention import delete_some
from jobs.lifecycle.transitions import fail
from jobs.model.ids import first_id
from jobs.model.status import FINAL, BatchStatus, JobStatus
from jobs.store.database import open_database
from jobs.store.projects import set_keep_seconds
from jobs.store.queries import stream_results
from migrations import migrate
from tests.store.migrating import TEXT_INDEX, alembic_for, differences, downgrade, empty_url, index_texts
from tests.store.store_fixtures import REFUSED, START, Store, written

__all__ = ["empty_url"]  # a fixture


def rows_of(url: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table as the database itself knows them, whatever the revision."""
    engine = create_engine(url, poolclass=NullPool)
    reflected = MetaData()
    reflected.reflect(engine, only=lambda name, _: not name.startswith(TEXT_INDEX) and name != "alembic_version")
    with engine.connect() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
            for table in reflected.sorted_tables
        }


def fill_0001(url: str) -> None:
    """At revision 0001: jobs in every state, alone and in a batch, and a batch in every state."""
    engine = create_engine(url, poolclass=NullPool)
    reflected = MetaData()
    reflected.reflect(engine, only=["jobs", "batches", "texts", "attempts"])
    jobs, batches, texts, attempts = (reflected.tables[name] for name in ("jobs", "batches", "texts", "attempts"))
    counts = dict.fromkeys(("failures", "crashes", "rate_limits", "drains"), 1)
    shared = counts | {"priority": 0, "max_attempts": 3, "on_interrupt": "restart", "metadata": {"topic": "rain"}}
    with engine.begin() as connection:
        for status in BatchStatus:
            ended = status in ("completed", "cancelled", "expired", "failed")
            times = {"created_at": START, "dispatched_at": START}
            own = {"id": f"batch_{status}", "status": status, "endpoint": "/v1/chat/completions", "metadata": {}}
            connection.execute(insert(batches), own | times | {"total": 9, "completed": 3 if ended else None})
            for number, (job_status, reason) in enumerate(STATES):
                job = {"id": f"job_{status}_{number}", "batch_id": own["id"], "status": job_status, "attempt": 2}
                job |= {"model": "m", "created_at": START, "due_at": START, "finish_reason": reason, **shared}
                job |= {"bytes": 4, "sha256": "ab", "request": '{"messages": [{"content": "request TEXT NOT NULL"}]}'}
                connection.execute(insert(jobs), job)
                text_row = {"job_id": job["id"], "attempt": 1, "text": "Rain", "deltas": 2}
                connection.execute(insert(texts), text_row | {"ended": job_status in FINAL})
                attempt = {"job_id": job["id"], "attempt": 1, "worker": "w", "started_at": START}
                connection.execute(insert(attempts), attempt)
        connection.execute(insert(jobs), job | {"id": "job_alone", "batch_id": None, "status": "queued"})


STATES = [
    *((status, None) for status in JobStatus),
    *(("completed", why) for why in ("stop", "length", "content_filter")),
]


def test_nothing_is_lost_from_0001_and_back(empty_url: str) -> None:
    command.upgrade(alembic_for(empty_url), "0001")
    fill_0001(empty_url)
    before = rows_of(empty_url)
    assert {row["status"] for row in before["jobs"]} == set(JobStatus)
    migrate(empty_url)
    after = rows_of(empty_url)
    for name, rows in before.items():
        old = rows[0].keys() if rows else ()
        assert [{key: row[key] for key in old} for row in after[name]] == rows, name
    downgrade(empty_url, "0001")
    assert rows_of(empty_url) == before
    migrate(empty_url)
    assert rows_of(empty_url) == after
    database = open_database(empty_url)
    try:
        assert differences(database) == []
        assert "WHERE" in index_texts(database)["jobs_alone"]
    finally:
        database.close()


def test_texts_that_0001_knew_to_be_cut_short_are_so_afterwards(empty_url: str) -> None:
    command.upgrade(alembic_for(empty_url), "0001")
    fill_0001(empty_url)
    migrate(empty_url)
    rows = rows_of(empty_url)
    cut = {row["finish_reason"]: row["incomplete"] for row in rows["jobs"] if row["status"] == "completed"}
    assert cut == {None: None, "stop": None, "length": "max_output_tokens", "content_filter": "content_filter"}
    assert {row["status"]: row["text_attempt"] for row in rows["jobs"]} == {
        status: 1 if status in FINAL else None for status in JobStatus
    }
    counted = {row["status"]: row["incomplete"] for row in rows["batches"]}
    assert counted == {row["status"]: 2 if row["completed"] is not None else None for row in rows["batches"]}


def test_a_job_of_a_version_without_rules_runs_and_ends(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'longhand.db'}"
    command.upgrade(alembic_for(url), "0001")
    fill_0001(url)
    migrate(url)
    store = Store(open_database(url))
    store.clock.advance(1)
    claimed = store.claim("job_alone")
    assert (claimed.rejected, claimed.job.accept, claimed.job.on_reject) == (None, None, None)
    assert fail(store.database, "job_alone", claimed.attempt, written("Rain"), REFUSED)
    assert store.job("job_alone").repairs is None


def test_what_a_version_without_retention_stores_is_deleted_by_the_default_of_its_project(empty_url: str) -> None:
    """It writes to the same tables while it is replaced, and knows none of the new columns."""
    command.upgrade(alembic_for(empty_url), "0010")
    engine = create_engine(empty_url, poolclass=NullPool)
    old = MetaData()
    old.reflect(engine, only=["jobs", "batches"])
    migrate(empty_url)
    counts = dict.fromkeys(("failures", "crashes", "rate_limits", "drains", "refusals"), 0)
    job = {
        "model": "m",
        "status": "completed",
        "attempt": 1,
        "priority": 0,
        "max_attempts": 3,
        "metadata": {},
        **counts,
    }
    job |= {"on_interrupt": "restart", "request": "{}", "project": "default", "created_at": START, "due_at": START}
    batch_id = first_id("batch", START)
    batch = {"id": batch_id, "status": "completed", "endpoint": "", "metadata": {}, "project": "default", "total": 1}
    batch |= {"created_at": START, "dispatched_at": START, "finalizing_at": START, "completed": 1, "failed": 0}
    with engine.begin() as connection:
        connection.execute(insert(old.tables["batches"]), batch)
        for name, of_batch, ended_at in (
            ("a", batch_id, START),
            ("b", None, START),
            ("c", None, START.replace(hour=13)),
        ):
            row = job | {"id": f"job_{name}", "batch_id": of_batch, "finished_at": ended_at}
            connection.execute(insert(old.tables["jobs"]), row)
    store = Store(open_database(empty_url))
    try:
        set_keep_seconds(store.database, "default", 3600)
        store.clock.advance(3600)
        while delete_some(store.database):
            pass
        rows = rows_of(empty_url)
        assert ([row["id"] for row in rows["jobs"]], rows["batches"]) == (["job_c"], [])
    finally:
        store.database.close()


def test_a_version_without_cells_submits_and_runs_jobs_beside_one_that_has_them(empty_url: str) -> None:
    """It writes to the same tables while it is replaced, and does not know the new column."""
    command.upgrade(alembic_for(empty_url), "0012")
    engine = create_engine(empty_url, poolclass=NullPool)
    old = MetaData()
    old.reflect(engine, only=["jobs"])
    old_jobs = old.tables["jobs"]
    assert "cells" not in old_jobs.c
    migrate(empty_url)
    store = Store(open_database(empty_url))
    try:
        batch_id = submit_batch(store.database, [NewJob({"model": "m"}, cells={"topic": "tea"})] * 2).id
        with engine.begin() as connection:  # as it reads one, takes it, and submits another one
            first, second = connection.execute(select(old_jobs).order_by(old_jobs.c.id)).mappings().all()
            connection.execute(insert(old_jobs), {**first, "id": "job_zz"})
            connection.execute(update(old_jobs).where(old_jobs.c.id == second["id"]).values(status="failed"))
        shown = {
            one.job.id: (one.job.status, one.job.cells)
            for one in stream_results(store.database, batch_id, also=["cells"])
        }
        assert shown == {
            first["id"]: ("queued", {"topic": "tea"}),
            second["id"]: ("failed", {"topic": "tea"}),
            "job_zz": ("queued", None),
        }
    finally:
        store.database.close()


def test_long_requests_go_back_into_their_rows_and_are_read_from_there_afterwards(empty_url: str) -> None:
    """So they stand in a database of the version before, too: no migration moves them."""
    migrate(empty_url)
    asked = {"model": "m", "messages": [{"role": "user", "content": "Frogs \u0000 蛙. " * 9000}]}
    new_jobs = [NewJob(asked, cells={"topic": "frogs"}, accept={"min_words": 3}), NewJob({"model": "m"})]
    store = Store(open_database(empty_url))
    try:
        batch_id = submit_batch(store.database, new_jobs).id
        before = [store.job(job_id) for job_id in store.ids(batch_id)]
        assert [row["request"] == "" for row in rows_of(empty_url)["jobs"]] == [True, False]
        downgrade(empty_url, "0013")
        as_before = rows_of(empty_url)
        assert [json.loads(row["request"]) for row in as_before["jobs"]] == [job.request for job in new_jobs]
        assert "job_requests" not in as_before
        migrate(empty_url)
        assert rows_of(empty_url) == {**as_before, "job_requests": []}
        assert [store.job(job_id) for job_id in store.ids(batch_id)] == before
        assert before[0].request == asked
    finally:
        store.database.close()
