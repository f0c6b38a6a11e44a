"""The watch of one job: subscribe first, then read, then relay, and prove at the end that it was all.

Messages can be lost, late or from a zombie; so what is missed is read from the tail, and from the row once the job has
ended (`job_text.py`).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from logging import getLogger
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from api.cursors import Cursor
from api.frames import COMMENT, RETRY, delta_frame, event_frame, whole_frame
from api.hub import Heard, Hub, Watcher
from api.job_text import JobText
from api.tails import Tails
from jobs.channel import Gap, Reset, Step, Text
from jobs.database import Database
from jobs.queries import Result, read_result, read_status
from jobs.status import JobStatus

_QUIET_SECONDS = 3.0
"""Look at the row when nothing was heard for this long, then less and less often."""
_LONGEST_QUIET_SECONDS = 12.0
_BEHIND_SECONDS = 0.25
"""The least time between two looks that found nothing new: a lost tail is written anew within moments."""
_COMMENT_SECONDS = 15.0

log = getLogger(__name__)


class Watch:
    """One watcher's way through one job's text."""

    def __init__(self, database: Database, hub: Hub, tails: Tails, job_id: str, cursor: Cursor) -> None:
        self._database = database
        self._hub = hub
        self._job_id = job_id
        self._text = JobText(database, tails, job_id, cursor.attempt, cursor.offset)
        self._follower = self._text.follower
        self._shown: tuple[JobStatus, int] | None = None
        self._watcher: Watcher | None = None
        self._stopping = False
        self._ended = False
        self._now = asyncio.get_running_loop().time
        self._sent_at = self._now()
        self._quiet = _QUIET_SECONDS
        self._behind = False
        self._look_at = 0.0
        self._not_before = 0.0

    @property
    def stopped(self) -> bool:
        """Whether the watcher was told to end before the job has."""
        return self._stopping or self._hub.closed

    def stop(self) -> None:
        """End soon: the client is gone."""
        self._stopping = True
        if self._watcher is not None:
            self._watcher.close()

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """The events as they go over the wire, several at a time. Ends after `done`, or when the hub closes."""
        async with self._hub.watch(self._job_id) as watcher:
            self._watcher = watcher
            yield RETRY
            async for frame in self._look(watcher):
                self._sent_at = self._now()
                yield frame
            while not self._ended and not self.stopped:
                watcher.alarm_at = min(self._look_at, self._sent_at + _COMMENT_SECONDS)
                heard = await watcher.take()
                if self.stopped:
                    return
                now = self._now()
                if heard and not self._behind:
                    self._quiet = _QUIET_SECONDS
                    self._look_at = now + _QUIET_SECONDS
                frame, missed = self._relay(heard)
                if frame:
                    self._sent_at = now
                    yield frame
                if missed or watcher.resync:
                    self._behind = True
                    self._look_at = self._not_before
                if now >= self._look_at:
                    async for frame in self._look(watcher):
                        self._sent_at = now
                        yield frame
                elif now - self._sent_at >= _COMMENT_SECONDS:
                    self._sent_at = now
                    yield COMMENT

    def _relay(self, heard: list[Heard]) -> tuple[bytes, bool]:
        """What to send for these messages, and whether something else than the next text came, so that the row or the
        tail must be looked at.

        What follows such a message is dropped: it stands in the tail or the row, which are read then.
        """
        frames: list[bytes] = []
        texts: list[str] = []
        missed = False
        for one in heard:
            for step in self._follower.follow(one.message):
                if isinstance(step, Text):
                    texts.append(step.text)
                    if step.text is one.message.text:
                        frames.append(one.frame or whole_frame(one, step))
                    else:
                        frames.append(delta_frame(step))
                elif isinstance(step, Reset):
                    texts.clear()
                    self._text.note_reset()
                    frames.append(self._reset_frame())
                else:
                    missed = True
                    if not isinstance(step, Gap):
                        self._not_before = 0.0
            if missed:
                break
        if texts:
            self._text.note("".join(texts))
        return b"".join(frames), missed

    async def _look(self, watcher: Watcher) -> AsyncIterator[bytes]:
        """Look at the row, and send what is new there or in the tail."""
        watcher.resync = False  # first: what is published from now on is queued again
        self._behind = False
        before = (self._follower.attempt, self._follower.offset, self._shown)
        try:
            async for frame in self._look_at_row():
                yield frame
        except SQLAlchemyError as error:
            # The text goes on over Redis; only statuses and the end have to wait.
            log.warning("watch of %s: the database does not answer: %s", self._job_id, getattr(error, "orig", error))
        now = self._now()
        moved = before != (self._follower.attempt, self._follower.offset, self._shown)
        self._not_before = now if moved else now + _BEHIND_SECONDS
        self._quiet = _QUIET_SECONDS if moved or not self._hub.connected else self._quiet * 2
        self._quiet = min(self._quiet, _LONGEST_QUIET_SECONDS)
        self._look_at = now + self._quiet

    async def _look_at_row(self) -> AsyncIterator[bytes]:
        state = await run_in_threadpool(read_status, self._database, self._job_id)
        if state is None:
            self._ended = True  # the job was deleted under its watcher
            return
        if state != self._shown:
            result = await run_in_threadpool(read_result, self._database, self._job_id)
            if result is None:
                return
            async for frame in self._tell_status(result):
                yield frame
            if self._ended:
                return
        else:
            # Again: an attempt that had not said whether it goes on may have by now.
            async for frame in self._go_over(state[1]):
                yield frame
        if self._follower.attempt > 0:
            async for step in self._text.fill():
                yield self._step_frame(step)

    async def _tell_status(self, result: Result) -> AsyncIterator[bytes]:
        job = result.job
        if not job.is_final:
            async for frame in self._go_over(job.attempt):
                yield frame
        self._shown = (job.status, job.attempt)
        yield self._event("status", job.as_json())
        if job.is_final:
            async for frame in self._finish(result):
                yield frame

    async def _go_over(self, attempt: int) -> AsyncIterator[bytes]:
        for step in await self._text.go_over(attempt):
            yield self._step_frame(step)

    async def _finish(self, result: Result) -> AsyncIterator[bytes]:
        """Send what is missing of the stored text, or the text anew, and `done`."""
        async for step in self._text.finish(result):
            yield self._step_frame(step)
        self._ended = True
        yield self._event("done", result.job.as_json(), ":done")

    def _step_frame(self, step: Step) -> bytes:
        return delta_frame(step) if isinstance(step, Text) else self._reset_frame()

    def _reset_frame(self) -> bytes:
        return self._event("reset", {"attempt": self._follower.attempt})

    def _event(self, name: str, shown: dict[str, Any], suffix: str = "") -> bytes:
        return event_frame(name, f"{self._follower.attempt}:{self._follower.offset}{suffix}", shown)
