"""The events of a Response: which there are, with which numbers, and which of them the client has already.

This says what to send and reads nothing; `response_stream.py` feeds it with what the watch of the job yields.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from api.openai.response_calls import call_events, call_items
from api.openai.response_numbers import (
    CREATED,
    IN_PROGRESS,
    ITEM_ADDED,
    PART_ADDED,
    QUEUED,
    TEXT,
    VOID,
    Chain,
    attempt_of,
    chains_up_to,
    diverged_by,
    diverged_up_to,
    number_of,
    offset_of,
    thought_offset_of,
)
from api.openai.response_object import (
    message_item,
    output_id,
    response_in,
    response_object,
    response_status,
    text_part,
)
from api.openai.response_reasoning import ReasoningItem, text_from
from jobs.lifecycle.responses import StoredResponse
from jobs.live.follower import Reasoning, Text
from jobs.model.records import Attempt
from jobs.model.status import JobStatus

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Item:
    """The output item that is being written."""

    index: int
    first: int
    id: str


class ResponseEvents:
    """The events after the one numbered `after`, from the beginning when it is -1."""

    def __init__(self, job_id: str, after: int = -1) -> None:
        self._job_id = job_id
        self._after = after
        self._skip = 0
        self._diverged = diverged_up_to(after)
        self.has_begun = False
        self._voided = 0
        self._item: _Item | None = None
        self._thought: ReasoningItem | None = None
        self._thoughts = 0
        """The number of reasoning items that this client has been sent before the next item."""
        self._index = 0
        self._chain = Chain(1, [(1, 0)])
        self.attempt = 0
        """The attempt whose text is being sent."""
        self.last_number = after
        """The number up to which everything has been sent."""

    @property
    def thought_bytes(self) -> int:
        """How many bytes of reasoning are kept here: the item that ends has all of it."""
        return self._thought.length if self._thought is not None else 0

    def created(self, stored: StoredResponse) -> Iterator[Event]:
        """The first events, which hold at any time."""
        in_background = bool(stored.request.get("background"))
        status = "queued" if in_background else "in_progress"
        yield from self._event("response.created", CREATED, response=response_in(stored, status))
        if in_background:
            yield from self._event("response.queued", QUEUED, response=response_in(stored, status))

    def begun(self, stored: StoredResponse) -> Iterator[Event]:
        """A worker has taken the job."""
        if not self.has_begun:
            self.has_begun = True
            shown = response_in(stored, "in_progress")
            yield from self._event("response.in_progress", IN_PROGRESS, response=shown)

    def switch_attempt(self, attempt: int, attempts: Sequence[Attempt], *, anew: bool = False) -> Iterator[Event]:
        """From now on the text is another attempt's. `anew`: what was sent so far is void.

        Each text that some client may have been sent and that is void now is an item that ends as `incomplete`. All
        clients are sent these items, so that all number their items alike.
        """
        self.attempt = attempt
        if anew:
            self._diverged |= {attempt}
        chains = chains_up_to(attempts, attempt, self._diverged)
        diverged = diverged_by(chains[-1], self._after)
        if diverged is not None:
            self._diverged |= {diverged}
            chains = chains_up_to(attempts, attempt, self._diverged)
        self._diverged = frozenset(chain.first for chain in chains if chain.diverged)
        if self._thought is not None and self._chain.first != chains[-1].first:
            yield from self._of_reasoning(iter([self._thought.void()]))
            self._thought = None
        self._chain = chains[-1]
        # What the client has is a beginning of this text only if an attempt of this chain wrote it.
        mine = any(started == attempt_of(self._after) for started, _ in self._chain.starts) and self._after >= 0
        self._skip = offset_of(self._after) if mine else 0
        before = [chain for chain in chains[:-1] if chain.may_be_sent]
        for index, chain in enumerate(before[self._voided :], start=self._voided):
            yield from self._void(index, chain)
        self._voided = len(before)
        if self._item is not None and self._item.first != self._chain.first:
            self._item = None
        if self._item is None:
            self._index = len(before)

    def reasoning(self, step: Reasoning) -> Iterator[Event]:
        """Send the next piece of the reasoning. The text closes the item, and later reasoning has no event."""
        if self._item is not None or not step.text:
            return
        first = self._chain.first
        if self._thought is None:
            skip = thought_offset_of(self._after) if self._after >= 0 and attempt_of(self._after) == first else 0
            index = self._index + self._thoughts
            self._thoughts += 1
            self._thought = ReasoningItem(output_id("rs", self._job_id, first), index, skip)
            yield from self._of_reasoning(self._thought.begin())
        yield from self._of_reasoning(self._thought.add(step))

    def text(self, step: Text) -> Iterator[Event]:
        """The next piece of the text."""
        if self._item is None:
            yield from self._end_reasoning()
            yield from self._begin_item()
        if step.end <= self._skip:
            return
        delta = step.text if step.offset >= self._skip else text_from(step.text.encode(), self._skip - step.offset)
        number = self._number(self._chain.owner(step.end), TEXT + step.end)
        yield from self._event("response.output_text.delta", number, **self._place(), delta=delta, logprobs=[])

    def end(self, stored: StoredResponse) -> Iterator[Event]:
        """The job has ended, and all of its text was sent."""
        text = stored.text or ""
        number = self._number(max(stored.job.attempt, 1), TEXT + len(text.encode()))
        status = response_status(stored.job)
        if self._item is None:
            yield from self._end_reasoning()
        else:
            item = message_item(self._item.id, text, whole=status == "completed")
            yield from self._event("response.output_text.done", number + 1, **self._place(), text=text, logprobs=[])
            yield from self._event("response.content_part.done", number + 2, **self._place(), part=text_part(text))
            index = self._item.index
            yield from self._event("response.output_item.done", number + 3, output_index=index, item=item)
        number += 4
        index = self._item.index + 1 if self._item is not None else self._index + self._thoughts
        for name, fields in call_events(call_items(stored.job, whole=status == "completed"), index):
            yield from self._event(name, number, **fields)
            number += 1
        if stored.job.status is JobStatus.CANCELLED:
            # There is no event for this among OpenAI's, and neither `incomplete` nor `failed` would be true.
            message = f"the response {stored.id} was cancelled; what was written is kept"
            yield from self._event("error", number, code="cancelled", message=message, param=None)
            return
        shown = response_object(stored, first=self._chain.first)
        yield from self._event(f"response.{status}", number, response=shown)

    def _end_reasoning(self) -> Iterator[Event]:
        if self._thought is not None:
            yield from self._of_reasoning(self._thought.end())
            self._thought = None

    def _of_reasoning(self, events: Iterator[tuple[int, Event]]) -> Iterator[Event]:
        for place, event in events:
            named = {name: value for name, value in event.items() if name != "type"}
            yield from self._event(event["type"], self._number(self._chain.first, place), **named)

    def _begin_item(self) -> Iterator[Event]:
        first = self._chain.first
        self._item = _Item(self._index + self._thoughts, first, output_id("msg", self._job_id, first))
        yield from self._added(self._item)
        part = text_part("")
        yield from self._event(
            "response.content_part.added", self._number(first, PART_ADDED), **self._place(), part=part
        )

    def _added(self, item: _Item) -> Iterator[Event]:
        shown = {"id": item.id, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        number = self._number(item.first, ITEM_ADDED)
        yield from self._event("response.output_item.added", number, output_index=item.index, item=shown)

    def _void(self, index: int, chain: Chain) -> Iterator[Event]:
        item = self._item
        if item is None or item.first != chain.first:
            item = _Item(index + self._thoughts, chain.first, output_id("msg", self._job_id, chain.first))
            yield from self._added(item)
        shown = {"id": item.id, "type": "message", "role": "assistant", "status": "incomplete", "content": []}
        yield from self._event(
            "response.output_item.done", self._number(chain.last, VOID), output_index=item.index, item=shown
        )

    def _number(self, attempt: int, place: int) -> int:
        return number_of(attempt, place, self._diverged)

    def _place(self) -> dict[str, Any]:
        assert self._item is not None  # noqa: S101  # tells the type checker what every caller has seen to
        return {"item_id": self._item.id, "output_index": self._item.index, "content_index": 0}

    def _event(self, name: str, number: int, /, **fields: Any) -> Iterator[Event]:
        if number > self._after:
            self.last_number = number
            yield {"type": name, "sequence_number": number, **fields}
