"""What the rows of the database say of jobs, batches and attempts, and waiting until they say it."""

from sqlalchemy import exists, func, select

from jobs.model.records import Job
from jobs.model.status import FINAL, JobStatus
from jobs.store.database import Database
from jobs.store.queries import read_job
from jobs.tables import attempts, batches, jobs
from tests.chaos.processes import PATIENCE_SECONDS, Process, wait_until
from tests.text_so_far import read_text_so_far


class Rows:
    """The rows as a test reads them: directly, around the proxies."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def ids_of(self, batch_id: str) -> list[str]:
        """The ids of a batch's jobs in input order."""
        with self.database.read() as connection:
            return list(connection.scalars(select(jobs.c.id).where(jobs.c.batch_id == batch_id).order_by(jobs.c.id)))

    def count(self, *statuses: JobStatus) -> int:
        """How many jobs are in one of these statuses."""
        with self.database.read() as connection:
            counted = connection.scalar(select(func.count()).where(jobs.c.status.in_(statuses)))
        return counted or 0

    def wait_count(self, status: JobStatus, number: int, timeout_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until at least so many jobs are in this status."""
        wait_until(lambda: self.count(status) >= number, timeout_seconds, f"{number} jobs are {status}")

    def wait_final(self, timeout_seconds: float) -> None:
        """Wait until every job and every batch has ended."""
        ended = ~exists().where(jobs.c.status.not_in(FINAL)) & ~exists().where(batches.c.completed.is_(None))

        def holds() -> bool:
            with self.database.read() as connection:
                return bool(connection.scalar(select(ended)))

        wait_until(holds, timeout_seconds, "every job and every batch has ended")

    def wait_running(self, number: int, timeout_seconds: float = PATIENCE_SECONDS, *, attempt: int = 1) -> None:
        """Wait until so many jobs run, each as this attempt or a later one."""
        running = select(func.count()).where(jobs.c.status == JobStatus.IN_PROGRESS, jobs.c.attempt >= attempt)

        def holds() -> bool:
            with self.database.read() as connection:
                return (connection.scalar(running) or 0) >= number

        wait_until(holds, timeout_seconds, f"{number} jobs run as attempt {attempt} or later")

    def job(self, job_id: str) -> Job:
        """One job as it stands."""
        job = read_job(self.database, job_id, project=None)
        assert job is not None
        return job

    def wait_rescued(self, dead: Process, timeout_seconds: float) -> None:
        """Wait until this worker process holds no job any more."""
        held = select(func.count()).where(
            jobs.c.status == JobStatus.IN_PROGRESS, jobs.c.worker.contains(f":{dead.pid}:")
        )

        def holds() -> bool:
            with self.database.read() as connection:
                return not connection.scalar(held)

        wait_until(holds, timeout_seconds, f"the jobs of {dead.name} are rescued")

    def count_claims(self) -> int:
        """How many attempts have begun."""
        with self.database.read() as connection:
            return connection.scalar(select(func.count()).select_from(attempts)) or 0

    def wait_claims(self, number: int, timeout_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until at least so many attempts have begun."""
        wait_until(lambda: self.count_claims() >= number, timeout_seconds, f"{number} claims")

    def text(self, job_id: str) -> str:
        """What is stored of a job's text."""
        found = read_text_so_far(self.database, job_id)
        return found[1] if found is not None else ""
