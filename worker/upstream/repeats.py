"""Distinguishes deltas that repeat the text so far from deltas that continue it.

Some upstreams send the whole text so far in each delta, and some replay it once. Stored as it comes, such a text would
be doubled. But an ordinary text may repeat itself, too: it may begin with two equal lines. So a delta that could be
either is held back until the next one tells.
"""

from worker.upstream.errors import RepeatedText

SURE_CHARACTERS = 64
"""When a delta repeats as much as this, and that is all of the text that several deltas made, it is no accident."""

_REPLAY_CHARACTERS = 16
"""A delta that is exactly all of the text that at least three deltas made is no accident once that is so long."""

_LIKELY_CHARACTERS = 8
"""Two deltas in a row that each repeat all before them are no accident once that is so long."""

_LIKELY_DELTAS = 3


class Repeats:
    """Feed it each content, get what of it is new. What it holds back comes with a later one, or at `close`."""

    __slots__ = ("_began_as_message", "_chars", "_deltas", "_held", "_is_cumulative", "_is_plain", "_seen", "trimmed")

    def __init__(self) -> None:
        self._seen = ""
        """The beginning of the text, at most `SURE_CHARACTERS` of it."""
        self._chars = 0
        self._deltas = 0
        self._held: list[str] = []
        self._is_plain = False
        self._is_cumulative = False
        self._began_as_message = False
        self.trimmed = 0
        """How many deltas repeated the text before them."""

    def feed(self, content: str) -> str:
        """The text that `content` adds. Raises `RepeatedText` when an upstream that repeats changes what it sent."""
        if self._is_plain and len(content) < self._chars:
            self._chars += len(content)
            self._deltas += 1
            return content
        return self._feed_slowly(content)

    def feed_message(self, content: str) -> str:
        """The text that a `message` adds. Behind deltas it holds the whole text, and what they said stands."""
        if not self._chars:
            self._began_as_message = True
        is_all = 2 * len(content) >= self._chars and content.lstrip().startswith(self._seen.strip())
        if self._began_as_message or self._held or not is_all:
            return self.feed(content)
        return self._accept([content])

    def close(self) -> str:
        """What is still held back when the answer has ended."""
        held, self._held = self._held, []
        if not held:
            return ""
        # Nothing came after it. Two letters or one character of Chinese, and then all of them again: rather a repeat.
        if len(self._seen.strip().encode()) >= 2 and self._seen.strip().isalpha():
            return self._accept(held)
        return self._add("".join(held))

    def _feed_slowly(self, content: str) -> str:
        if self._held:
            return self._feed_held(content)
        if not self._chars:
            return self._add(content)
        goes_on = len(content) >= self._chars and content.startswith(self._seen)
        if self._is_cumulative:
            if not goes_on:
                raise RepeatedText(
                    "The upstream repeats the whole text in each delta, and changed what it had sent before. Ask it for"
                    " increments, such as `incremental_output: true`, if it has such a parameter."
                )
            return self._accept([content])
        is_replay = len(content) == self._chars >= _REPLAY_CHARACTERS and self._deltas >= _LIKELY_DELTAS
        if goes_on and (is_replay or (self._chars >= SURE_CHARACTERS and self._deltas >= 2)):
            return self._accept([content])
        if goes_on and len(content) > self._chars and not self._is_plain:
            self._held.append(content)
            return ""
        self._is_plain = True
        return self._add(content)

    def _feed_held(self, content: str) -> str:
        if not content.startswith(self._held[-1]):
            held, self._held = self._held, []
            self._is_plain = True
            return self._add("".join(held)) + self._add(content)
        self._held.append(content)
        if len(self._held[-2].strip()) >= _LIKELY_CHARACTERS or len(self._held) >= _LIKELY_DELTAS:
            held, self._held = self._held, []
            self._is_cumulative = True
            return self._accept(held)
        return ""

    def _accept(self, repeating: list[str]) -> str:
        """What the last of these adds to the text; each of them repeats all that was before it."""
        self.trimmed += len(repeating)
        return self._add(repeating[-1][self._chars :])

    def _add(self, text: str) -> str:
        self._chars += len(text)
        self._deltas += 1
        if len(self._seen) < SURE_CHARACTERS:
            self._seen = (self._seen + text)[:SURE_CHARACTERS]
        return text
