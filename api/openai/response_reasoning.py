"""The reasoning of a Response as an output item, and as events while nothing of the text has come.

Reasoning that comes after the text has begun has no event. The item of the stored Response has it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from api.openai.response_numbers import THOUGHT, THOUGHT_ADDED, THOUGHT_DONE, THOUGHT_VOID
from jobs.live.follower import Reasoning


def reasoning_item(item_id: str, text: str | None) -> dict[str, Any]:
    """The output item that has the reasoning; None: it has only begun."""
    content = [] if text is None else [reasoning_part(text)]
    return {"id": item_id, "type": "reasoning", "summary": [], "content": content}


def reasoning_part(text: str) -> dict[str, Any]:
    """The one part of such an item's content."""
    return {"type": "reasoning_text", "text": text}


@dataclass(slots=True)
class ReasoningItem:
    """A reasoning item that is being sent. Its events come with their places, which the caller numbers."""

    id: str
    index: int
    skip: int
    """Up to this byte the client has it already."""
    length: int = 0
    """How many bytes of it have come; all of them are kept until its end."""
    _sent: bytearray = field(default_factory=bytearray)

    def begin(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The first events."""
        added = {"type": "response.output_item.added", "output_index": self.index}
        yield THOUGHT_ADDED, {**added, "item": reasoning_item(self.id, None)}
        yield THOUGHT, {"type": "response.content_part.added", **self._place(), "part": reasoning_part("")}

    def add(self, step: Reasoning) -> Iterator[tuple[int, dict[str, Any]]]:
        """The next piece. One that begins anew is sent from where it goes beyond what was sent."""
        if step.end <= self.length:
            return
        encoded = step.text.encode()
        # As bytes: a letter of a delta that is kept as its own `str` takes 84.
        self._sent += text_from(encoded, self.length - step.offset).encode()
        self.length = step.end
        if step.end > self.skip:
            delta = text_from(encoded, self.skip - step.offset)
            event = {"type": "response.reasoning_text.delta", **self._place(), "delta": delta}
            yield THOUGHT + step.end, event

    def end(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The last events: the text begins, or the job has ended."""
        text = self._sent.decode()
        yield THOUGHT_DONE, {"type": "response.reasoning_text.done", **self._place(), "text": text}
        yield THOUGHT_DONE + 1, {"type": "response.content_part.done", **self._place(), "part": reasoning_part(text)}
        item = reasoning_item(self.id, text)
        yield THOUGHT_DONE + 2, {"type": "response.output_item.done", "output_index": self.index, "item": item}

    def void(self) -> tuple[int, dict[str, Any]]:
        """The last event, where no text came after it and another attempt begins anew."""
        item = {**reasoning_item(self.id, self._sent.decode()), "status": "incomplete"}
        return THOUGHT_VOID, {"type": "response.output_item.done", "output_index": self.index, "item": item}

    def _place(self) -> dict[str, Any]:
        return {"item_id": self.id, "output_index": self.index, "content_index": 0}


def text_from(encoded: bytes, start: int) -> str:
    """The text from this byte on, and no half character: a number inside of one was never given out."""
    start = max(start, 0)
    while 0 < start < len(encoded) and encoded[start] & 0xC0 == 0x80:
        start -= 1
    return encoded[start:].decode()
