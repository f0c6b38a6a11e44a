"""Whose fault it was that an attempt failed: the job's, which is charged, or its upstream's, which is held.

An upstream that cannot be reached is held at once. What it says of the credit or the key may be about one request, by
whatever code or status: another project or another model must be told the same, or there must be nobody else to hold
back. One that answers 500, or breaks off, is held when a second job in a row gets that, and nobody was accepted in
between; then the first one is given its attempt back. So is one whose answers are none of this API, or none that a well
upstream gives. Whatever an upstream says to one job while it accepts others, is the job's own.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, RowMapping, and_, or_, select, update

from jobs.dispatch.due import QUEUED
from jobs.dispatch.holds import HoldKind
from jobs.dispatch.others import SUSPECT_SECONDS, are_others, do_others_send, find_accepted, find_whole
from jobs.dispatch.upstream_holds import (
    FIRST_PROBE_SECONDS,
    LONGEST_PROBE_SECONDS,
    begin_hold,
    find_system_hold,
    lock_lanes,
    put_off_probe,
)
from jobs.model.status import AttemptOutcome
from jobs.store.database import Database, insert_into
from jobs.tables import attempts, holds, jobs, lanes

MOST_ALONE = 3
"""A job goes back uncharged this often although others were accepted since; then it is charged as for any failure."""

MOST_CUT = 8
"""A stream that an outage cuts goes back uncharged this often. Each has been paid for, so there must be an end."""

MOST_DOUBTED = 14
"""If an upstream refuses the key or the credit for one job alone, the job goes back this often, which takes 90 s and
more. By then other projects have been refused too, or have sent nothing for `SUSPECT_SECONDS`.
"""

LONGEST_DOUBT_SECONDS = 900.0
"""An upstream that gives every probe an answer which may be the request's own fault is held so long without charge.
Then each probe is charged, and the next one comes soon: jobs that are all at fault themselves come to an end.
"""

SOON_SECONDS = 2.0

Reason = Literal["credit", "key", "away", "failing", "cut", "url", "odd", "broken"]
"""`url`: what answers there is no API of this kind. `odd`: an answer that says nothing, or an error without a code.
`broken`: the same after text that is paid for, or an end in the middle that came in order.
"""

_ONE_IS_NONE = frozenset(("failing", "cut", "url", "odd", "broken"))
"""Only the second job in a row shows that it is the upstream."""


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
    refused_at: datetime | None = None
    """When it last went back so."""
    written_bytes: int = 0
    """What this attempt wrote."""

    @property
    def is_doubtful(self) -> bool:
        """The upstream names the account or the key as the cause. The cause may still be this one request."""
        return self.reason in ("credit", "key")

    @property
    def most_alone(self) -> int:
        """How often it goes back uncharged while others are accepted: of ten servers of a gateway nine may be away."""
        return MOST_DOUBTED if self.reason == "away" else MOST_ALONE

    @property
    def is_paid(self) -> bool:
        """It has written, so its first words prove nothing."""
        return self.reason in ("cut", "broken")

    @property
    def may_be_own(self) -> bool:
        """The request may have brought it about, even if all are told the same."""
        return self.reason in ("odd", "broken")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of the job: it goes back to the queue uncharged, or is charged. `alone`: it counts as a refusal."""

    charged: bool
    alone: bool = False
    suspect: bool = False
    """The next failure of another job would say that it was the upstream."""
    batch_ids: tuple[str, ...] = ()
    """The batches to publish to that a hold has begun."""
    began: bool = False


def judge(database: Database, failure: Failure) -> Judgement:
    """Say whose fault it was, and hold the upstream if it was the upstream's."""
    with database.write() as connection:
        now = database.now()
        lock_lanes(connection, failure.upstream)
        hold = find_system_hold(connection, failure.upstream)
        accepted_at, expected_by = find_accepted(connection, failure.upstream)
        if failure.reason == "url" and accepted_at is not None:
            failure = replace(failure, reason="odd")  # the URL is right, so it may be the name of this job's model
        if hold is not None:
            judged = _judge_held(connection, failure, hold, now)
        else:
            judged = _judge(connection, failure, accepted_at, now, is_early=now < expected_by)
        _note(connection, failure, now, suspect=judged.charged and not failure.is_doubtful)
        if failure.is_doubtful:
            _note_doubt(connection, failure, _suspect_since(accepted_at, now))
        return judged


def forgive_if_held(connection: Connection, upstream: str, job_id: str, sent_at: datetime, now: datetime) -> None:
    """Give a job the attempt back that this transaction charges it for, if its upstream was found to be away meanwhile.

    The lanes are locked first: a judge that finds it from now on sees the job as charged, and forgives it.
    """
    lock_lanes(connection, upstream)
    held = select(holds.c.kind).where(
        holds.c.kind == HoldKind.UPSTREAM, holds.c.target == upstream, holds.c.held_by == "system",
        holds.c.since >= sent_at,
    )  # fmt: skip
    if connection.execute(held).first() is not None:
        _forgive(connection, [job_id], now)


def _judge_held(connection: Connection, failure: Failure, hold: RowMapping, now: datetime) -> Judgement:
    if hold["probe_job"] == failure.job_id and hold["held_by"] == "system":
        is_long = failure.may_be_own and (now - hold["since"]).total_seconds() >= LONGEST_DOUBT_SECONDS
        longest = SOON_SECONDS if is_long else LONGEST_PROBE_SECONDS
        cut_bytes = failure.written_bytes if failure.is_paid else None
        told = (failure.job_id, _reason(failure), failure.message)
        put_off_probe(connection, hold, *told, now, cut_bytes=cut_bytes, longest_seconds=longest)
        if is_long:
            return Judgement(charged=True)
    # A stream that was cut has been paid for, so it does not go back without end.
    return Judgement(charged=failure.is_paid and failure.refusals >= MOST_CUT, alone=failure.is_paid)


def _judge(
    connection: Connection, failure: Failure, accepted_at: datetime | None, now: datetime, *, is_early: bool
) -> Judgement:
    """`is_early`: others were accepted a moment ago, and the next ones could not have been yet."""
    is_paid = failure.is_paid
    # What a stream was cut by came long after it was sent, so it matters not whether others were accepted meanwhile.
    if not is_paid and accepted_at is not None and accepted_at > failure.sent_at:
        own = failure.by_status and not failure.is_doubtful and failure.reason != "away"
        return Judgement(charged=own or failure.refusals >= failure.most_alone, alone=True)
    # While it waited after its last refusal others were accepted: one that begins hold after hold is refused alone.
    again = failure.refused_at is not None and accepted_at is not None and accepted_at > failure.refused_at
    if is_early and failure.by_status and not is_paid:  # a few bad requests held the upstream again and again for all
        return Judgement(charged=again and failure.refusals >= failure.most_alone, alone=True)
    if again and failure.reason != "cut" and failure.refusals >= MOST_ALONE:
        return Judgement(charged=True, alone=True)
    if failure.is_doubtful and not _has_company(connection, failure, accepted_at, now):
        return Judgement(charged=failure.refusals >= MOST_DOUBTED, alone=True)
    # Before its own first words, which prove nothing if it broke off, it was the latest text that is whole.
    is_of_itself = is_paid and accepted_at == failure.sent_at
    well_at = find_whole(connection, failure.upstream, now) if is_of_itself else accepted_at
    suspects = _find_suspects(connection, failure, well_at, now)
    if failure.reason in _ONE_IS_NONE and not suspects:
        return Judgement(charged=True, suspect=True)
    # A hold for streams that broke off is lifted late, so the requests of one project must not begin it for others.
    of_one_project = is_paid and not are_others(connection, failure.job_id, failure.model, suspects)
    if of_one_project and do_others_send(connection, failure.upstream, failure.job_id, now):
        return Judgement(charged=True, suspect=True)
    _forgive(connection, suspects, now)
    cut_bytes = failure.written_bytes if is_paid else None
    told = begin_hold(
        connection, failure.upstream, _reason(failure), failure.message, now, job_id=failure.job_id, cut_bytes=cut_bytes
    )
    # Each cut stream has been paid for. From an upstream that cuts all of them, none comes back without end.
    charged = is_paid and failure.refusals >= MOST_CUT
    return Judgement(charged=charged, alone=is_paid or again, batch_ids=told, began=True)


def _reason(failure: Failure) -> str:
    """The word of the hold for it."""
    return failure.reason if failure.reason in FIRST_PROBE_SECONDS else "away"


def _find_suspects(connection: Connection, failure: Failure, accepted_at: datetime | None, now: datetime) -> list[str]:
    """The jobs that failed so a moment ago, and nobody was accepted since."""
    since = _suspect_since(accepted_at, now)
    found = select(lanes.c.error_job).where(
        lanes.c.upstream == failure.upstream, lanes.c.suspect_at >= since, lanes.c.error_job != failure.job_id
    )
    return [job_id for job_id in connection.scalars(found) if job_id is not None]


def _suspect_since(accepted_at: datetime | None, now: datetime) -> datetime:
    return max(filter(None, (accepted_at, now - timedelta(seconds=SUSPECT_SECONDS))))


def _has_company(connection: Connection, failure: Failure, accepted_at: datetime | None, now: datetime) -> bool:
    """Whether another project, or another model, was told the same a moment ago; or no other project has sent jobs.
    A stream that another one began long before says nothing of what it would be told now.
    """
    since = _suspect_since(accepted_at, now)
    project = select(jobs.c.project).where(jobs.c.id == failure.job_id).scalar_subquery()
    told = (
        select(lanes.c.model)
        .join(jobs, jobs.c.id == lanes.c.error_job)
        .where(
            lanes.c.upstream == failure.upstream,
            lanes.c.error_code == failure.code,
            lanes.c.error_at >= since,
            lanes.c.suspect_at.is_(None),  # else its job is one that was told something else
            lanes.c.error_job != failure.job_id,
            or_(lanes.c.model != failure.model, jobs.c.project != project),
        )
    )
    if connection.execute(told.limit(1)).first() is not None:
        return True
    return not do_others_send(connection, failure.upstream, failure.job_id, now)


def _note_doubt(connection: Connection, failure: Failure, since: datetime) -> None:
    """Note which job it was, unless the lane keeps one since then that may have to be forgiven."""
    lane = and_(lanes.c.upstream == failure.upstream, lanes.c.model == failure.model)
    free = or_(lanes.c.suspect_at.is_(None), lanes.c.suspect_at < since)
    connection.execute(update(lanes).where(lane, free).values(error_job=failure.job_id, suspect_at=None))


def _forgive(connection: Connection, job_ids: list[str], now: datetime) -> None:
    """Give these jobs the attempt back that they were charged for: it was the upstream."""
    forgiven = update(jobs).where(QUEUED, jobs.c.id.in_(job_ids), jobs.c.failures > 0, jobs.c.refusals < MOST_CUT)
    back = {"failures": jobs.c.failures - 1, "refusals": jobs.c.refusals + 1, "due_at": now}
    rows = connection.execute(forgiven.values(**back).returning(jobs.c.id, jobs.c.attempt)).all()
    for row in rows:
        of_it = and_(attempts.c.job_id == row.id, attempts.c.attempt == row.attempt)
        connection.execute(update(attempts).where(of_it).values(outcome=AttemptOutcome.HELD))


def _note(connection: Connection, failure: Failure, now: datetime, *, suspect: bool) -> None:
    """What went wrong last in the lane, for people to see; and which job was charged for it, should it be forgiven."""
    noted = {"error_at": now, "error_code": failure.code, "error_message": failure.message}
    noted |= {"error_job": failure.job_id, "suspect_at": now} if suspect else {}
    # In one statement: a round of dispatch may make the row between two.
    new = insert_into(connection, lanes).values(upstream=failure.upstream, model=failure.model, updated_at=now, **noted)
    connection.execute(new.on_conflict_do_update(index_elements=["upstream", "model"], set_=noted))
