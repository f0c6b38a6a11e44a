"""What comes beside the text of an answer: a refusal, citations, parts of other types.

It is noted, and never a reason to lose a text. Without a text it says why there is none.
"""

import json
from collections.abc import Callable
from typing import Any

from worker.upstream.chunks import TextDelta
from worker.upstream.errors import NotText, Refusal, quote
from worker.upstream.reasoning import text_inside
from worker.upstream.text import make_storable, storable_json

MAX_MESSAGE_BYTES = 1 << 16
"""How large all notes of an answer may be together."""

_MAX_REFUSAL = 4000

_TEXT_PARTS = frozenset(("text", "output_text"))
_THINKING_PARTS = frozenset(("thinking", "reasoning", "redacted_thinking", "thought"))


class Beside:
    """Collects it while an answer is read."""

    __slots__ = ("_notes", "_other_part", "_refusal", "_room")

    def __init__(self) -> None:
        self._refusal = ""
        self._other_part: str | None = None
        self._notes: dict[str, Any] = {}
        self._room = MAX_MESSAGE_BYTES

    def take(self, delta: TextDelta) -> bool:
        """Note what a delta holds beside its content. True when it was progress."""
        is_progress = delta.has_reasoning
        if delta.refusal:
            is_progress = True
            self._refusal = (self._refusal + delta.refusal)[:_MAX_REFUSAL]
        if delta.annotations:
            self._extend("annotations", delta.annotations)
        return is_progress

    def take_parts(self, parts: list[Any], on_thought: Callable[[str], None] = lambda _: None) -> str:
        """The text of content that comes as a list of parts; thinking goes to `on_thought`. A part that is neither is
        noted.
        """
        texts = []
        for part in parts:
            kind = part.get("type", "text") if isinstance(part, dict) else "text"
            text = part.get("text") if isinstance(part, dict) else part
            if isinstance(kind, str) and kind in _TEXT_PARTS:
                if isinstance(text, str):
                    texts.append(text)
            elif isinstance(kind, str) and kind in _THINKING_PARTS:
                on_thought(text_inside(part))
            else:
                self._other_part = self._other_part or str(kind)
                self._extend("other_parts", [part])
        return "".join(texts)

    def note(self, name: str, value: object) -> None:
        """Keep the latest value that an upstream repeats in each chunk."""
        if value:
            self._store(name, value)

    def as_message(self) -> dict[str, Any]:
        return {**self._notes, **({"refusal": make_storable(self._refusal)} if self._refusal else {})}

    def refuse(self) -> None:
        """Raise why there is no text, if that is known."""
        if self._refusal:
            raise Refusal(f"The model refused: {quote(self._refusal)}")
        if self._other_part is not None:
            raise NotText(f"The model answered with content of type {quote(self._other_part)}, which is not text.")

    def _extend(self, name: str, values: object) -> None:
        known = self._notes.get(name, [])
        self._store(name, [*known, *(values if isinstance(values, list) else [values])])

    def _store(self, name: str, value: object) -> None:
        """Keep a note while there is room; as JSON that every database takes."""
        if self._notes.get(name) == value:
            return
        text = storable_json(value)
        if text is None:
            return
        size = len(text.encode())
        before = len(json.dumps(self._notes[name], ensure_ascii=False).encode()) if name in self._notes else 0
        if size - before <= self._room and "\\u0000" not in text:
            self._room -= size - before
            self._notes[name] = json.loads(text)
