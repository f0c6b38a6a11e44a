"""What the rows of an upstream's lanes say of those that failed there: who was charged, and who was told something."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, or_, select, update

from jobs.dispatch.due import BY_ID, QUEUED
from jobs.dispatch.failure import MOST_CUT, Failure
from jobs.dispatch.others import SUSPECT_SECONDS, do_others_send
from jobs.model.status import AttemptOutcome
from jobs.store.database import insert_into
from jobs.tables import attempts, jobs, lanes


def find_suspects(connection: Connection, failure: Failure, accepted_at: datetime | None, now: datetime) -> list[str]:
    """The jobs that failed so a moment ago, and nobody was accepted since."""
    since = suspect_since(accepted_at, now)
    found = select(lanes.c.error_job).where(
        lanes.c.upstream == failure.upstream, lanes.c.suspect_at >= since, lanes.c.error_job != failure.job_id
    )
    return [job_id for job_id in connection.scalars(found) if job_id is not None]


def suspect_since(accepted_at: datetime | None, now: datetime) -> datetime:
    return max(filter(None, (accepted_at, now - timedelta(seconds=SUSPECT_SECONDS))))


def has_company(connection: Connection, failure: Failure, accepted_at: datetime | None, now: datetime) -> bool:
    """Whether another project, or another model, was told the same a moment ago; or no other project has sent jobs.
    A stream that another one began long before says nothing of what it would be told now.
    """
    since = suspect_since(accepted_at, now)
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


def has_another_failed(connection: Connection, failure: Failure, accepted_at: datetime | None, now: datetime) -> bool:
    """Whether a job of another project was told the same a moment ago, or charged for whatever it was told."""
    since = suspect_since(accepted_at, now)
    same = and_(lanes.c.suspect_at.is_(None), lanes.c.error_at >= since, lanes.c.error_code == failure.code)
    own = select(jobs.c.project).where(jobs.c.id == failure.job_id).scalar_subquery()
    told = select(lanes.c.model).join(jobs, jobs.c.id == lanes.c.error_job)
    told = told.where(
        lanes.c.upstream == failure.upstream, or_(lanes.c.suspect_at >= since, same), jobs.c.project != own
    )
    return connection.execute(told.limit(1)).first() is not None


def note_uncharged(connection: Connection, failure: Failure, since: datetime) -> None:
    """Note which job was told so and goes back, unless the lane keeps one since then that may have to be forgiven."""
    lane = and_(lanes.c.upstream == failure.upstream, lanes.c.model == failure.model)
    free = or_(lanes.c.suspect_at.is_(None), lanes.c.suspect_at < since)
    connection.execute(update(lanes).where(lane, free).values(error_job=failure.job_id, suspect_at=None))


def forgive(connection: Connection, job_ids: list[str], now: datetime) -> None:
    """Give these jobs the attempt back that they were charged for: it was the upstream."""
    forgiven = update(jobs).where(QUEUED, jobs.c.id.in_(job_ids), jobs.c.failures > 0, jobs.c.refusals < MOST_CUT)
    back = {"failures": jobs.c.failures - 1, "refusals": jobs.c.refusals + 1, "due_at": now}
    rows = connection.execute(forgiven.with_hint(**BY_ID).values(**back).returning(jobs.c.id, jobs.c.attempt)).all()
    for row in rows:
        of_it = and_(attempts.c.job_id == row.id, attempts.c.attempt == row.attempt)
        connection.execute(update(attempts).where(of_it).values(outcome=AttemptOutcome.HELD))


def note_failure(connection: Connection, failure: Failure, now: datetime, *, suspect: bool) -> None:
    """What went wrong last in the lane, for people to see; and which job was charged for it, should it be forgiven."""
    noted = {"error_at": now, "error_code": failure.code, "error_message": failure.message}
    noted |= {"error_job": failure.job_id, "suspect_at": now} if suspect else {}
    # In one statement: a round of dispatch may make the row between two.
    new = insert_into(connection, lanes).values(upstream=failure.upstream, model=failure.model, updated_at=now, **noted)
    connection.execute(new.on_conflict_do_update(index_elements=["upstream", "model"], set_=noted))
