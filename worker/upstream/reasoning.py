"""Reasoning: what a model thinks while it writes, by each of the names that upstreams have for it."""

from collections.abc import Callable, Mapping
from typing import Any

from worker.upstream.chunks import TextDelta
from worker.upstream.errors import TextTooLong
from worker.upstream.text import TextCleaner
from worker.upstream.text_output import MAX_PIECE

_INSIDE = ("text", "thinking", "summary", "reasoning", "reasoning_content", "content")
"""Where an object of reasoning may hold its text. Encrypted reasoning holds none."""


def reasoning_of(delta: TextDelta) -> str:
    """The reasoning in a delta. Several names for it in one delta hold the same, so the first one counts."""
    return (
        _text_of(delta.reasoning_content)
        or _text_of(delta.reasoning)
        or _text_of(delta.reasoning_text)
        or _text_of(delta.thinking)
        or _text_of(delta.reasoning_details)
        or _text_of(delta.thinking_blocks)
    )


def reasoning_of_part(part: Mapping[str, Any]) -> str:
    """The reasoning in a part of a content that is a list."""
    return _text_of(part)


def _text_of(value: object) -> str:
    """Strings in objects in lists, as deep as any upstream nests them."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(map(_text_of, value[:1000]))
    if isinstance(value, Mapping):
        return next((text for name in _INSIDE if (text := _text_of(value.get(name)))), "")
    return ""


class ReasoningOutput:
    """Feed it reasoning; it calls `on_reasoning` with what is to be stored: cleaned, and within its cap."""

    def __init__(self, on_reasoning: Callable[[str], None], max_bytes: int) -> None:
        self._on_reasoning = on_reasoning
        self._max_bytes = max_bytes
        self._cleaner = TextCleaner()
        self.bytes = 0
        """How much has been given."""

    def feed(self, piece: str) -> None:
        """Take what a delta holds."""
        self._give(self._cleaner.feed(piece))

    def feed_message(self, whole: str) -> None:
        """Take what a whole `message` holds: behind deltas it is the same again."""
        if not self.bytes:
            self.feed(whole)

    def close(self) -> None:
        """Give what was held back, now that nothing more comes."""
        self._give(self._cleaner.close())

    def _give(self, text: str) -> None:
        if not text:
            return
        self.bytes += len(text) if text.isascii() else len(text.encode())
        if self.bytes > self._max_bytes:
            raise TextTooLong(
                f"The reasoning is longer than {self._max_bytes} bytes; LONGHAND_MAX_TEXT_BYTES sets this limit."
            )
        if len(text) <= MAX_PIECE:
            self._on_reasoning(text)
            return
        for start in range(0, len(text), MAX_PIECE):
            self._on_reasoning(text[start : start + MAX_PIECE])
