"""Whose fault it was that an attempt failed: the job's, which is charged, or its upstream's, which is held.

An upstream that is out of credit, refuses the key or cannot be reached is held at once. One that answers 500, or breaks
off, is held when a second job in a row gets that, and nobody was accepted in between; then the first one is given its
attempt back. Whatever an upstream says to one job while it accepts others, is the job's own.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, select, update

from jobs.dispatch.due import QUEUED, RESERVED
from jobs.dispatch.holds import HoldKind, find_held_batches
from jobs.model.status import AttemptOutcome
from jobs.store.database import Database, insert_into
from jobs.tables import attempts, holds, jobs, lanes

FIRST_PROBE_SECONDS = {"away": 1.0, "credit": 5.0, "key": 5.0}
LONGEST_PROBE_SECONDS = 300.0

SUSPECT_SECONDS = 60.0
"""Two failures of different jobs that are further apart than this say nothing of the upstream."""

MOST_ALONE = 3
"""So often a job goes back uncharged although others were accepted since: then it is charged as for any failure."""

Reason = Literal["credit", "key", "away", "failing", "cut"]


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that failed by what may be its upstream's fault."""

    upstream: str
    model: str
    job_id: str
    sent_at: datetime
    reason: Reason
    code: str
    message: str
    by_status: bool
    """Whether the upstream answered, with a status that says so, rather than not at all."""
    refusals: int
    """How often the job went back for nobody's fault but maybe its own."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of the job: it goes back to the queue uncharged, or is charged. `alone`: it counts as a refusal."""

    charged: bool
    alone: bool = False
    suspect: bool = False
    """The next failure of another job would say that it was the upstream."""
    batch_ids: tuple[str, ...] = ()
    """The batches whose watchers are to be told that a hold has begun."""


def judge(database: Database, failure: Failure) -> Judgement:
    """Say whose fault it was, and hold the upstream if it was the upstream's."""
    with database.write() as connection:
        now = database.now()
        # Of two that fail at once the second one must see the first. The lanes before the hold, as dispatch locks them.
        _lock_lanes(connection, failure.upstream)
        of_hold = select(holds).where(holds.c.kind == HoldKind.UPSTREAM, holds.c.target == failure.upstream)
        hold = connection.execute(of_hold.with_for_update()).mappings().one_or_none()
        latest = select(func.max(lanes.c.accepted_at)).where(lanes.c.upstream == failure.upstream)
        accepted_at = connection.scalar(latest)
        judged = _judge(connection, failure, hold, accepted_at, now)
        _note(connection, failure, now, suspect=judged.charged)
        return judged


def forgive_if_held(connection: Connection, upstream: str, job_id: str, sent_at: datetime, now: datetime) -> None:
    """Give a job the attempt back that this transaction charges it for, if its upstream was found to be away meanwhile.

    The lanes are locked first: whoever finds it from now on sees the job as charged, and forgives it.
    """
    _lock_lanes(connection, upstream)
    held = select(holds.c.kind).where(
        holds.c.kind == HoldKind.UPSTREAM, holds.c.target == upstream, holds.c.held_by == "system",
        holds.c.reason == "away", holds.c.since >= sent_at,
    )  # fmt: skip
    if connection.execute(held).first() is not None:
        _forgive(connection, [job_id], now)


def note_refusal(database: Database, lane: tuple[str, str], job_id: str) -> tuple[datetime | None, str | None]:
    """Note that a job was one too many. When the latest request of the lane was sent that wrote a text, as far as is
    known, and which job was refused before this one.
    """
    of_lane = and_(lanes.c.upstream == lane[0], lanes.c.model == lane[1])
    with database.write() as connection:
        row = connection.execute(select(lanes.c.accepted_at, lanes.c.refused_job).where(of_lane)).one_or_none()
        if row is None or row.refused_job != job_id:
            connection.execute(update(lanes).where(of_lane).values(refused_job=job_id))
    return (row.accepted_at, row.refused_job) if row is not None else (None, None)


def lift(connection: Connection, upstream: str, accepted_at: datetime) -> tuple[str, ...] | None:
    """Lift the system's hold, for a request that was sent since it began has written text. The batches to be told."""
    lifted = connection.execute(
        delete(holds).where(
            holds.c.kind == HoldKind.UPSTREAM,
            holds.c.target == upstream,
            holds.c.held_by == "system",
            holds.c.since <= accepted_at,
        )
    )
    if lifted.rowcount == 0:
        return None
    return tuple(find_held_batches(connection, HoldKind.UPSTREAM, upstream))


def begin_probe(connection: Connection, upstream: str, now: datetime) -> bool:
    """Take the probe that is due, so that nobody else does; then reserve a job and name it by `name_probe`."""
    due = and_(holds.c.kind == HoldKind.UPSTREAM, holds.c.target == upstream, holds.c.held_by == "system")
    # Should it be lost, the next one comes at the latest after a minute or the interval.
    later = now + timedelta(seconds=SUSPECT_SECONDS)
    taken = update(holds).where(due, holds.c.probe_at <= now).values(probe_at=later, probe_job=None)
    return connection.execute(taken).rowcount > 0


def name_probe(connection: Connection, upstream: str, job_id: str | None, again_at: datetime) -> None:
    """The job that a claim may take to the held upstream; None: none was there, look again at this time."""
    values = {"probe_job": job_id} if job_id is not None else {"probe_job": None, "probe_at": again_at}
    connection.execute(
        update(holds).where(holds.c.kind == HoldKind.UPSTREAM, holds.c.target == upstream).values(**values)
    )


def end_probe(connection: Connection, upstream: str, job_id: str, again_at: datetime) -> None:
    """The probe has told nothing, because it was not sent or failed by itself: let another one go at this time."""
    of_probe = and_(holds.c.kind == HoldKind.UPSTREAM, holds.c.target == upstream, holds.c.probe_job == job_id)
    again = {"probe_at": again_at, "probe_job": None, "last_probe": job_id}
    connection.execute(update(holds).where(of_probe).values(**again))


def end_probe_now(database: Database, upstream: str, job_id: str) -> None:
    """The same in a transaction of its own."""
    with database.write() as connection:
        end_probe(connection, upstream, job_id, database.now())


def _lock_lanes(connection: Connection, upstream: str) -> None:
    of_it = select(lanes.c.model).where(lanes.c.upstream == upstream).order_by(lanes.c.model)
    connection.execute(of_it.with_for_update())


def _judge(
    connection: Connection, failure: Failure, hold: RowMapping | None, accepted_at: datetime | None, now: datetime
) -> Judgement:
    if hold is not None:
        if hold["probe_job"] == failure.job_id and hold["held_by"] == "system":
            _put_off_probe(connection, failure, hold, now)
        # A stream that was cut has been paid for, so it does not go back without end.
        alone = failure.reason == "cut"
        return Judgement(charged=alone and failure.refusals >= MOST_ALONE, alone=alone)
    # What a stream was cut by came long after it was sent, so it matters not whether others were accepted meanwhile.
    if failure.reason != "cut" and accepted_at is not None and accepted_at > failure.sent_at:
        own = failure.by_status and failure.reason in ("away", "failing")
        return Judgement(charged=own or failure.refusals >= MOST_ALONE, alone=True)
    # Each such stream has been paid for. From an upstream that cuts all of them, none comes back without end.
    is_paid = failure.reason == "cut"
    if failure.reason in ("failing", "cut"):
        suspects = _find_suspects(connection, failure, accepted_at, now)
        if not suspects:
            return Judgement(charged=True, suspect=True)
        _forgive(connection, suspects, now)
    _begin(connection, failure, now)
    concerned = tuple(find_held_batches(connection, HoldKind.UPSTREAM, failure.upstream))
    charged = is_paid and failure.refusals >= MOST_ALONE
    return Judgement(charged=charged, alone=is_paid, batch_ids=concerned)


def _begin(connection: Connection, failure: Failure, now: datetime) -> None:
    reason = failure.reason if failure.reason in FIRST_PROBE_SECONDS else "away"
    seconds = FIRST_PROBE_SECONDS[reason]
    values = {"since": now, "reason": reason, "message": failure.message, "held_by": "system"}
    probe = {"probe_at": now + timedelta(seconds=seconds), "probe_seconds": seconds, "probes": 0}
    row = insert_into(connection, holds).values(kind=HoldKind.UPSTREAM, target=failure.upstream, **values, **probe)
    connection.execute(row.on_conflict_do_nothing())
    connection.execute(update(jobs).where(RESERVED, jobs.c.upstream == failure.upstream).values(hinted_at=None))
    # When it is well again, its streams come back one by one, not all at once.
    connection.execute(update(lanes).where(lanes.c.upstream == failure.upstream).values(restart=True))


def _put_off_probe(connection: Connection, failure: Failure, hold: RowMapping, now: datetime) -> None:
    seconds = min(LONGEST_PROBE_SECONDS, 2 * (hold["probe_seconds"] or 1.0))
    connection.execute(
        update(holds)
        .where(holds.c.kind == HoldKind.UPSTREAM, holds.c.target == failure.upstream)
        .values(
            probe_at=now + timedelta(seconds=seconds),
            probe_seconds=seconds,
            probes=holds.c.probes + 1,
            probe_job=None,
            last_probe=failure.job_id,
            message=failure.message,
        )
    )


def _find_suspects(connection: Connection, failure: Failure, accepted_at: datetime | None, now: datetime) -> list[str]:
    """The jobs that failed so a moment ago, and nobody was accepted since."""
    since = max(filter(None, (accepted_at, now - timedelta(seconds=SUSPECT_SECONDS))))
    found = select(lanes.c.error_job).where(
        lanes.c.upstream == failure.upstream, lanes.c.error_at >= since, lanes.c.error_job != failure.job_id
    )
    return [job_id for job_id in connection.scalars(found) if job_id is not None]


def _forgive(connection: Connection, job_ids: list[str], now: datetime) -> None:
    """Give these jobs the attempt back that they were charged for: it was the upstream."""
    forgiven = update(jobs).where(QUEUED, jobs.c.id.in_(job_ids), jobs.c.failures > 0, jobs.c.refusals < MOST_ALONE)
    back = {"failures": jobs.c.failures - 1, "refusals": jobs.c.refusals + 1, "due_at": now}
    rows = connection.execute(forgiven.values(**back).returning(jobs.c.id, jobs.c.attempt)).all()
    for row in rows:
        of_it = and_(attempts.c.job_id == row.id, attempts.c.attempt == row.attempt)
        connection.execute(update(attempts).where(of_it).values(outcome=AttemptOutcome.HELD))


def _note(connection: Connection, failure: Failure, now: datetime, *, suspect: bool) -> None:
    """What went wrong last in the lane, for people to see; and which job was charged for it, should it be forgiven."""
    noted = {"error_at": now, "error_code": failure.code, "error_message": failure.message}
    noted |= {"error_job": failure.job_id if suspect else None}
    of_lane = and_(lanes.c.upstream == failure.upstream, lanes.c.model == failure.model)
    if connection.execute(update(lanes).where(of_lane).values(**noted)).rowcount == 0:
        key = {"upstream": failure.upstream, "model": failure.model}
        connection.execute(insert(lanes).values(**key, updated_at=now, **noted))
