"""Jobs that one upstream has taken or refused."""

from jobs.intake.submission import submit_job
from jobs.lifecycle.transitions import fail, finish
from jobs.model.endings import JobError
from jobs.store.database import Database
from tests.store.reserving import claim_now, reserve
from tests.store.store_fixtures import new_job, written


def begin_job(database: Database, upstream: str, project: str = "default") -> str:
    """A job that this upstream runs as its attempt 1."""
    job_id = submit_job(database, new_job(), project=project).id
    reserve(database, job_id, upstream=upstream)
    assert claim_now(database, job_id, "w1", 60) is not None
    return job_id


def end_job(database: Database, job_id: str, error: JobError | None) -> None:
    """Let it complete, or fail with this error."""
    if error:
        assert fail(database, job_id, 1, written(), error)
    else:
        assert finish(database, job_id, 1, written("A text."))
