"""What a batch's watcher is being sent: texts of many jobs, coalesced, with a cursor that is exact after each event."""

from collections.abc import Iterable, Iterator
from typing import Any

from api.watching.batch_cursor import BatchCursor
from api.watching.ears import Ear, Ears
from api.watching.frames import deltas_frame, event_frame
from jobs.channel import Step, Text

_EVENT_BYTES = 64 * 1024


class Outbox:
    """Makes events. `cursor` is how far the client is; the parts that it has of jobs under way, the ears know."""

    def __init__(self, cursor: BatchCursor, ears: Ears) -> None:
        self.cursor = cursor
        self._ears = ears
        # Of a client that came back: parts of jobs that this connection has not come to yet, by place.
        self._resumed = {place: (attempt, offset) for place, attempt, offset in cursor.under_way}
        self._deltas: list[dict[str, Any]] = []
        self._bytes = 0

    def has_part(self, place: int) -> bool:
        """Whether the client came back with a part of this job, and nobody has gone on with it yet."""
        return place in self._resumed

    def take_part(self, place: int) -> tuple[int, int] | None:
        """Attempt and offset of that part, for an ear that goes on with it."""
        return self._resumed.pop(place, None)

    def take(self, ear: Ear, steps: Iterable[Step]) -> Iterator[bytes]:
        """Take what is new of a job's text; the events that are full."""
        for step in steps:
            if isinstance(step, Text):
                self._add(ear, step)
                if self._bytes >= _EVENT_BYTES:
                    yield from self.flush()
            else:
                yield from self.reset(ear.id, ear.text.follower.attempt, ear)

    def reset(self, job_id: str, attempt: int, ear: Ear | None) -> Iterator[bytes]:
        """Void what the client has of a job, after all that was taken before."""
        yield from self.flush()
        if ear is not None:
            ear.sent = (attempt, 0)
        yield self.event("reset", {"id": job_id, "attempt": attempt})

    def flush(self) -> Iterator[bytes]:
        """The event of what was taken, if anything was."""
        if self._deltas:
            deltas, self._deltas, self._bytes = self._deltas, [], 0
            yield deltas_frame(self.encode_cursor(), deltas)

    def event(self, name: str, shown: dict[str, Any]) -> bytes:
        """Any other event."""
        return event_frame(name, self.encode_cursor(), shown)

    def encode_cursor(self) -> str:
        """The id of the event that is being made."""
        left = [(place, attempt, offset) for place, (attempt, offset) in self._resumed.items()]
        self.cursor.under_way = sorted(self._ears.under_way() + left)
        return self.cursor.encode()

    def _add(self, ear: Ear, step: Text) -> None:
        last = self._deltas[-1] if self._deltas else None
        if last is not None and last["id"] == ear.id and ear.sent == (step.attempt, step.offset):
            last["text"] += step.text
        else:
            self._deltas.append(
                {"id": ear.id, "attempt": step.attempt, "offset": step.offset, "text": step.text},
            )
        self._bytes += step.end - step.offset
        ear.sent = (step.attempt, step.end)
