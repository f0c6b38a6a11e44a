"""Drafts: a large batch while it is read and stored in pieces, then accepted completely or not at all.

Fifty thousand jobs in one transaction would hold SQLite's only write lock for longer than a lease lasts. So they are
stored in many small ones, under a draft. One short transaction at the end replaces the draft with the batch. Until then
no list shows the jobs, and nobody runs them: dispatch hints only the jobs of batches that are in progress.

A draft belongs to the process that made it while that process keeps touching it. Any worker clears away a draft that is
no longer touched, and its maker, should it wake up, can neither add to it nor make a batch of it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, exists, insert, select, update

from jobs.intake.idempotency import find_key, hold_key
from jobs.intake.submission import (
    Accepted,
    BatchOptions,
    NewJob,
    batch_row,
    insert_jobs,
    insert_responses,
    insert_webhook,
    job_row,
    one_model,
    submit_batch,
)
from jobs.model.ids import new_id, numbered_id
from jobs.model.status import BatchStatus
from jobs.store.database import Database
from jobs.store.job_requests import NewRow, asked_bytes, metadata_bytes
from jobs.store.metadata_pairs import remove_pairs
from jobs.strict_json import dump_json
from jobs.tables import batches, drafts, job_requests, jobs, responses
from jobs.webhooks.events import add_batch_event

ABANDONED_SECONDS = 120.0
"""The maker of a draft that was not touched for this long is gone."""

_JOBS_PER_WRITE = 500
_BYTES_PER_WRITE = 2 << 20
"""What one transaction stores: every other writer waits for it on SQLite."""

_ROWS_PER_DELETE = 1000
_BYTES_PER_DELETE = 1 << 20
"""Of long requests and metadata, in one transaction."""
_TRANSACTIONS_PER_CALL = 5


class DraftLostError(Exception):
    """The draft was taken for abandoned, because its maker was stopped for too long. Nothing of it is left."""


class Draft:
    """A batch to be. `add` its jobs, and end it with `accept`, `refuse` or `drop`."""

    def __init__(self, database: Database, options: BatchOptions) -> None:
        self._database = database
        self._options = options
        self._began = database.now()
        self._batch_id = new_id("batch", self._began)
        self._models: set[str] = set()
        self.total = 0
        with database.write() as connection:
            connection.execute(insert(drafts).values(batch_id=self._batch_id, touched_at=self._began))

    def add(self, new_jobs: Iterable[NewJob]) -> None:
        """Store the next jobs. Raises `DraftLostError`, and ValueError when the batch would have too many."""
        expires_at = self._options.expires_at(self._began)
        waiting: list[tuple[NewRow, NewJob]] = []
        waiting_bytes = 0
        for job in new_jobs:
            job_id = numbered_id("job", self.total, self._began)
            row = job_row(job_id, self._options.project, self._batch_id, job, self._began, expires_at)
            self.total += 1
            self._models.add(job.request["model"])
            waiting.append((row, job))
            waiting_bytes += row.bytes
            if len(waiting) >= _JOBS_PER_WRITE or waiting_bytes >= _BYTES_PER_WRITE:
                self._store(waiting)
                waiting, waiting_bytes = [], 0
        self._store(waiting)

    def _store(self, new: Sequence[tuple[NewRow, NewJob]]) -> None:
        with self._database.write() as connection:
            mine = update(drafts).where(drafts.c.batch_id == self._batch_id, drafts.c.dropped_at.is_(None))
            if connection.execute(mine.values(touched_at=self._database.now())).rowcount == 0:
                raise DraftLostError
            if new:
                insert_jobs(connection, [row for row, _ in new])
                asked = ((row.job["id"], job) for row, job in new)
                insert_responses(connection, self._options.project, asked, self._began)

    def accept(self, warnings: Sequence[Mapping[str, Any]] = ()) -> Accepted:
        """Make the draft a batch that runs. A repeated key gives the batch that was made the first time.

        Raises `KeyReusedError` and `DraftLostError`.
        """
        with self._database.write() as connection:
            now = self._database.now()
            known = self._hold_key(connection, self._batch_id)
            if known is None:
                mine = delete(drafts).where(drafts.c.batch_id == self._batch_id, drafts.c.dropped_at.is_(None))
                if connection.execute(mine).rowcount == 0:
                    raise DraftLostError
                row = {**self._row(self._batch_id, now), "warnings": list(warnings) or None}
                connection.execute(insert(batches).values(row))
                insert_webhook(connection, self._options, self._batch_id, now)
        if known is not None:
            self.drop()
            return Accepted(known, repeated=True)
        return Accepted(self._batch_id)

    def refuse(self, errors: Sequence[Mapping[str, Any]]) -> Accepted:
        """Make a batch without jobs that has failed with these errors, and clear the draft away.

        The batch gets another id: the draft's jobs must never be found under one that somebody knows.
        """
        with self._database.write() as connection:
            now = self._database.now()
            failed_id = new_id("batch", self._began)
            known = self._hold_key(connection, failed_id)
            if known is None:
                row = self._row(failed_id, now)
                ended = {"status": BatchStatus.FAILED, "in_progress_at": None, "failed_at": now}
                counts = {"total": 0, "completed": 0, "failed": 0}
                nothing = {**counts, "usage": None, "model": None}
                connection.execute(insert(batches).values({**row, **ended, **nothing, "errors": list(errors)}))
                insert_webhook(connection, self._options, failed_id, now)
                add_batch_event(connection, now, failed_id, self._options.project, "batch.failed", counts)
            _mark_dropped(connection, self._batch_id, now)
        _clear(self._database, self._batch_id)
        return Accepted(known or failed_id, repeated=known is not None)

    def drop(self) -> None:
        """Clear the draft away; a draft that has been accepted is left alone."""
        with self._database.write() as connection:
            _mark_dropped(connection, self._batch_id, self._database.now())
        _clear(self._database, self._batch_id)

    def _hold_key(self, connection: Connection, batch_id: str) -> str | None:
        return hold_key(connection, self._database, self._options.project, self._options.idempotency_key, batch_id)

    def _row(self, batch_id: str, now: datetime) -> dict[str, Any]:
        return batch_row(batch_id, self._options, one_model(self._models), self.total, self._began, now)


def store_batch(
    database: Database, new_jobs: Sequence[NewJob], options: BatchOptions, *, warnings: Sequence[Mapping[str, Any]] = ()
) -> Accepted:
    """Store a batch whole or not at all: a small one in one transaction, a large one as a draft.

    Raises `KeyReusedError` and `DraftLostError`.
    """
    if len(new_jobs) <= _JOBS_PER_WRITE and sum(map(_bytes_of, new_jobs)) <= _BYTES_PER_WRITE:
        return submit_batch(database, new_jobs, options, warnings=warnings)
    if options.idempotency_key is not None:
        known = find_key(database, options.project, options.idempotency_key)  # not to store what is there
        if known is not None:
            return Accepted(known, repeated=True)
    draft = Draft(database, options)
    try:
        draft.add(new_jobs)
        return draft.accept(warnings)
    except BaseException:
        draft.drop()
        raise


def _bytes_of(job: NewJob) -> int:
    """As `NewRow.bytes`."""
    written = (dump_json(part) for part in (job.request, job.accept, job.cells) if part)
    return sum(map(len, written)) + metadata_bytes(job.metadata)


def clear_abandoned(database: Database) -> list[str]:
    """Clear away drafts whose maker is gone, and those whose clearing was cut short. Returns their ids.

    It deletes a few thousand jobs a call, so that nothing has to wait for it; call it again for the rest.
    """
    before = database.now() - timedelta(seconds=ABANDONED_SECONDS)
    abandoned = select(drafts.c.batch_id).where(drafts.c.touched_at < before)
    with database.read() as connection:  # nearly always there is none, and no write lock is taken
        found = list(connection.scalars(abandoned))
    for batch_id in found:
        with database.write() as connection:
            _mark_dropped(connection, batch_id, database.now(), untouched_since=before)
        _clear(database, batch_id, transactions=_TRANSACTIONS_PER_CALL)
    return found


def _clear(database: Database, batch_id: str, transactions: float = math.inf) -> None:
    """Delete the jobs of a dropped draft, some at a time, and then the draft. A draft that is in use is left alone."""
    dropped = select(drafts.c.batch_id).where(drafts.c.batch_id == batch_id, drafts.c.dropped_at.is_not(None))
    while transactions > 0:
        transactions -= 1
        with database.write() as connection:
            if connection.scalar(dropped) is None:
                return
            ids = _first_ids(connection, batch_id)
            remove_pairs(connection, ids)
            for table in (responses, job_requests):
                connection.execute(delete(table).where(table.c.job_id.in_(ids)))
            connection.execute(delete(jobs).where(jobs.c.id.in_(ids)))
            empty = delete(drafts).where(drafts.c.batch_id == batch_id, ~exists().where(jobs.c.batch_id == batch_id))
            if connection.execute(empty).rowcount:
                database.mark_erased()
                return


def _first_ids(connection: Connection, batch_id: str) -> list[str]:
    """The first jobs of a draft, so many as one transaction deletes; at least one, if it has any."""
    wanted = select(jobs.c.id, jobs.c.metadata, asked_bytes(()).label("long_bytes")).where(jobs.c.batch_id == batch_id)
    ids: list[str] = []
    size = 0
    some = wanted.order_by(jobs.c.id).limit(_ROWS_PER_DELETE)
    with connection.execute(some, execution_options={"yield_per": 50}) as found:  # not to read the metadata of all
        for job in found:
            size += job.long_bytes + metadata_bytes(job.metadata)
            if ids and size > _BYTES_PER_DELETE:
                break
            ids.append(job.id)
    return ids


def _mark_dropped(
    connection: Connection, batch_id: str, now: datetime, untouched_since: datetime | None = None
) -> None:
    mark = update(drafts).where(drafts.c.batch_id == batch_id, drafts.c.dropped_at.is_(None))
    if untouched_since is not None:  # its maker may have come back in between
        mark = mark.where(drafts.c.touched_at < untouched_since)
    connection.execute(mark.values(dropped_at=now))
