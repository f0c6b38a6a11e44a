"""Log probabilities while an answer is read: what its chunks hold becomes one list, as if it had come unstreamed."""

import json
from collections.abc import Mapping
from typing import Any

from worker.upstream.lean import LEFT_OUT
from worker.upstream.text import storable_json

MAX_LOGPROBS_BYTES = 4 << 20
"""How large they may be as JSON. Larger ones are dropped as a whole: half of them belong to no text."""


class Logprobs:
    """Collects them; they never cost a text."""

    __slots__ = ("_lists", "_room", "are_dropped")

    def __init__(self) -> None:
        self._lists: dict[str, list[Any]] = {}
        self._room = MAX_LOGPROBS_BYTES
        self.are_dropped = False
        """They were too large."""

    def feed(self, logprobs: object) -> None:
        if logprobs is LEFT_OUT:
            self._drop()
        if self.are_dropped or not isinstance(logprobs, Mapping):
            return
        for name in ("content", "refusal"):
            tokens = logprobs.get(name)
            if not tokens or not isinstance(tokens, list):
                continue
            text = storable_json(tokens)
            if text is None:
                continue
            self._room -= len(text.encode())
            if self._room < 0:
                self._drop()
                return
            self._lists.setdefault(name, []).extend(json.loads(text))

    def _drop(self) -> None:
        self.are_dropped = True
        self._lists.clear()

    def as_choice(self) -> dict[str, Any] | None:
        """The `logprobs` of the choice; None without any."""
        return {"content": None, "refusal": None, **self._lists} if self._lists else None
