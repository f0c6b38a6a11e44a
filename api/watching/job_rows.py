"""The rows of jobs as their watchers look at them: what is asked for while one read runs is read by the next one."""

from collections.abc import Collection

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from api.access.shared_lookups import SharedLookups
from jobs.model.records import Job
from jobs.store.database import Database
from jobs.store.queries import read_jobs

MOST_IDS = 500
"""How many rows one read is for."""


class JobRows:
    """Reads rows without their requests, in one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = CapacityLimiter(1)
        self._lookups = SharedLookups(self._read_rows, together=MOST_IDS, reads_at_once=1)

    async def read(self, job_id: str) -> Job | None:
        """A job as it is now or later, never as it was before; None when there is none. Raises `SQLAlchemyError`."""
        return await self._lookups.find(job_id)

    async def _read_rows(self, job_ids: Collection[str]) -> dict[str, Job]:
        found = await run_sync(read_jobs, self._database, list(job_ids), limiter=self._thread)
        return {job.id: job for job in found}
