"""What the others get from an upstream that fails one job: do they send there of late, and does it write for them."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, ScalarSelect, Select, and_, func, select

from jobs.dispatch.due import RESERVED, RUNNING, WENT_TO, using
from jobs.dispatch.writing import NEVER, is_writing, wrote_at
from jobs.model.status import JobStatus
from jobs.tables import attempts, jobs, lanes

SUSPECT_SECONDS = 60.0
"""Two failures of different jobs that are further apart than this say nothing of the upstream."""

MOST_READ = 1000
"""So many of the jobs that ended last are looked through for those of other projects, or of one upstream."""

SURE_SECONDS, LONGEST_SURE_SECONDS = 0.5, 30.0
"""An upstream that answers is well for so long, and twice the time of a first word, after a request was sent that it
accepted; at most so long.
"""

LONGEST_SILENT_SECONDS = 120.0
"""Where first words take long, texts come in waves, and between them the upstream writes nothing: at most so long."""

_ENDED = (JobStatus.COMPLETED, JobStatus.FAILED)


def are_of_another_project(connection: Connection, job_id: str, job_ids: list[str]) -> bool:
    """Whether one of these jobs is of another project than this one."""
    other = jobs.c.project != _project_of(job_id)
    return connection.execute(select(jobs.c.id).where(jobs.c.id.in_(job_ids), other).limit(1)).first() is not None


def is_well(connection: Connection, upstream: str, now: datetime) -> bool:
    """Whether the upstream writes at this moment, or need not have begun to for its latest requests."""
    return is_writing(connection, upstream, now) or _is_expected(connection, upstream, now)


def do_others_run(connection: Connection, upstream: str, job_id: str) -> bool:
    """Whether another project has jobs that run there."""
    run = select(jobs.c.id).where(RUNNING, jobs.c.upstream == upstream, jobs.c.project != _project_of(job_id))
    run = run.with_hint(jobs, **using("jobs_running")).limit(1)
    return connection.execute(run).first() is not None


def do_others_send(connection: Connection, upstream: str, job_id: str, now: datetime) -> bool:
    """Whether another project has sent jobs there of late. A stream that it began long before says nothing of what it
    would be told now.
    """
    project, lately = _project_of(job_id), now - timedelta(seconds=SUSPECT_SECONDS)
    others = select(jobs.c.id).where(jobs.c.upstream == upstream, jobs.c.project != project).limit(1)
    reserved = others.where(RESERVED).with_hint(jobs, **using("jobs_reserved"))
    of_job = and_(attempts.c.job_id == jobs.c.id, attempts.c.attempt == jobs.c.attempt)
    begun = others.join(attempts, of_job).where(RUNNING, attempts.c.started_at >= lately)
    begun = begun.with_hint(jobs, **using("jobs_running"))
    sent = (reserved, begun, *(_ended_of_others(upstream, project, lately, status) for status in _ENDED))
    return any(connection.execute(found).first() for found in sent)


def find_accepted(connection: Connection, upstream: str) -> tuple[datetime | None, datetime]:
    """When the latest request was sent that wrote a text, and until when no later one need have written any: its first
    words take their time, and a refusal does not.
    """
    sent = select(lanes.c.accepted_at, lanes.c.first_delta_seconds).where(
        lanes.c.upstream == upstream, lanes.c.accepted_at.is_not(None)
    )
    row = connection.execute(sent.order_by(lanes.c.accepted_at.desc()).limit(1)).one_or_none()
    if row is None:
        return None, NEVER
    seconds = _wait_for_words(row.first_delta_seconds, LONGEST_SURE_SECONDS)
    return row.accepted_at, row.accepted_at + timedelta(seconds=seconds)


def find_whole(connection: Connection, upstream: str, now: datetime) -> datetime | None:
    """When the latest job was sent there of which the text is whole; None: none of late."""
    read = _latest(JobStatus.COMPLETED).where(jobs.c.hinted_at >= now - timedelta(seconds=SUSPECT_SECONDS)).subquery()
    sent_at: datetime | None = connection.scalar(select(func.max(read.c.hinted_at)).where(read.c.upstream == upstream))
    return sent_at


def find_served_projects(connection: Connection, upstream: str, before: datetime) -> set[str]:
    """Whose jobs the upstream wrote whole texts for, of those that were sent last before this time."""
    read = _latest(JobStatus.COMPLETED).where(jobs.c.hinted_at < before).subquery()
    return set(connection.scalars(select(read.c.project).where(read.c.upstream == upstream).distinct()))


def _is_expected(connection: Connection, upstream: str, now: datetime) -> bool:
    """Whether any lane may wait for first words still, by how long they take there: the quick models of one project
    say nothing of the slow ones of another. The last of them may have been sent when the lane was written last.
    """
    since = now - timedelta(seconds=LONGEST_SILENT_SECONDS)
    known = select(lanes.c.accepted_at, lanes.c.first_delta_seconds, lanes.c.pace).where(
        lanes.c.upstream == upstream, lanes.c.updated_at >= since, lanes.c.accepted_at.is_not(None)
    )
    return any(
        now.timestamp() < at + _wait_for_words(row.first_delta_seconds, LONGEST_SILENT_SECONDS)
        for row in connection.execute(known)
        for at in (row.accepted_at.timestamp(), wrote_at(row.pace or ""))
    )


def _wait_for_words(first_delta_seconds: float | None, longest: float) -> float:
    """How many seconds after a request was sent its first words may still come."""
    return min(longest, SURE_SECONDS + 2 * (first_delta_seconds or 0.0))


def _project_of(job_id: str) -> ScalarSelect[str]:
    return select(jobs.c.project).where(jobs.c.id == job_id).scalar_subquery()


def _ended_of_others(
    upstream: str, project: ScalarSelect[str], since: datetime, status: JobStatus
) -> Select[tuple[str]]:
    """A job of another project that was sent there since, and has ended so."""
    read = _latest(status).where(jobs.c.hinted_at >= since).subquery()
    return select(read.c.project).where(read.c.upstream == upstream, read.c.project != project).limit(1)


def _latest(status: JobStatus) -> Select[tuple[str, str, datetime]]:
    latest = select(jobs.c.project, WENT_TO.label("upstream"), jobs.c.hinted_at)
    latest = latest.where(jobs.c.status == status)
    return latest.with_hint(jobs, **using("jobs_hinted")).order_by(jobs.c.hinted_at.desc()).limit(MOST_READ)
