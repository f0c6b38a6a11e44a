"""The watch of one job as values, for endpoints that send its text in another form."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from api.access.budget import Account
from api.access.large_answers import read_in_turns
from api.services import LARGE_BODY, Services
from api.watching.inbox import ReceivedMessage
from api.watching.job_cursor import Cursor
from api.watching.job_watch import Watch
from jobs.live.follower import Reasoning, ResetMessage, Text
from jobs.model.records import Job
from jobs.store.queries import StoredResult

JobEvent = Text | Reasoning | ResetMessage | Job | StoredResult
"""New text; new reasoning; that both begin anew; the job when its status has changed; and last of all the job as it has
ended, without its text, which may be long: a reader that wants all of it at once has to read it.
"""

_SIGN_OF_NEWS = b"\n"


class JobEventStream(Watch):
    """Watches a job from its first byte. With `ends_reasoning`, the first text says that the reasoning before it is
    whole, so it waits until that is sure.
    """

    def __init__(self, services: Services, job_id: str, *, ends_reasoning: bool = False) -> None:
        super().__init__(services.watch_reads, services.hub, services.tails, services.rows, job_id, Cursor())
        self._ends_reasoning = ends_reasoning
        self._new: list[JobEvent] = []

    async def values(self) -> AsyncGenerator[list[JobEvent], None]:
        """What is new, in order. An empty list: nothing is, but the client should be sent a sign of life.

        Ends after a `StoredResult`; without one when the watch was stopped, or when the job was erased.
        """
        async with aclosing(self.frames()) as frames:
            async for _ in frames:
                new, self._new = self._new, []
                yield new

    def _relay(self, received: list[ReceivedMessage], now: float) -> bytes:
        if not (self._ends_reasoning and self._lacks_reasoning) or self._follower.offset > 0:
            return super()._relay(received, now)
        attempt = self._follower.attempt
        texts = (place for place, item in enumerate(received) if item.message.text and item.message.attempt == attempt)
        begins = next(texts, len(received))
        relayed = super()._relay(received[:begins], now)
        # The text is read with the reasoning before it, from the tails or a checkpoint, or from the row at the end.
        self._missed |= begins < len(received)
        return relayed

    def _format(self, event: JobEvent) -> bytes:
        self._new.append(event)
        return _SIGN_OF_NEWS

    def _delta_frame(self, step: Text, received: ReceivedMessage | None = None) -> bytes:
        return self._format(step)

    def _reasoning_frame(self, step: Reasoning, received: ReceivedMessage | None = None) -> bytes:
        return self._format(step)

    def _reset_frame(self) -> bytes:
        return self._format(ResetMessage(self._follower.attempt))

    def _status_frame(self, job: Job) -> bytes:
        return self._format(job)

    def _done_frame(self, job: Job) -> bytes:
        return self._format(StoredResult(job, None))


class JobStream:
    """Sends the watch of one job in another form. `account` pays for what is large of it."""

    def __init__(self, services: Services, job_id: str, account: Account, *, ends_reasoning: bool = False) -> None:
        self._services = services
        self._account = account
        self._watch = JobEventStream(services, job_id, ends_reasoning=ends_reasoning)

    @property
    def stopped(self) -> bool:
        """Whether it was told to end before the job has."""
        return self._watch.stopped

    def stop(self) -> None:
        """End soon: the client is gone. The job goes on."""
        self._watch.stop()

    async def _write(self, pieces: Iterator[bytes], size: int) -> AsyncGenerator[bytes, None]:
        """What these pieces are. Where they are made of much (`size`), they are made in a thread, as a download is, and
        counted until the client has them. Raises `ApiError` (503) where there is no room for them.
        """
        if size <= LARGE_BODY:
            yield b"".join(pieces)
            return
        budget = self._services.answer_budget
        with budget.open(self._account) as held:
            held.add(min(size, budget.most_of_one))  # none is too large for ever
            async for piece in read_in_turns(self._services.downloads, pieces):
                yield piece
