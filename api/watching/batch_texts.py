"""The texts of a batch for one watcher: relayed while they are heard, read where they were missed, proved at the end.

An ear comes when its job begins to run and goes when it ends; `job_text.py` knows where each text is.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from logging import getLogger

from sqlalchemy.exc import SQLAlchemyError

from api.watching.batch_outbox import Outbox
from api.watching.batch_states import BatchStates
from api.watching.ears import Ear, Ears
from api.watching.job_text import JobText
from api.watching.tails import Tails
from api.watching.watcher import Heard
from jobs.channel import Gap, Reset, Started, Step, Text
from jobs.database import Database
from jobs.ids import place_in_batch
from jobs.records import Job
from jobs.status import JobStatus

_READS_AT_ONCE = 8
_BYTES_PER_READ = 256 * 1024

log = getLogger(__name__)


class BatchTexts:
    """Makes `deltas` and `reset` events. `changed` gets the ids of jobs whose rows have to be looked at."""

    def __init__(
        self, database: Database, tails: Tails, ears: Ears, out: Outbox, states: BatchStates, changed: set[str]
    ) -> None:
        self._database = database
        self._tails = tails
        self._ears = ears
        self._out = out
        self._states = states
        self._changed = changed

    def relay(self) -> Iterator[bytes]:
        """Send what the ears have heard."""
        for ear, heard in self._ears.take_heard():
            yield from self._out.take(ear, self._follow(ear, heard))
        yield from self._out.flush()

    def wants(self, job: Job) -> bool:
        """Whether the stored text of this job is to be sent: it has ended, and the client has not said that it reads
        such texts itself.
        """
        if not self._out.cursor.deltas or not job.is_final:
            return False
        begun = self._ears.find(job.id) is not None or self._out.has_part(place_in_batch(job.id))
        return begun or not (self._states.listing and self._out.cursor.only_running)

    async def show(self, job: Job, text: str | None) -> AsyncIterator[bytes]:
        """Before a job is shown: begin to listen to one that runs, leave one that waits, send what is missing of one
        that has ended. `text` is its stored text if that was read. Raises `MovedOnError`.
        """
        wanted = self.wants(job)
        ear = self._ears.find(job.id)
        if ear is None:
            for frame in self._void(job):
                yield frame
            ear = self._add_ear(job, wanted=wanted)
        if ear is None:
            return
        ear.attempt = job.attempt
        if job.status is JobStatus.IN_PROGRESS:
            for frame in self._out.take(ear, await ear.text.go_over(job.attempt)):
                yield frame
            self._ears.listen(ear)
        elif wanted:
            async for step in ear.text.finish(job, text):
                for frame in self._out.take(ear, (step,)):
                    yield frame
        elif job.status is JobStatus.QUEUED:
            self._ears.stop(ear)

    def shown(self, job: Job) -> None:
        """After a job was shown: forget one that has ended, or waits with nothing that its client has of it."""
        ear = self._ears.find(job.id)
        if ear is not None and (job.is_final or (job.status is JobStatus.QUEUED and not ear.sent[1])):
            self._ears.remove(ear)

    async def read_behind(self) -> AsyncIterator[bytes]:
        """Read what was missed, of a few jobs at a time."""
        for _ in range(0, len(self._ears), _READS_AT_ONCE):
            ears = self._ears.take_behind(_READS_AT_ONCE)
            if not ears:
                return
            read = await asyncio.gather(*(self._read(ear) for ear in ears))
            for ear, steps in zip(ears, read, strict=True):
                for frame in self._out.take(ear, steps):
                    yield frame
            for frame in self.relay():
                yield frame

    def _void(self, job: Job) -> Iterator[bytes]:
        """Void what the client has of a run before a retry, or what nobody knows whether it has."""
        cursor, place = self._out.cursor, place_in_batch(job.id)
        ran_before = cursor.shown.tag(place) is not None and job.status is not JobStatus.QUEUED
        if ran_before or (self._states.is_unknown(place) and job.attempt > 0):
            cursor.shown.remove(place)
            yield from self._out.reset(job.id, job.attempt, None)

    def _add_ear(self, job: Job, *, wanted: bool) -> Ear | None:
        place = place_in_batch(job.id)
        part = self._out.take_part(place)
        if part is not None:
            return self._ears.add(place, JobText(self._database, self._tails, job.id, *part))
        if job.status is JobStatus.IN_PROGRESS or wanted:
            return self._ears.add(place, JobText(self._database, self._tails, job.id, job.attempt))
        return None

    def _follow(self, ear: Ear, heard: list[Heard]) -> Iterator[Step]:
        for one in heard:
            for step in ear.text.follower.follow(one.message):
                if isinstance(step, Text):
                    ear.text.note(step.text)
                    yield step
                elif isinstance(step, Reset):
                    ear.text.note_reset()
                    yield step
                elif isinstance(step, Started):
                    ear.attempt = step.attempt
                    self._changed.add(ear.id)
                elif isinstance(step, Gap):
                    self._ears.ask_resync(ear)
                    return
                else:
                    self._changed.add(ear.id)  # it is over: the row has the rest
                    return

    async def _read(self, ear: Ear) -> list[Step]:
        """What the tail has more of a job, or a good part of it; the rest the next time."""
        steps: list[Step] = []
        size = 0
        try:
            steps += await ear.text.go_over(ear.attempt)
            async for step in ear.text.fill():
                steps.append(step)
                size += step.end - step.offset if isinstance(step, Text) else 0
                if size > _BYTES_PER_READ:
                    self._ears.ask_resync(ear)
                    break
        except SQLAlchemyError as error:
            # What was read so far is sent, or the follower would be ahead of the client.
            log.warning("a checkpoint of %s was not read: %s", ear.id, getattr(error, "orig", error))
        return steps
