"""The watch of a batch: the status of every job, the counts, and with `deltas` the text of every job at once.

The batch's channel says which jobs have changed; the rows say how. Messages may be lost, so the rows are also compared
with what was shown, every few seconds (`batch_states.py`). `batch_jobs.py` shows the rows that have changed,
`batch_texts.py` follows the texts of the jobs that run, and `batch_outbox.py` makes the events.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from logging import getLogger
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from api.forms.batches import batch_json
from api.http.event_stream import nothing
from api.watching.batch_cursor import BatchCursor
from api.watching.batch_jobs import BatchJobs
from api.watching.batch_outbox import Outbox
from api.watching.batch_states import BatchStates
from api.watching.batch_texts import BatchTexts
from api.watching.frames import COMMENT, RETRY
from api.watching.hub import Hub, Watcher
from api.watching.inbox import Inbox
from api.watching.job_channels import JobChannels
from api.watching.job_text import MovedOnError
from api.watching.tails import Tails
from api.watching.watch_reads import WatchReads
from jobs.live.channel import Message
from jobs.model.batch_records import Batch
from jobs.store.queries import read_batch, read_states

_COALESCE_SECONDS = 0.05
_PROGRESS_SECONDS = 0.5
_LOOK_SECONDS = 3.0
"""Compare the rows with what was shown this often, then less and less often while nothing was missed."""
_LONGEST_LOOK_SECONDS = 12.0
_COMMENT_SECONDS = 15.0
_COST_FACTOR = 20
"""A read of a large batch is made again only after this many times as long as it took."""

_JOBS_PER_EVENT = 500
_STATES_PER_READ = 2000

log = getLogger(__name__)


class BatchWatch(Watcher):
    """One watcher's way through one batch. `cursor` says what the client asked for and what it has; `read_hold` reads
    what keeps its jobs from starting, as this watcher is shown it.
    """

    def __init__(
        self,
        reads: WatchReads,
        hub: Hub,
        tails: Tails,
        listings: WatchReads,
        batch: Batch,
        cursor: BatchCursor,
        read_hold: Callable[[Batch], dict[str, Any] | None],
    ) -> None:
        super().__init__(hub)
        self._reads = reads
        self._read_hold = read_hold
        self._hold: dict[str, Any] | None = None
        self._batch = batch
        self._changed: set[str] = set()
        self._channels = JobChannels(hub)
        self._out = Outbox(cursor, self._channels)
        self._states = BatchStates(batch.total, cursor)
        self._texts = BatchTexts(reads, tails, self._channels, self._out, self._states, self._changed)
        self._jobs = BatchJobs(reads, listings, batch.id, self._out, self._states, self._texts)
        self._counts_changed = False
        self.on_open: Callable[[], None] = nothing
        self._ended = False
        self._now = asyncio.get_running_loop().time
        self._sent_at = self._spoke_at = self._now()
        self._count_at = 0.0
        self._look_at = 0.0
        self._look_seconds = _LOOK_SECONDS

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """The events as they go over the wire. Ends after `done`, or when the hub closes."""
        async with self._hub.watch(self._batch.id) as inbox:
            self._inbox = self._channels.inbox = inbox
            try:
                yield RETRY
                while not self._ended and not self.stopped:
                    async for frame in self._turn(inbox):
                        self._sent_at = self._spoke_at = self._now()
                        yield frame
                        if self.stopped:
                            return
                    self.on_open()
                    if self._now() - self._spoke_at >= _COMMENT_SECONDS:
                        self._spoke_at = self._now()
                        yield COMMENT
                    if not self._ended:
                        await self._wait(inbox)
            finally:
                self._channels.close()

    async def _wait(self, inbox: Inbox) -> None:
        """Wait for something to do, and then a little longer, so that more is sent in one event."""
        alarms = [self._look_at, self._spoke_at + _COMMENT_SECONDS]
        if self._counts_changed:
            alarms.append(self._count_at)
        inbox.alarm_at = min(alarms)
        received = await inbox.take()
        pause = self._sent_at + _COALESCE_SECONDS - self._now()
        if pause > 0 and not self.stopped:
            await asyncio.sleep(pause)
            received += inbox.take_waiting()
        for item in received:
            self._note(item.message)
        if inbox.resync:
            self._look_at = 0.0

    def _note(self, message: Message) -> None:
        """Note what a message of the batch's channel says."""
        if message.event == "job":
            self._changed.add(message.id)
        elif message.event == "batch":
            self._look_at = 0.0
            self._counts_changed = True

    async def _turn(self, inbox: Inbox) -> AsyncIterator[bytes]:
        """Send all that there is to send now."""
        for frame in self._texts.relay():
            yield frame
        try:
            async for frame in self._read_rows(inbox):
                yield frame
        except SQLAlchemyError as error:
            # The texts continue over Redis; only statuses and the end have to wait.
            log.warning("watch of %s: the database does not answer: %s", self._batch.id, getattr(error, "orig", error))
            self._look_at = self._now() + _LOOK_SECONDS
        except MovedOnError:
            log.info("watch of %s: a job was run again while its text was sent", self._batch.id)
            self._look_at = self._now() + _LOOK_SECONDS
        if not self._ended:
            async for frame in self._texts.read_behind():
                yield frame

    async def _read_rows(self, inbox: Inbox) -> AsyncIterator[bytes]:
        """Send what the database has that was not shown, and the end."""
        if self._now() >= self._look_at:
            inbox.resync = False  # before the rows are read: what is published from now on is queued again
            async for frame in self._look():
                yield frame
        if not self._states.listing:  # until then the jobs are shown in order, or the cursor would skip some
            async for frame in self._show_changed():
                yield frame
        async for frame in self._count():
            yield frame

    async def _look(self) -> AsyncIterator[bytes]:
        """Compare every row with what was shown, and show what is new. The first time that is the whole batch."""
        began = self._now()
        hold = await self._reads.turns.run(self._read_hold, self._batch)
        if self._states.listing or hold != self._hold:
            self._hold = hold
            yield self._batch_event()
        found = False
        after, place = "", 0
        while True:
            states = await self._reads.run(read_states, self._batch.id, after=after, limit=_STATES_PER_READ)
            news = [job_id for job_id, status, attempt in states if self._states.is_news(job_id, status, attempt)]
            for start in range(0, len(news), _JOBS_PER_EVENT):
                found = True
                async for frame in self._show(news[start : start + _JOBS_PER_EVENT]):
                    yield frame
                for frame in self._texts.relay():
                    yield frame
            is_rest = len(states) < _STATES_PER_READ
            place = self._states.note_rows(place, [job_id for job_id, _, _ in states], is_rest=is_rest)
            if is_rest:
                break
            after = states[-1][0]
        if self._states.listing:
            self._states.end_listing()
            self._counts_changed = True
        self._channels.ask_resync_of_quiet()
        missed = found or not self._hub.connected
        self._look_seconds = _LOOK_SECONDS if missed else min(_LONGEST_LOOK_SECONDS, self._look_seconds * 2)
        now = self._now()
        self._look_at = now + max(self._look_seconds, _COST_FACTOR * (now - began))

    def _batch_event(self) -> bytes:
        hold = {"hold": self._hold} if self._hold and not self._batch.is_final else {}
        return self._out.event("batch", {**batch_json(self._batch), **hold})

    async def _show_changed(self) -> AsyncIterator[bytes]:
        while self._changed:
            some = sorted(self._changed)[:_JOBS_PER_EVENT]
            self._changed.difference_update(some)  # before the rows are read: what changes from now on is noted again
            try:
                async for frame in self._show(some):
                    yield frame
            except (SQLAlchemyError, MovedOnError):
                self._changed.update(some)
                raise

    async def _show(self, job_ids: Sequence[str]) -> AsyncIterator[bytes]:
        async for frame in self._jobs.show(job_ids):
            self._counts_changed = True
            yield frame

    async def _count(self) -> AsyncIterator[bytes]:
        """Send the counts if they have changed and it is time, and the end if it has come."""
        began = self._now()
        if not self._counts_changed or began < self._count_at:
            return
        self._counts_changed = False
        batch = await self._reads.run(read_batch, self._batch.id, project=None)
        now = self._now()
        self._count_at = now + max(_PROGRESS_SECONDS, _COST_FACTOR * (now - began))
        if batch is None:
            self._ended = True  # the batch was deleted under its watcher
            return
        before, self._batch = self._batch, batch
        self._out.cursor.opened_at = batch.opened_at_ms
        if batch.status != before.status:
            yield self._batch_event()
        if _progress(batch) != _progress(before):
            yield self._out.event("progress", _progress(batch))
        if not batch.is_final:
            self._counts_changed = not self._states.open  # all jobs have ended: the batch will, at any moment
            return
        self._counts_changed = True
        missed = False
        async for frame in self._look():  # the last one: whatever was missed must come before `done`
            missed = True
            yield frame
        if not missed and not self._states.open:
            self._out.cursor.done = self._ended = True
            yield self._out.event("done", batch_json(batch))


def _progress(batch: Batch) -> dict[str, Any]:
    shown = batch_json(batch)
    return {name: shown[name] for name in ("status", "request_counts", "usage")}
