"""The job statuses that a batch's watcher knows: 8 bytes each, so that 50,000 jobs cost 400 kB."""

from array import array
from collections.abc import Sequence

from api.watching.batch_cursor import BatchCursor, tag_of
from jobs.model.ids import place_in_batch
from jobs.model.records import Job
from jobs.model.status import FINAL, JobStatus

_STATUSES = list(JobStatus)


class BatchStates:
    """Status and attempt of every job as the client was shown them. The cursor says what earlier connections showed.

    The first look lists the batch in input order; until it is over, `listing` is true.
    """

    def __init__(self, total: int, cursor: BatchCursor) -> None:
        self._cursor = cursor
        # By place; -1: not shown by this connection yet, or deleted.
        self._states = array("q", [-1]) * total
        self._listed_before = cursor.listed
        self.listing = True
        self.open = total
        """How many jobs were not shown as ended, of those that are there."""
        self._deleted: set[int] = set()

    def is_news(self, job_id: str, status: JobStatus, attempt: int) -> bool:
        """Whether the client might not know yet that the job has this status and attempt."""
        place = place_in_batch(job_id)
        if self._states[place] >= 0:
            return self._states[place] != _state(status, attempt)
        if self.is_unknown(place):
            return True
        tag = self._cursor.shown.tag(place)
        if tag is None:
            seen = status is JobStatus.QUEUED and attempt == 0 and place < self._listed_before
        else:
            seen = status in FINAL and tag == tag_of(status, attempt)
        if seen:
            self._set(place, status, attempt)
        return not seen

    def is_unknown(self, place: int) -> bool:
        """Whether the client came with a cursor that does not say what it has of this job."""
        known = self._cursor.known
        return known is not None and place >= known and self._states[place] < 0

    def show(self, job: Job) -> int:
        """Note that the client is being shown this job; returns its place."""
        place = place_in_batch(job.id)
        self._set(place, job.status, job.attempt)
        if job.is_final:
            self._cursor.shown.add(place, tag_of(job.status, job.attempt))
        elif job.status is JobStatus.IN_PROGRESS:
            self._cursor.shown.remove(place)
        if self.listing:
            self._cursor.listed = max(self._cursor.listed, place + 1)
            if self._cursor.known is not None:
                self._cursor.known = max(self._cursor.known, place + 1)
        return place

    def note_rows(self, begin: int, job_ids: Sequence[str], *, is_rest: bool) -> int:
        """Note which jobs there are from this place on: of an ended batch some may have been deleted, and nobody waits
        for these. `is_rest`: there are no others behind them. Returns the place behind them.
        """
        end = len(self._states) if is_rest else place_in_batch(job_ids[-1]) + 1
        if len(job_ids) < end - begin:
            for place in set(range(begin, end)) - set(map(place_in_batch, job_ids)) - self._deleted:
                self._deleted.add(place)
                self.open -= self._is_open(place)
        return end

    def end_listing(self) -> None:
        """Note that every job was shown once, or was known before."""
        self.listing = False
        self._cursor.known = None
        self._cursor.listed = len(self._states)

    def _set(self, place: int, status: JobStatus, attempt: int) -> None:
        self.open += (status not in FINAL) - self._is_open(place)
        self._states[place] = _state(status, attempt)

    def _is_open(self, place: int) -> bool:
        return self._states[place] < 0 or _STATUSES[self._states[place] % 8] not in FINAL


def _state(status: JobStatus, attempt: int) -> int:
    return attempt * 8 + _STATUSES.index(status)
