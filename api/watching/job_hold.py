"""What holds the job that is watched: its watcher is told when that changes, and only then."""

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool

from jobs.model.status import JobStatus


class JobHold:
    """What one watcher was told of the hold. `read` reads what holds the job now, in a thread."""

    def __init__(self, read: Callable[[], dict[str, Any] | None]) -> None:
        self._read = read
        self._told: dict[str, Any] | None = None

    async def find_news(self, status: JobStatus) -> dict[str, Any] | None:
        """The content of the next `hold` event; None when the watcher knows. Only what is queued is held."""
        hold = await run_in_threadpool(self._read) if status is JobStatus.QUEUED else None
        if hold == self._told:
            return None
        self._told = hold
        return {"hold": hold}
