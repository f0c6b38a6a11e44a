"""Whose fault it was that an attempt failed: the job's, which is charged, or its upstream's, which is held.

An upstream that cannot be reached is held at once. What it says of the credit or the key may be about one request, by
whatever code or status: another project or another model must be told the same, or there must be nobody else to hold
back. One that answers 500, or breaks off, is held when a second job in a row gets that, and nobody was accepted in
between; then the first one is given its attempt back. So is one whose answers are none of this API, or none that a well
upstream gives. Whatever an upstream says to one job while it accepts others, is the job's own. While it writes and
several projects use it, what the jobs of one are told is theirs, until another one is told something, too.
"""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, RowMapping, select

from jobs.dispatch.failure import MOST_ALONE, MOST_CUT, MOST_DOUBTED, Failure, Judgement
from jobs.dispatch.holds import HoldKind, lock_lanes
from jobs.dispatch.others import (
    are_of_another_project,
    do_others_run,
    do_others_send,
    find_accepted,
    find_served_projects,
    find_whole,
    is_well,
)
from jobs.dispatch.suspects import (
    find_suspects,
    forgive,
    has_another_failed,
    has_company,
    note_failure,
    note_uncharged,
    suspect_since,
)
from jobs.dispatch.upstream_holds import (
    FIRST_PROBE_SECONDS,
    LONGEST_PROBE_SECONDS,
    begin_hold,
    lock_hold,
    put_off_probe,
)
from jobs.dispatch.writing import is_right_address
from jobs.store.database import Database
from jobs.tables import holds

LONGEST_DOUBT_SECONDS = 900.0
"""An upstream that gives every probe an answer which may be the request's own fault is held so long without charge.
Then each probe is charged, and the next one comes soon: jobs that are all at fault themselves come to an end.
"""

SOON_SECONDS = 2.0

_ONE_IS_NONE = frozenset(("failing", "cut", "odd", "broken"))
"""Only the second job in a row shows that it is the upstream. No request brings a wrong URL about."""


def judge(database: Database, failure: Failure) -> Judgement:
    """Say whose fault it was, and hold the upstream if it was the upstream's."""
    with database.write() as connection:
        now = database.now()
        lock_lanes(connection, failure.upstream)
        hold = lock_hold(connection, failure.upstream)
        accepted_at, expected_by = find_accepted(connection, failure.upstream)
        if failure.reason == "url" and is_right_address(connection, failure.upstream, failure.address_mark):
            failure = replace(failure, reason="odd")  # it may be the name of this job's model
        if hold is not None:
            judged = _judge_held(connection, failure, hold, now)
        else:
            judged = _judge(connection, failure, accepted_at, now, is_early=now < expected_by)
        note_failure(connection, failure, now, suspect=judged.charged and not failure.is_doubtful)
        if failure.is_doubtful or not judged.charged:
            note_uncharged(connection, failure, suspect_since(accepted_at, now))
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
        forgive(connection, [job_id], now)


def _judge_held(connection: Connection, failure: Failure, hold: RowMapping, now: datetime) -> Judgement:
    if hold["probe_job"] == failure.job_id and hold["held_by"] == "system":
        is_long = failure.may_be_own and (now - hold["since"]).total_seconds() >= LONGEST_DOUBT_SECONDS
        longest = SOON_SECONDS if is_long else LONGEST_PROBE_SECONDS
        cut_bytes = failure.written_bytes if failure.is_paid else None
        # No second one goes behind a stream that was cut, which is paid for, nor where there was no connection.
        may_be_own = failure.by_status and not failure.is_paid
        served = find_served_projects(connection, failure.upstream, hold["since"]) if may_be_own else None
        put_off_probe(
            connection, hold, failure.job_id, _reason(failure), failure.message, now,
            cut_bytes=cut_bytes, longest_seconds=longest, served=served,
        )  # fmt: skip
        if is_long:
            return Judgement(charged=True)
    # A stream that was cut has been paid for, so it does not go back without end.
    return Judgement(charged=failure.is_paid and failure.refusals >= MOST_CUT, alone=failure.is_paid)


def _judge(
    connection: Connection, failure: Failure, accepted_at: datetime | None, now: datetime, *, is_early: bool
) -> Judgement:
    """`is_early`: others were accepted a moment ago, and the next ones could not have been yet."""
    is_paid, upstream, job_id = failure.is_paid, failure.upstream, failure.job_id
    alone = _judge_alone(failure, accepted_at, is_early=is_early)
    if alone is not None:
        return alone
    of = (connection, upstream, job_id)
    is_well_for_others = (
        failure.may_be_of_one
        and is_well(connection, upstream, now)
        and (do_others_run(*of) or do_others_send(*of, now))
    )
    if is_well_for_others and not has_another_failed(connection, failure, accepted_at, now):
        most = failure.most_alone if _is_again(failure, accepted_at) else MOST_DOUBTED
        return Judgement(charged=failure.refusals >= most, alone=True)
    if failure.is_doubtful and not has_company(connection, failure, accepted_at, now):
        return Judgement(charged=failure.refusals >= MOST_DOUBTED, alone=True)
    # Before its own first words, which prove nothing if it broke off, it was the latest text that is whole.
    is_of_itself = is_paid and accepted_at == failure.sent_at
    well_at = find_whole(connection, upstream, now) if is_of_itself else accepted_at
    suspects = find_suspects(connection, failure, well_at, now)
    if failure.reason in _ONE_IS_NONE and not suspects and not is_well_for_others:
        return Judgement(charged=True, suspect=True)
    # A hold for streams that broke off is lifted late, so the requests of one project must not begin it for others.
    are_own = is_paid and not are_of_another_project(connection, job_id, suspects)
    if are_own and (do_others_send(*of, now) or (is_well(connection, upstream, now) and do_others_run(*of))):
        return Judgement(charged=True, suspect=True)
    forgive(connection, suspects, now)
    cut_bytes = failure.written_bytes if is_paid else None
    batch_ids = begin_hold(
        connection, upstream, _reason(failure), failure.message, now, job_id=job_id, cut_bytes=cut_bytes
    )
    # Each cut stream has been paid for. From an upstream that cuts all of them, none comes back without end.
    charged = is_paid and failure.refusals >= MOST_CUT
    return Judgement(charged, is_paid or _is_again(failure, accepted_at), batch_ids=batch_ids, began=True)


def _judge_alone(failure: Failure, accepted_at: datetime | None, *, is_early: bool) -> Judgement | None:
    """What is the job's own by what was accepted. None: it may be the upstream's."""
    # What a stream was cut by came long after it was sent, so it matters not whether others were accepted meanwhile.
    if not failure.is_paid and accepted_at is not None and accepted_at > failure.sent_at:
        own = failure.by_status and not failure.is_doubtful and failure.reason != "away"
        return Judgement(charged=own or failure.refusals >= failure.most_alone, alone=True)
    again = _is_again(failure, accepted_at)
    if is_early and failure.by_status and not failure.is_paid:  # a few bad requests held the upstream again and again
        return Judgement(charged=again and failure.refusals >= failure.most_alone, alone=True)
    if again and failure.reason != "cut" and failure.refusals >= MOST_ALONE:
        return Judgement(charged=True, alone=True)
    return None


def _is_again(failure: Failure, accepted_at: datetime | None) -> bool:
    """While it waited after its last refusal others were accepted: one that begins hold after hold is refused alone."""
    return failure.refused_at is not None and accepted_at is not None and accepted_at > failure.refused_at


def _reason(failure: Failure) -> str:
    """The word of the hold for it."""
    return failure.reason if failure.reason in FIRST_PROBE_SECONDS else "away"
