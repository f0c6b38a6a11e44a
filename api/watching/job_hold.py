"""Sends the watcher of a job its hold, each time that changes."""

from collections.abc import Callable
from typing import Any

from api.watching.watch_reads import WatchReads
from jobs.model.status import JobStatus


class JobHold:
    """The hold as one watcher has it. `read` reads what holds the job now, in a thread."""

    def __init__(self, reads: WatchReads, read: Callable[[], dict[str, Any] | None]) -> None:
        self._reads = reads
        self._read = read
        self._sent: dict[str, Any] | None = None

    async def find_news(self, status: JobStatus) -> dict[str, Any] | None:
        """The content of the next `hold` event; None when the watcher knows. Only what is queued is held."""
        hold = await self._reads.turns.run(self._read) if status is JobStatus.QUEUED else None
        if hold == self._sent:
            return None
        self._sent = hold
        return {"hold": hold}
