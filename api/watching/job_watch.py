"""The watch of one job: subscribe first, then read, then relay, and verify the whole text at the end.

Messages can be lost, late or from a zombie; so what is missed is read from the tail, and from the row once the job has
ended (`job_text.py`).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from logging import getLogger
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from api.forms.jobs import job_json
from api.http.event_stream import nothing
from api.watching.frames import COMMENT, RETRY, delta_frame, event_frame, whole_frame
from api.watching.hub import Hub, Watcher
from api.watching.inbox import Inbox, ReceivedMessage
from api.watching.job_cursor import Cursor, cursor_of
from api.watching.job_hold import JobHold
from api.watching.job_rows import JobRows
from api.watching.job_text import JobText, MovedOnError
from api.watching.tails import Tails
from api.watching.watch_reads import WatchReads
from jobs.live.follower import Gap, Reasoning, ResetMessage, Started, Step, Text
from jobs.model.records import Job
from jobs.model.status import JobStatus

_QUIET_SECONDS = 3.0
"""Look at the row when nothing was heard for this long, then less and less often."""
_LONGEST_QUIET_SECONDS = 12.0
_BEHIND_SECONDS = 0.25
"""The least time after a look that found nothing new: a lost tail is written again within moments."""
_COMMENT_SECONDS = 15.0

log = getLogger(__name__)


class Watch(Watcher):
    """One watcher's way through one job's text."""

    def __init__(
        self,
        reads: WatchReads,
        hub: Hub,
        tails: Tails,
        rows: JobRows,
        job_id: str,
        cursor: Cursor,
        hold: JobHold | None = None,
    ) -> None:
        super().__init__(hub)
        self._rows = rows
        self._job_id = job_id
        self._hold = hold
        self._text = JobText(reads, tails, job_id, cursor.attempt, cursor.offset, cursor.reasoning_offset)
        self._follower = self._text.follower
        self._shown: tuple[JobStatus, int] | None = None
        self._ended = False
        self._now = asyncio.get_running_loop().time
        self._sent_at = self._now()
        self._quiet = _QUIET_SECONDS
        self._behind = self._missed = self._held_up = False
        self._lacks_reasoning = True
        """Whether reasoning may have been missed, until a tail is found or an attempt is heard from its start."""
        self._send: Callable[[bytes], bool] | None = None
        self.on_open: Callable[[], None] = nothing
        self._look_at = self._not_before = 0.0

    def send_through(self, send: Callable[[bytes], bool]) -> None:
        """From now on send what arrives directly with `send`, bypassing `frames`, while nothing else is to do. `send`
        returns False when the client is slow; the next event then comes through `frames`, which may yield an empty one.
        """
        self._send = send

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """The events as they go over the wire, several at a time. Ends after `done`, or when the hub closes."""
        async with self._hub.watch(self._job_id) as inbox:
            self._inbox = inbox
            yield RETRY
            async for frame in self._look(inbox):
                self._sent_at = self._now()
                yield frame
            self.on_open()
            while not self._ended and not self.stopped:
                inbox.alarm_at = min(self._look_at, self._sent_at + _COMMENT_SECONDS)
                received = await inbox.take(self._relay_at_once if self._send is not None else None)
                if self.stopped:
                    return
                now = self._now()
                frame = self._relay(received, now)
                if frame or self._held_up:
                    self._held_up = False
                    yield frame
                if self._missed or inbox.resync:
                    self._lacks_reasoning |= inbox.resync
                    self._missed = False
                    self._behind = True
                    self._look_at = self._not_before
                if now >= self._look_at:
                    async for frame in self._look(inbox):
                        self._sent_at = now
                        yield frame
                elif now - self._sent_at >= _COMMENT_SECONDS:
                    self._sent_at = now
                    yield COMMENT

    def _relay_at_once(self, received: list[ReceivedMessage]) -> None:
        """Relay without waking our task, which waits in `take` and is woken when there is something else to do."""
        inbox = self._inbox
        if inbox is None or self._send is None or inbox.closed:
            return
        first = received[0]
        if len(received) == 1 and first.frame is not None and not self._behind and self._text.fits(first):
            # Nearly always; the same as `_relay` would do, from what it has made for another watcher.
            self._text.note_whole(first)
            frame = first.frame
            self._sent_at = now = self._now()
            self._quiet = _QUIET_SECONDS
            self._look_at = now + _QUIET_SECONDS
        else:
            frame = self._relay(received, self._now())
        if frame and not self._send(frame):
            self._held_up = True
        if self._missed or self._held_up:
            inbox.poke()
        else:
            inbox.alarm_at = min(self._look_at, self._sent_at + _COMMENT_SECONDS)

    def _relay(self, received: list[ReceivedMessage], now: float) -> bytes:
        """What to send for these messages. When something other than the next text comes, notes in `_missed` that the
        row or the tail must be read, and drops the messages after it, because their text is read too.
        """
        if received and not self._behind:
            self._quiet = _QUIET_SECONDS
            self._look_at = now + _QUIET_SECONDS
        frames: list[bytes] = []
        texts: list[str] = []
        for item in received:
            for step in self._follower.follow(item.message):
                if isinstance(step, Text):
                    texts.append(step.text)
                    frames.append(self._delta_frame(step, item))
                elif isinstance(step, Reasoning):
                    self._text.note_reasoning(step)
                    frames.append(self._reasoning_frame(step, item))
                elif isinstance(step, ResetMessage):
                    texts.clear()
                    self._text.note_reset()
                    frames.append(self._reset_frame())
                else:
                    self._missed = True
                    self._lacks_reasoning = not isinstance(step, Started) or item is not received[-1]
                    self._hub.resyncs += isinstance(step, Gap)
                    self._not_before = self._not_before if isinstance(step, Gap) else 0.0
            if self._missed:
                break
        if texts:
            self._text.note("".join(texts))
        if frames:
            self._sent_at = now
        return b"".join(frames)

    async def _look(self, inbox: Inbox) -> AsyncIterator[bytes]:
        """Look at the row and at the tails, and send what is new there."""
        inbox.resync = False  # first: what is published from now on is queued again
        self._behind = False
        before = self._place()
        for look in (self._look_at_row, self._look_at_tails):
            try:
                async for frame in look():
                    yield frame
            except SQLAlchemyError as error:
                # The text continues over Redis; only statuses and the end have to wait.
                what = getattr(error, "orig", error)
                log.warning("watch of %s: the database does not answer: %s", self._job_id, what)
            except MovedOnError:
                log.info("watch of %s: run again while its text was sent", self._job_id)
                break
        now = self._now()
        moved = before != self._place()
        self._not_before = now if moved else now + _BEHIND_SECONDS
        self._quiet = _QUIET_SECONDS if moved or not self._hub.connected else self._quiet * 2
        self._quiet = min(self._quiet, _LONGEST_QUIET_SECONDS)
        self._look_at = now + self._quiet

    def _place(self) -> tuple[object, ...]:
        follower = self._follower
        return follower.attempt, follower.offset, follower.reasoning_offset, self._shown

    async def _look_at_row(self) -> AsyncIterator[bytes]:
        job = await self._rows.read(self._job_id)
        if job is None:
            self._ended = True  # it was deleted under its watcher
            return
        state = job.status, job.attempt
        if state != self._shown or job.is_final:  # an end that was shown, but whose text could not be read
            async for frame in self._send_status(job):
                yield frame
            if self._ended:
                return
        else:
            # Asked again: an attempt may have recorded by now whether it continues the text.
            for step in await self._text.switch_attempt(state[1]):
                yield self._step_frame(step)
        if self._hold is not None and (news := await self._hold.find_news(state[0])):
            yield self._event("hold", news)

    async def _look_at_tails(self) -> AsyncIterator[bytes]:
        if self._follower.attempt > 0 and not self._ended:
            async for step in self._text.fill():
                yield self._step_frame(step)
            self._lacks_reasoning &= not self._text.found_tail

    async def _send_status(self, job: Job) -> AsyncIterator[bytes]:
        if not job.is_final:
            for step in await self._text.switch_attempt(job.attempt):
                yield self._step_frame(step)
        if self._shown != (job.status, job.attempt):
            self._shown = (job.status, job.attempt)
            yield self._status_frame(job)
        if job.is_final:
            async for step in self._text.finish(job):
                yield self._step_frame(step)
            self._ended = True
            yield self._done_frame(job)

    def _step_frame(self, step: Step) -> bytes:
        if isinstance(step, Reasoning):
            return self._reasoning_frame(step)
        return self._delta_frame(step) if isinstance(step, Text) else self._reset_frame()

    # The form of the job's own events; `job_events.py` has another.

    def _delta_frame(self, step: Text, received: ReceivedMessage | None = None) -> bytes:
        beside = self._follower.reasoning_offset
        if received is None or step.text is not received.message.text:
            return delta_frame(step, beside)
        frame = received.frame if received.beside == beside else None
        return frame or whole_frame(received, step, beside)

    def _reasoning_frame(self, step: Reasoning, received: ReceivedMessage | None = None) -> bytes:
        is_whole = received is not None and step.text is received.message.reasoning
        beside = self._follower.offset
        return whole_frame(received, step, beside) if received and is_whole else delta_frame(step, beside)

    def _reset_frame(self) -> bytes:
        return self._event("reset", {"attempt": self._follower.attempt})

    def _status_frame(self, job: Job) -> bytes:
        return self._event("status", job_json(job))

    def _done_frame(self, job: Job) -> bytes:
        return self._event("done", job_json(job), f":{job.status}")

    def _event(self, name: str, shown: dict[str, Any], suffix: str = "") -> bytes:
        return event_frame(name, cursor_of(self._follower) + suffix, shown)
