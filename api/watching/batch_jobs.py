"""The jobs of a batch for one watcher: the rows that are new to it, each after its text."""

from collections.abc import AsyncIterator, Iterator, Sequence

from api.forms.jobs import job_json
from api.watching.batch_outbox import Outbox
from api.watching.batch_states import BatchStates
from api.watching.batch_texts import BatchTexts
from api.watching.frames import event_frame
from api.watching.watch_reads import WatchReads
from jobs.model.records import Job
from jobs.store.queries import read_jobs, read_results

_TEXT_BYTES_PER_READ = 256 * 1024


class BatchJobs:
    """Reads rows and makes the `jobs` events."""

    def __init__(
        self,
        reads: WatchReads,
        listings: WatchReads,
        batch_id: str,
        out: Outbox,
        states: BatchStates,
        texts: BatchTexts,
    ) -> None:
        self._reads = reads
        self._listings = listings
        self._batch_id = batch_id
        self._out = out
        self._states = states
        self._texts = texts

    async def show(self, job_ids: Sequence[str]) -> AsyncIterator[bytes]:
        """The events that show these jobs as their rows are now, each after the text that belongs to it."""
        read = await self._listings.run(read_jobs, job_ids)
        rows = [job for job in read if job.batch_id == self._batch_id]
        rows = [job for job in rows if self._states.is_news(job.id, job.status, job.attempt)]
        for group in self._in_groups(rows):
            wanted = [job.id for job in group if self._texts.wants(job) and (job.bytes or 0) <= _TEXT_BYTES_PER_READ]
            found = await self._reads.run(read_results, wanted) if wanted else []
            results = {result.job.id: result for result in found}
            shown: list[Job] = []
            for row in group:
                result = results.get(row.id)
                shown.append(result.job if result is not None else row)
                if self._out.cursor.deltas:
                    # Read again, it may have been retried in between. A long text is read in parts.
                    text = result.text if result is not None else None
                    async for frame in self._texts.show(shown[-1], text):
                        yield frame
            for frame in self._out.flush():
                yield frame
            yield await self._event(shown)

    def _in_groups(self, rows: Sequence[Job]) -> Iterator[list[Job]]:
        """Jobs whose texts together are small enough to be read at once."""
        group: list[Job] = []
        size = 0
        for job in rows:
            group.append(job)
            size += (job.bytes or 0) if self._texts.wants(job) else 0
            if size > _TEXT_BYTES_PER_READ:
                yield group
                group, size = [], 0
        if group:
            yield group

    async def _event(self, rows: Sequence[Job]) -> bytes:
        places: list[int] = []
        for job in rows:
            places.append(self._states.show(job))
            self._texts.shown(job)
        # In a thread, and few at once: 500 jobs take 10 ms, and a batch may have a hundred times as many.
        return await self._listings.turns.run(_make_event, self._out.encode_cursor(), rows, places)


def _make_event(cursor: str, rows: Sequence[Job], places: Sequence[int]) -> bytes:
    shown = [{**job_json(job), "index": place} for job, place in zip(rows, places, strict=True)]
    return event_frame("jobs", cursor, {"jobs": shown})
