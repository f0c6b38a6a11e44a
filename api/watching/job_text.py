"""One job's text and reasoning for one watcher: where the watcher is, how it gets what it missed, and the check at the
end.

One rule: the texts since the last reset, joined, are always the first bytes of one attempt's text, and at the end of
the job exactly the stored text. The same is true of the reasoning since its last event at offset 0. This says what to
send and sends nothing itself. However slowly its client reads, it holds no more than a part of the text.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial

from api.watching.frames import split_text
from api.watching.inbox import ReceivedMessage
from api.watching.sent import SentText
from api.watching.tails import Slice, Tails
from api.watching.watch_reads import WatchReads
from jobs.live.channel import TextKind
from jobs.live.follower import Follower, Reasoning, ResetMessage, Step, Text
from jobs.model.records import Job
from jobs.model.status import FINAL
from jobs.store.queries import read_attempts
from jobs.store.text_parts import TextPart, read_text_part

_EVENT_BYTES = 64 * 1024
PART_BYTES = 256 * 1024
"""What is read of a stored text at once."""


class MovedOnError(Exception):
    """The job was run again or erased while its stored text was read: look at its row again."""


class JobText:
    """A follower of one job's channel that can also read."""

    __slots__ = ("_reads", "_reasoning", "_tails", "_text", "follower", "found_tail", "job_id")

    def __init__(
        self,
        reads: WatchReads,
        tails: Tails,
        job_id: str,
        attempt: int = 0,
        offset: int = 0,
        reasoning_offset: int = 0,
    ) -> None:
        self._reads = reads
        self._tails = tails
        self.job_id = job_id
        self.follower = Follower(attempt, offset, reasoning_offset)
        self.found_tail = False
        """Whether the last `fill` found a tail. It finds none where Redis does not answer."""
        self._text = SentText(offset)
        self._reasoning = SentText(reasoning_offset)

    def note(self, text: str) -> None:
        """Text that the follower took from a message is being sent."""
        self._text.hash.update(text.encode())

    def note_reasoning(self, step: Reasoning) -> None:
        """The same for reasoning."""
        if step.offset == 0:
            self._reasoning = SentText()
        self._reasoning.hash.update(step.text.encode())

    def fits(self, received: ReceivedMessage) -> bool:
        """Whether the event that was made of a message for another watcher is right for this one, too."""
        message, follower = received.message, self.follower
        if message.attempt != follower.attempt:
            return False
        if message.reasoning is None:
            return message.offset == follower.offset and received.beside == follower.reasoning_offset
        return message.reasoning_offset == follower.reasoning_offset and received.beside == follower.offset

    def note_whole(self, received: ReceivedMessage) -> None:
        """A message that fits is being sent whole."""
        if received.message.reasoning is None:
            self.follower.offset = received.end
            self._text.hash.update(received.text)
        else:
            if self.follower.reasoning_offset == 0:
                self._reasoning = SentText()
            self.follower.reasoning_offset = received.end
            self._reasoning.hash.update(received.text)

    def note_reset(self) -> None:
        """A reset is being sent."""
        self._text, self._reasoning = SentText(), SentText()

    async def fill(self) -> AsyncIterator[Step]:
        """What the tails have that this watcher has not; without a tail, what the checkpoint has. All reasoning that
        was written before the text comes before it.
        """
        follower = self.follower
        text, reasoning = await self._tails.read_both(
            self.job_id, follower.attempt, follower.offset, follower.reasoning_offset
        )
        self.found_tail = text is not None or reasoning is not None
        if reasoning is not None or text is None:  # with a text and no reasoning in Redis there is none
            async for step in self._fill("reasoning", reasoning):
                yield step
        if text is None:
            if not await self._checkpoint("text", follower.offset):
                return
            # This text is newer than the reasoning that was read.
            at = follower.attempt, follower.reasoning_offset
            reasoning = None if reasoning is None else await self._tails.read(self.job_id, *at, "reasoning")
            async for step in self._fill("reasoning", reasoning):
                yield step
        async for step in self._fill("text", text):
            yield step

    async def _fill(self, kind: TextKind, read: Slice | None) -> AsyncIterator[Step]:
        while read is not None:
            for step in self._take(kind, read.text):
                yield step
            if not read.text or self._offset(kind) >= read.length:
                return
            read = await self._tails.read(self.job_id, self.follower.attempt, self._offset(kind), kind)
        async for step in self._read_on(kind, partial(self._checkpoint, kind)):
            yield step

    def _offset(self, kind: TextKind) -> int:
        return self.follower.offset if kind == "text" else self.follower.reasoning_offset

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
        async for step in self._finish_reasoning(job):
            yield step
        if self.follower.offset < (job.bytes or 0):
            async for step in self._read_on("text", read):
                yield step

    async def _finish_reasoning(self, job: Job) -> AsyncIterator[Step]:
        """What is missing of the stored reasoning, or all of it anew."""

        async def read(offset: int) -> bytes:
            return (await self._stored(job, offset, kind="reasoning")).text

        sent, end, length = self._reasoning, self.follower.reasoning_offset, job.reasoning_bytes or 0
        if sent.start == 0 and end == length and (not end or sent.hash.hexdigest() == job.reasoning_sha256):
            return
        # What the client had before is of the present attempt, as the follower keeps it.
        agrees = end <= length and (sent.start == 0 or job.text_attempt == job.attempt)
        if not (agrees and await sent.begins(read, end)):
            for step in self._noted(self.follower.restart_reasoning()):
                yield step
        if self.follower.reasoning_offset < length:
            async for step in self._read_on("reasoning", read):
                yield step

    async def _agrees(self, job: Job, read: Callable[[int], Awaitable[bytes]]) -> bool:
        """Whether what was shown is the beginning of the stored text."""
        end = self.follower.offset
        sent = self._text
        if sent.start == 0 and (end, sent.hash.hexdigest()) == (job.bytes, job.sha256):
            return True  # all of it: nothing has to be read
        if end > (job.bytes or 0):
            return False
        if not await sent.begins(read, end):
            return False
        # The rest of the proof for what the client had before: whose text was stored in the end.
        return sent.start == 0 or await self._goes_on((await self._stored(job, 0, size=0)).attempt) is True

    async def _read_on(self, kind: TextKind, read: Callable[[int], Awaitable[bytes]]) -> AsyncIterator[Step]:
        """What a text has that this watcher has not, read in parts."""
        while True:
            offset = self._offset(kind)
            found = await read(offset)
            for step in self._take(kind, found):
                yield step
            if len(found) < PART_BYTES and self._offset(kind) >= offset:
                return

    async def _stored(self, job: Job, offset: int, *, size: int = PART_BYTES, kind: TextKind = "text") -> TextPart:
        found = await self._reads.run(read_text_part, self.job_id, offset, size, kind)
        if found is None or found.job_status not in FINAL or found.job_attempt != job.attempt:
            raise MovedOnError
        return found

    async def _checkpoint(self, kind: TextKind, offset: int) -> bytes:
        found = await self._reads.run(read_text_part, self.job_id, offset, PART_BYTES, kind)
        # A checkpoint of an earlier attempt is not this attempt's text; this watcher may also be ahead of it.
        return found.text if found is not None and found.attempt == self.follower.attempt else b""

    async def _goes_on(self, attempt: int) -> bool | None:
        """Whether the text shown is also the beginning of another attempt's text: every attempt from the one to the
        other continued at least that many bytes of the one before it. None: not known yet.
        """
        shown = self.follower.attempt, self.follower.offset
        if shown[0] == attempt or shown[1] == 0:
            return True
        first, last = sorted((shown[0], attempt))
        attempts = await self._reads.run(read_attempts, self.job_id)
        on_the_way = [passed for passed in attempts if first < passed.attempt <= last]
        if len(on_the_way) != last - first:
            return False  # a cursor that was never given out
        if on_the_way[-1].continued_bytes is None and on_the_way[-1].outcome is None:
            return None
        # An attempt that ended before it could record this published nothing, so it does not matter.
        return all(passed.continued_bytes is None or passed.continued_bytes >= shown[1] for passed in on_the_way)

    def _take(self, kind: TextKind, encoded: bytes) -> Iterator[Step]:
        """Text that was read and starts where this watcher is, in pieces of bounded size."""
        take = self.follower.take if kind == "text" else self.follower.take_reasoning
        try:
            for text in split_text(encoded, _EVENT_BYTES):
                yield from self._noted(take(self._offset(kind), text))
        except UnicodeDecodeError:
            # A cursor inside a character was never an event's id: begin again rather than send a broken character.
            follower = self.follower
            anew = kind == "text"
            yield from self._noted(
                follower.restart(follower.attempt, anew=True) if anew else follower.restart_reasoning()
            )

    def _noted(self, steps: list[Step]) -> list[Step]:
        for step in steps:
            if isinstance(step, Text):
                self.note(step.text)
            elif isinstance(step, Reasoning):
                self.note_reasoning(step)
            elif isinstance(step, ResetMessage):
                self.note_reset()
        return steps
