"""The lease: a worker's right to run a job. `claim` gives it, `renew` keeps it, and a rescue takes it away.

A lease is held by one attempt of one worker. Every claim takes the next attempt number, and no number is used twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, or_, select, update

from jobs.lifecycle.continued import find_continued, read_left
from jobs.lifecycle.take import claim_values, insert_attempts, lock_fresh, take_many, take_one
from jobs.model.endings import MAX_CRASHES
from jobs.model.records import Job
from jobs.model.segments import Segment, load_segments
from jobs.model.status import JobStatus
from jobs.store.database import Database
from jobs.store.job_requests import columns_in_row, read_asked
from jobs.store.pages import in_portions
from jobs.store.rejected_texts import RejectedText, read_rejected
from jobs.store.stored_texts import store_texts
from jobs.tables import attempts, jobs


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that this worker may run now, as the attempt that it was given."""

    job: Job
    attempt: int
    text: str
    """The checkpoint that an interrupted attempt left, for a job that may continue it; else empty."""
    continues: bool = False
    """Whether it may continue the text of the attempt before it: that one was interrupted, and did not complete."""
    upstream: str = ""
    """The name of the upstream that this attempt goes to."""
    reserved_tokens: int = 0
    send_at: datetime | None = None
    """When its request is to go upstream, as the pace has planned it: now, or a moment later."""
    reasoning: str = ""
    """The reasoning that belongs to `text`."""
    rejected: RejectedText | None = None
    """What it is to repair; None: it writes what was asked for."""
    segments: tuple[Segment, ...] = ()
    """What earlier requests wrote of `text`, if it went on at the token limit before."""


def claim(
    database: Database,
    job_id: str,
    worker: str,
    lease_seconds: float,
    *,
    most_crashes: int = MAX_CRASHES,
    tried_at: list[datetime] | None = None,
) -> Claimed | None:
    """Take a reserved job for one attempt; None when it is not reserved, not due or held. Duplicate hints end here.

    A job with more than `most_crashes` crashes is not claimed. A caller that tries again after an error passes the list
    `tried_at`, which keeps the times of its tries: one that committed although its reply was lost is returned. Any
    other attempt that this worker holds has run here, or runs, and must not run again under the same number.
    """
    with database.write() as connection:
        now = database.now()
        earlier = tuple(tried_at or ())
        if tried_at is not None:
            tried_at.append(now)
        asked = claim_values(now, worker, lease_seconds) | {"of_job": job_id, "most_crashes": most_crashes}
        row = connection.execute(take_one(), asked).mappings().one_or_none()
        if row is not None:
            before = find_continued(connection, row)
            begun = _begun(row, now, 0 if before is None else None)
            connection.execute(insert_attempts(), begun | {"segments": before["segments"] if before else None})
        else:
            row = _find_own(connection, job_id, worker, earlier)
            if row is None:
                _refuse(connection, job_id)
                return None
            before = find_continued(connection, row)
        left = read_left(connection, job_id) if before is not None else ("", "")
        rejected = read_rejected(connection, job_id, row["rejected_attempt"])
    (claimed,) = _with_long_requests(database, [_claimed(row, left, before, rejected)])
    return claimed


def claim_many(
    database: Database,
    job_ids: Sequence[str],
    worker: str,
    lease_seconds: float,
    tried_at: Sequence[list[datetime]] = (),
) -> list[Claimed | None]:
    """Claim several due jobs in one transaction, each for its attempt 1; `tried_at` has a list for each, as in `claim`.

    None where a job was not claimed here: it was tried before, is not due, or another process holds its row (nobody
    waits for that). The caller then asks `claim`, which handles all cases.
    """
    with database.write() as connection:
        now = database.now()
        for times in tried_at:
            times.append(now)
        free = connection.scalars(lock_fresh(), {"ids": list(job_ids)}).all()
        asked = claim_values(now, worker, lease_seconds) | {"ids": free}
        taken = connection.execute(take_many(), asked).mappings().all() if free else []
        if taken:
            connection.execute(insert_attempts(), [_begun(row, now, 0) for row in taken])
    claimed = _with_long_requests(database, [_claimed(row, ("", ""), None) for row in taken])
    by_id = {one.job.id: one for one in claimed}
    return [by_id.get(job_id) for job_id in job_ids]


def _with_long_requests(database: Database, claimed: Sequence[Claimed]) -> list[Claimed]:
    """The same with what is not in the rows of their jobs.

    It is read after the transaction, because nobody else could write to SQLite meanwhile: 40 requests of 9 MB took 5 s.
    If the read fails, the claim still stands: the caller tries again and finds it.
    """
    long = read_asked(database, [one.job.id for one in claimed if one.job.request is None])
    return [replace(one, job=replace(one.job, **long[one.job.id])) if one.job.id in long else one for one in claimed]


def _claimed(
    row: RowMapping, left: tuple[str, str], before: RowMapping | None, rejected: RejectedText | None = None
) -> Claimed:
    pace = (row["upstream"], row["reserved_tokens"] or 0, row["hinted_at"])
    segments = load_segments(before["segments"] if before is not None else None)
    job, continues = Job.from_row(row), before is not None
    return Claimed(
        job, row["attempt"], left[0], continues, *pace, reasoning=left[1], segments=segments, rejected=rejected
    )


def _begun(row: RowMapping, now: datetime, continued_bytes: int | None) -> dict[str, Any]:
    """The attempt of a job that was just taken, as a row."""
    own = {"job_id": row["id"], "attempt": row["attempt"], "batch_id": row["batch_id"], "worker": row["worker"]}
    own["upstream"] = row["upstream"]
    return own | {"started_at": now, "continued_bytes": continued_bytes}


def note_continued(database: Database, job_id: str, attempt: int, continued_bytes: int) -> None:
    """Record how many bytes of the text before it an attempt continues from (0: none), before it publishes anything."""
    with database.write() as connection:
        connection.execute(
            update(attempts)
            .where(attempts.c.job_id == job_id, attempts.c.attempt == attempt)
            .values(continued_bytes=continued_bytes)
        )


def _find_own(connection: Connection, job_id: str, worker: str, tried_at: Sequence[datetime]) -> RowMapping | None:
    """The attempt that one of these tries has taken, if one of them committed."""
    if not tried_at:
        return None
    own = select(*columns_in_row("cells")).where(
        jobs.c.id == job_id,
        jobs.c.status == JobStatus.IN_PROGRESS,
        jobs.c.worker == worker,
        jobs.c.started_at.in_(tried_at),
    )
    return connection.execute(own).mappings().one_or_none()


def _refuse(connection: Connection, job_id: str) -> None:
    """Let dispatch take the reservation of a queued job back at once, for its hint has come and was refused.

    It may have come a moment before `due_at`, by the clock here: the job must not wait until its hint counts as lost.
    """
    refused = update(jobs).where(jobs.c.id == job_id, jobs.c.status == JobStatus.QUEUED, jobs.c.hinted_at.is_not(None))
    connection.execute(refused.values(hinted_at=None))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A running job as the heartbeat sees it: `text` is the text so far if that has grown since the last one, and
    `deltas` is a lower bound of the deltas received.
    """

    job_id: str
    attempt: int
    text: str | None
    deltas: int = 0
    reasoning: str = ""
    """The reasoning so far; stored with the text."""


def renew(database: Database, worker: str, running: Sequence[Checkpoint], lease_seconds: float) -> set[str]:
    """Renew the leases of a worker's running jobs and store their texts so far, in one transaction.

    Returns the ids that this worker still holds; the others were rescued, and their streams must be cut.
    """
    held = {(item.job_id, item.attempt) for item in running}
    ids = sorted({item.job_id for item in running})
    kept: dict[str, int] = {}
    with database.write() as connection:
        until = database.now() + timedelta(seconds=lease_seconds)
        for some in in_portions(ids):
            mine = (
                select(jobs.c.id, jobs.c.attempt)
                .where(jobs.c.id.in_(some), jobs.c.status == JobStatus.IN_PROGRESS, jobs.c.worker == worker)
                # Locked by id, as everybody does who takes many rows, so that no two can wait for each other.
                .order_by(jobs.c.id)
                .with_for_update()
            )
            found = {row.id: row.attempt for row in connection.execute(mine) if (row.id, row.attempt) in held}
            connection.execute(update(jobs).where(jobs.c.id.in_(found)).values(lease_until=until))
            kept.update(found)
        grown = [
            {"job_id": item.job_id, "attempt": item.attempt, "text": item.text, "reasoning": item.reasoning}
            | {"deltas": item.deltas}
            for item in running
            if item.text is not None and kept.get(item.job_id) == item.attempt
        ]
        store_texts(connection, grown)
    return set(kept)


def find_stop_requests(database: Database, worker: str) -> list[tuple[str, Literal["cancel", "expire", "release"]]]:
    """The jobs of a worker that still run and are to stop: cancelled, past their time, or released by a pause."""
    now = database.now()
    unwanted = select(jobs.c.id, jobs.c.cancel_requested_at, jobs.c.expires_at).where(
        jobs.c.worker == worker,
        jobs.c.status == JobStatus.IN_PROGRESS,
        or_(
            jobs.c.cancel_requested_at.is_not(None), jobs.c.expires_at <= now, jobs.c.release_requested_at.is_not(None)
        ),
    )
    with database.read() as connection:
        rows = connection.execute(unwanted).all()
    found: list[tuple[str, Literal["cancel", "expire", "release"]]] = []
    for row in rows:
        late = row.expires_at is not None and row.expires_at <= now
        found.append((row.id, "cancel" if row.cancel_requested_at is not None else "expire" if late else "release"))
    return found
