"""The outgoing events of a batch's watcher: the texts of many jobs, merged, with an exact cursor after each event."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from api.watching.batch_cursor import BatchCursor
from api.watching.frames import deltas_frame, event_frame
from api.watching.job_channels import JobChannel, JobChannels
from jobs.live.follower import Reasoning, Step, Text

_EVENT_BYTES = 64 * 1024


class Outbox:
    """Makes events. `cursor` says how far the client is; `channels` know how much it has of the jobs under way."""

    def __init__(self, cursor: BatchCursor, channels: JobChannels) -> None:
        self.cursor = cursor
        self._channels = channels
        # Parts of jobs that a client came back with and that this connection has not come to yet, by place.
        self._resumed = {place: part for place, *part in cursor.under_way}
        self._deltas: list[dict[str, Any]] = []
        self._reasoning: list[dict[str, Any]] = []
        self._bytes = 0

    def has_part(self, place: int) -> bool:
        """Whether the client came back with a part of this job that has no channel yet."""
        return place in self._resumed

    def take_part(self, place: int) -> Sequence[int] | None:
        """Attempt, offset and reasoning offset of that part, for the channel that continues from there."""
        return self._resumed.pop(place, None)

    def take(self, channel: JobChannel, steps: Iterable[Step]) -> Iterator[bytes]:
        """Take what is new of a job's text; yields the events that are full."""
        for step in steps:
            if isinstance(step, Text | Reasoning):
                self._add(channel, step)
                if self._bytes >= _EVENT_BYTES:
                    yield from self.flush()
            else:
                yield from self.reset(channel.id, channel.text.follower.attempt, channel)

    def reset(self, job_id: str, attempt: int, channel: JobChannel | None) -> Iterator[bytes]:
        """Void what the client has of a job, after all that was taken before."""
        yield from self.flush()
        if channel is not None:
            channel.sent = (attempt, 0, 0)
        yield self.event("reset", {"id": job_id, "attempt": attempt})

    def flush(self) -> Iterator[bytes]:
        """The event of what was taken, if anything was."""
        if self._deltas or self._reasoning:
            deltas, self._deltas, self._bytes = self._deltas, [], 0
            reasoning, self._reasoning = self._reasoning, []
            yield deltas_frame(self.encode_cursor(), deltas, reasoning)

    def event(self, name: str, shown: dict[str, Any]) -> bytes:
        """Any other event."""
        return event_frame(name, self.encode_cursor(), shown)

    def encode_cursor(self) -> str:
        """The id of the event that is being made."""
        left = [(place, part[0], part[1], part[2]) for place, part in self._resumed.items()]
        self.cursor.under_way = sorted(self._channels.under_way() + left)
        return self.cursor.encode()

    def _add(self, channel: JobChannel, step: Text | Reasoning) -> None:
        _, offset, reasoning_offset = channel.sent
        if isinstance(step, Text):
            deltas, sent, channel.sent = self._deltas, offset, (step.attempt, step.end, reasoning_offset)
        else:
            deltas, sent, channel.sent = self._reasoning, reasoning_offset, (step.attempt, offset, step.end)
        last = deltas[-1] if deltas else None
        goes_on = last is not None and last["id"] == channel.id and last["attempt"] == step.attempt
        if last is not None and goes_on and sent == step.offset:
            last["text"] += step.text
        else:
            deltas.append(
                {"id": channel.id, "attempt": step.attempt, "offset": step.offset, "text": step.text},
            )
        self._bytes += step.end - step.offset
