"""The rows of jobs as their watchers look at them: all that is asked for while one read runs is read by the next one.

A thread for each look would keep the event loop waiting for the interpreter when many watchers come at once.
"""

import asyncio

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

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
        self._wanted: dict[str, asyncio.Future[Job | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def read(self, job_id: str) -> Job | None:
        """A job as it is now or later, never as it was before; None when there is none. Raises `SQLAlchemyError`."""
        found = self._wanted.get(job_id)
        if found is None:
            found = self._wanted[job_id] = asyncio.get_running_loop().create_future()
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_wanted())
        return await asyncio.shield(found)  # one of several that wait may be cancelled

    async def _read_wanted(self) -> None:
        try:
            while self._wanted:
                ids = list(self._wanted)[:MOST_IDS]
                futures = {job_id: self._wanted.pop(job_id) for job_id in ids}
                try:
                    found = {
                        job.id: job for job in await run_sync(read_jobs, self._database, ids, limiter=self._thread)
                    }
                except Exception as error:  # for those who wait for it
                    for future in futures.values():
                        future.set_exception(error)
                        future.exception()  # they may be gone
                else:
                    for job_id, future in futures.items():
                        future.set_result(found.get(job_id))
        finally:
            self._reading = None
            for future in self._wanted.values():  # only where the loop ends
                future.cancel()
            self._wanted.clear()
