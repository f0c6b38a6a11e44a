"""The texts of a batch for one watcher: relayed as they arrive, read where something was missed, verified at the end.

A job has a channel here from when it begins to run until it ends; `job_text.py` knows where each text is.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from logging import getLogger

from sqlalchemy.exc import SQLAlchemyError

from api.watching.batch_outbox import Outbox
from api.watching.batch_states import BatchStates
from api.watching.inbox import ReceivedMessage
from api.watching.job_channels import JobChannel, JobChannels
from api.watching.job_text import JobText
from api.watching.tails import Tails
from api.watching.watch_reads import WatchReads
from jobs.live.follower import Gap, Reasoning, ResetMessage, Started, Step, Text
from jobs.model.ids import place_in_batch
from jobs.model.records import Job
from jobs.model.status import JobStatus

_READS_AT_ONCE = 8
_BYTES_PER_READ = 256 * 1024

log = getLogger(__name__)


class BatchTexts:
    """Makes `deltas` and `reset` events. `changed` gets the ids of jobs whose rows have to be looked at."""

    def __init__(
        self,
        reads: WatchReads,
        tails: Tails,
        channels: JobChannels,
        out: Outbox,
        states: BatchStates,
        changed: set[str],
    ) -> None:
        self._reads = reads
        self._tails = tails
        self._channels = channels
        self._out = out
        self._states = states
        self._changed = changed

    def relay(self) -> Iterator[bytes]:
        """Send what was heard on the jobs' channels."""
        for channel, received in self._channels.take_heard():
            yield from self._out.take(channel, self._follow(channel, received))
        yield from self._out.flush()

    def wants(self, job: Job) -> bool:
        """Whether the stored text of this job is to be sent: it has ended, and the client did not ask for the texts of
        running jobs only.
        """
        if not self._out.cursor.deltas or not job.is_final:
            return False
        begun = self._channels.find(job.id) is not None or self._out.has_part(place_in_batch(job.id))
        return begun or not (self._states.listing and self._out.cursor.only_running)

    async def show(self, job: Job, text: str | None) -> AsyncIterator[bytes]:
        """Before a job is shown: begin to listen to one that runs, leave one that waits, send what is missing of one
        that has ended. `text` is its stored text if that was read. Raises `MovedOnError`.
        """
        wanted = self.wants(job)
        channel = self._channels.find(job.id)
        if channel is None:
            for frame in self._void(job):
                yield frame
            channel = self._add_channel(job, wanted=wanted)
        if channel is None:
            return
        channel.attempt = job.attempt
        if job.status is JobStatus.IN_PROGRESS:
            for frame in self._out.take(channel, await channel.text.switch_attempt(job.attempt)):
                yield frame
            self._channels.listen(channel)
        elif wanted:
            async for step in channel.text.finish(job, text):
                for frame in self._out.take(channel, (step,)):
                    yield frame
        elif job.status is JobStatus.QUEUED:
            self._channels.stop(channel)

    def shown(self, job: Job) -> None:
        """After a job was shown: forget one that has ended, or that waits while the client has nothing of it."""
        channel = self._channels.find(job.id)
        if channel is not None and (job.is_final or (job.status is JobStatus.QUEUED and not any(channel.sent[1:]))):
            self._channels.remove(channel)

    async def read_behind(self) -> AsyncIterator[bytes]:
        """Read what was missed, of a few jobs at a time."""
        for _ in range(0, len(self._channels), _READS_AT_ONCE):
            channels = self._channels.take_behind(_READS_AT_ONCE)
            if not channels:
                return
            read = await asyncio.gather(*(self._read(channel) for channel in channels))
            for channel, steps in zip(channels, read, strict=True):
                for frame in self._out.take(channel, steps):
                    yield frame
            for frame in self.relay():
                yield frame

    def _void(self, job: Job) -> Iterator[bytes]:
        """Send a reset when the client may hold text of a run before a retry, or when its cursor does not say what it
        holds.
        """
        cursor, place = self._out.cursor, place_in_batch(job.id)
        ran_before = cursor.shown.tag(place) is not None and job.status is not JobStatus.QUEUED
        if ran_before or (self._states.is_unknown(place) and job.attempt > 0):
            cursor.shown.remove(place)
            yield from self._out.reset(job.id, job.attempt, None)

    def _add_channel(self, job: Job, *, wanted: bool) -> JobChannel | None:
        place = place_in_batch(job.id)
        part = self._out.take_part(place)
        if part is not None:
            return self._channels.add(place, JobText(self._reads, self._tails, job.id, *part))
        if job.status is JobStatus.IN_PROGRESS or wanted:
            return self._channels.add(place, JobText(self._reads, self._tails, job.id, job.attempt))
        return None

    def _follow(self, channel: JobChannel, received: list[ReceivedMessage]) -> Iterator[Step]:
        for item in received:
            for step in channel.text.follower.follow(item.message):
                if isinstance(step, Text):
                    channel.text.note(step.text)
                    yield step
                elif isinstance(step, Reasoning):
                    channel.text.note_reasoning(step)
                    yield step
                elif isinstance(step, ResetMessage):
                    channel.text.note_reset()
                    yield step
                elif isinstance(step, Started):
                    channel.attempt = step.attempt
                    self._changed.add(channel.id)
                elif isinstance(step, Gap):
                    self._channels.note_gap(channel)
                    return
                else:
                    self._changed.add(channel.id)  # it is over: the row has the rest
                    return

    async def _read(self, channel: JobChannel) -> list[Step]:
        """What the tail has that the client has not, or a good part of it; the rest is read the next time."""
        steps: list[Step] = []
        size = 0
        try:
            steps += await channel.text.switch_attempt(channel.attempt)
            async for step in channel.text.fill():
                steps.append(step)
                size += step.end - step.offset if isinstance(step, Text | Reasoning) else 0
                if size > _BYTES_PER_READ:
                    self._channels.ask_resync(channel)
                    break
        except SQLAlchemyError as error:
            # What was read so far is sent, or the follower would be ahead of the client.
            log.warning("a checkpoint of %s was not read: %s", channel.id, getattr(error, "orig", error))
        return steps
