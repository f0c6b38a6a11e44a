"""What comes beside the text of an answer: a refusal, citations, parts of other types.

It is noted, and never a reason to lose a text. Without a text it says why there is none.
"""

import json
from collections.abc import Callable
from typing import Any

from worker.upstream.chunks import TextDelta
from worker.upstream.errors import ModelRefused, NotText, quote
from worker.upstream.reasoning import text_inside
from worker.upstream.text import make_storable, storable_json

MAX_MESSAGE_BYTES = 1 << 16
"""How large all notes of an answer may be together."""

_MAX_REFUSAL = 4000

_MOST_UNFIT = 1000
"""When so many parts and annotations had no room, no more are tried: one event may hold a hundred thousand."""

_TEXT_PARTS = frozenset(("text", "output_text"))
_THINKING_PARTS = frozenset(("thinking", "reasoning", "redacted_thinking", "thought"))


class Beside:
    """Collects it while an answer is read."""

    __slots__ = ("_notes", "_other_part", "_refusal", "_room", "_sizes", "_unfit")

    def __init__(self) -> None:
        self._refusal = ""
        self._other_part: str | None = None
        self._notes: dict[str, Any] = {}
        self._sizes: dict[str, int] = {}
        self._unfit = 0
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
            raise ModelRefused(f"The model refused: {quote(self._refusal)}")
        if self._other_part is not None:
            raise NotText(f"The model answered with content of type {quote(self._other_part)}, which is not text.")

    def _extend(self, name: str, values: object) -> None:
        """Add to a note. What it holds is not looked at again: an event may have tens of thousands of parts."""
        if self._unfit >= _MOST_UNFIT:
            return
        more = self._take_room(values if isinstance(values, list) else [values], 0)
        if more is None:
            self._unfit += 1
        else:
            self._notes.setdefault(name, []).extend(more[0])

    def _store(self, name: str, value: object) -> None:
        """Keep a note in place of the one before."""
        if self._notes.get(name) == value or self._unfit >= _MOST_UNFIT:
            return
        kept = self._take_room(value, self._sizes.get(name, 0))
        if kept is None:
            self._unfit += 1
        else:
            self._notes[name], self._sizes[name] = kept

    def _take_room(self, value: object, freed: int) -> tuple[Any, int] | None:
        """A value as every database takes it, and its size; None when there is no room for it."""
        text = storable_json(value)
        if text is None or "\\u0000" in text:
            return None
        size = len(text.encode())
        if size - freed > self._room:
            return None
        self._room -= size - freed
        return json.loads(text), size
