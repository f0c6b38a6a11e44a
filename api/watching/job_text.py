"""One job's text for one watcher: where the watcher is, how it gets what it missed, and the check at the end.

One rule: the texts since the last reset, joined, are always the first bytes of one attempt's text, and at the end of
the job exactly the stored text. This says what to send and sends nothing itself. However slowly its client reads, it
holds no more than a part of the text.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from hashlib import sha256

from starlette.concurrency import run_in_threadpool

from api.watching.frames import split_text
from api.watching.tails import Tails
from jobs.live.channel import Follower, ResetMessage, Step, Text
from jobs.model.records import Job
from jobs.model.status import FINAL
from jobs.store.database import Database
from jobs.store.queries import TextPart, read_attempts, read_text_part

_EVENT_BYTES = 64 * 1024
PART_BYTES = 256 * 1024
"""What is read of a stored text at once."""


class MovedOnError(Exception):
    """The job was run again or erased while its stored text was read: look at its row again."""


class JobText:
    """A follower of one job's channel that can also read."""

    __slots__ = ("_database", "_hash", "_hashed_from", "_tails", "follower", "job_id")

    def __init__(self, database: Database, tails: Tails, job_id: str, attempt: int = 0, offset: int = 0) -> None:
        self._database = database
        self._tails = tails
        self.job_id = job_id
        self.follower = Follower(attempt, offset)
        # Of what this connection sent, from which byte on: a client that came with a cursor has the bytes before.
        self._hash = sha256()
        self._hashed_from = offset

    def note(self, text: str) -> None:
        """Text that the follower took from a message is being sent."""
        self._hash.update(text.encode())

    def note_whole(self, text: bytes, end: int) -> None:
        """A message that starts where we are is being sent whole: it ends at the offset `end`."""
        self.follower.offset = end
        self._hash.update(text)

    def note_reset(self) -> None:
        """A reset is being sent."""
        self._hash = sha256()
        self._hashed_from = 0

    async def fill(self) -> AsyncIterator[Step]:
        """What the tail has that this watcher has not; without a tail, what the checkpoint has."""
        follower = self.follower
        while True:
            part = await self._tails.read(self.job_id, follower.attempt, follower.offset)
            if part is None:
                async for step in self._read_on(self._checkpoint):
                    yield step
                return
            for step in self._take(part.text):
                yield step
            if not part.text or follower.offset >= part.length:
                return

    async def switch_attempt(self, attempt: int) -> list[Step]:
        """Follow another attempt, with a reset unless it continues the text shown. An attempt that has not recorded yet
        whether it continues has published nothing either, and is not followed before it has.
        """
        if attempt == self.follower.attempt:
            return []
        goes_on = await self._goes_on(attempt)
        if goes_on is None:
            return []
        return self._noted(self.follower.restart(attempt, anew=not goes_on))

    async def finish(self, job: Job, text: str | None = None) -> AsyncIterator[Step]:
        """What is missing of the stored text; the text anew, if what was shown is not part of it. It is read in parts,
        unless the caller has read all of it (`text`) because it is short. Raises `MovedOnError`.
        """
        encoded = None if text is None else text.encode()

        async def read(offset: int) -> bytes:
            return encoded[offset:] if encoded is not None else (await self._stored(job, offset)).text

        for step in self._noted(self.follower.restart(job.attempt, anew=not await self._agrees(job, read))):
            yield step
        if self.follower.offset < (job.bytes or 0):
            async for step in self._read_on(read):
                yield step

    async def _agrees(self, job: Job, read: Callable[[int], Awaitable[bytes]]) -> bool:
        """Whether what was shown is the beginning of the stored text."""
        end = self.follower.offset
        if self._hashed_from == 0 and (end, self._hash.hexdigest()) == (job.bytes, job.sha256):
            return True  # all of it: nothing has to be read
        if end > (job.bytes or 0):
            return False
        stored, at = sha256(), self._hashed_from
        while at < end:
            part = (await read(at))[: end - at]
            if not part:
                return False
            stored.update(part)
            at += len(part)
        if stored.digest() != self._hash.digest():
            return False
        # The rest of the proof for what the client had before: whose text was stored in the end.
        return self._hashed_from == 0 or await self._goes_on((await self._stored(job, 0, size=0)).attempt) is True

    async def _read_on(self, read: Callable[[int], Awaitable[bytes]]) -> AsyncIterator[Step]:
        """What a text has that this watcher has not, read in parts."""
        while True:
            offset = self.follower.offset
            part = await read(offset)
            for step in self._take(part):
                yield step
            if len(part) < PART_BYTES and self.follower.offset >= offset:
                return

    async def _stored(self, job: Job, offset: int, *, size: int = PART_BYTES) -> TextPart:
        part = await run_in_threadpool(read_text_part, self._database, self.job_id, offset, size)
        if part is None or part.job_status not in FINAL or part.job_attempt != job.attempt:
            raise MovedOnError
        return part

    async def _checkpoint(self, offset: int) -> bytes:
        part = await run_in_threadpool(read_text_part, self._database, self.job_id, offset, PART_BYTES)
        # A checkpoint of an earlier attempt is not this attempt's text; this watcher may also be ahead of it.
        return part.text if part is not None and part.attempt == self.follower.attempt else b""

    async def _goes_on(self, attempt: int) -> bool | None:
        """Whether the text shown is also the beginning of another attempt's text: every attempt from the one to the
        other continued at least that many bytes of the one before it. None: not known yet.
        """
        shown = self.follower.attempt, self.follower.offset
        if shown[0] == attempt or shown[1] == 0:
            return True
        first, last = sorted((shown[0], attempt))
        attempts = await run_in_threadpool(read_attempts, self._database, self.job_id)
        on_the_way = [one for one in attempts if first < one.attempt <= last]
        if len(on_the_way) != last - first:
            return False  # a cursor that was never given out
        if on_the_way[-1].continued_bytes is None and on_the_way[-1].outcome is None:
            return None
        # An attempt that ended before it could record this published nothing, so it does not matter.
        return all(one.continued_bytes is None or one.continued_bytes >= shown[1] for one in on_the_way)

    def _take(self, encoded: bytes) -> Iterator[Step]:
        """Text that was read and starts where this watcher is, in pieces of bounded size."""
        try:
            for text in split_text(encoded, _EVENT_BYTES):
                yield from self._noted(self.follower.take(self.follower.offset, text))
        except UnicodeDecodeError:
            # A cursor inside a character was never an event's id: begin again rather than send a broken character.
            yield from self._noted(self.follower.restart(self.follower.attempt, anew=True))

    def _noted(self, steps: list[Step]) -> list[Step]:
        for step in steps:
            if isinstance(step, Text):
                self.note(step.text)
            elif isinstance(step, ResetMessage):
                self.note_reset()
        return steps
