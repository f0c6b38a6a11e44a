"""Distinguishes deltas that repeat the text so far from deltas that continue it.

Some upstreams send the whole text so far in each delta, and some replay it once. Stored as it comes, such a text would
be doubled. But an ordinary text may repeat itself, too: verses, lines of JSON, rules of dashes. So only a delta that
begins with all of the text is in doubt, and it is held back until the next ones decide. What is still in doubt at the
end is text: a doubled text has lost nothing.
"""

from hashlib import blake2b
from itertools import pairwise

from worker.upstream.errors import RepeatedText

_SEEN_CHARACTERS = 64
"""What does not begin with as much of the text is compared no further."""

_FOLDED_DELTAS, _SHORT_CHARACTERS = 512, 1024
"""So many deltas, and no longer ones, are kept: of what was before them there is a hash. A text may have 16 MB."""

_FEWEST_CHARACTERS, _FEWEST_KINDS = 16, 8
"""A shorter text, or one of fewer different characters, may well come twice: dashes, blanks, laughter."""

_REPLAYED_DELTAS, _REPLAYED_CHARACTERS = 6, 24
"""In the middle of an answer one delta is as much as so many deltas before it, to the letter, by a replay only."""

_LAST_REPLAYED = ((3, 16), (2, 64))
"""So many deltas of together so many characters are the last delta, to the letter, by a replay only."""

_MOST_HELD = 8

_LEARNED_DELTAS = 5


class Repeats:
    """Feed it each content, get what of it is new. What it holds back comes with a later one, or at `close`."""

    __slots__ = (
        "_began_as_message",
        "_chars",
        "_deltas",
        "_hash",
        "_held",
        "_is_sure",
        "_pieces",
        "_plain_below",
        "_seen",
        "_whole",
        "trimmed",
    )

    def __init__(self) -> None:
        self._pieces: list[str] = []
        """The deltas that are not yet counted in what follows."""
        self._seen = ""
        """The beginning of the text, at most `_SEEN_CHARACTERS` of it."""
        self._hash = blake2b(digest_size=16)
        self._chars = 0
        self._deltas = 0
        self._plain_below = 0
        """A shorter content continues the text, for the text is at least as long as this."""
        self._held: list[str] = []
        self._whole = ""
        """All of the text, if each delta is known to repeat it."""
        self._is_sure = False
        self._began_as_message = False
        self.trimmed = 0
        """How many deltas repeated the text before them."""

    @property
    def is_cumulative(self) -> bool:
        """Whether each delta but the first repeats the whole text, and there are enough of them: a list may be written
        so once, and what is learned of it, all other answers are read by.
        """
        return self._is_sure and self.trimmed >= _LEARNED_DELTAS

    def feed(self, content: str) -> str:
        """The text that `content` adds. Raises `RepeatedText` when an upstream that repeats changes what it sent."""
        if len(content) < self._plain_below and len(self._pieces) < _FOLDED_DELTAS:
            self._pieces.append(content)
            return content
        return self._feed_slowly(content)

    def feed_message(self, content: str) -> str:
        """The text that a `message` adds. Behind deltas it holds the whole text, and what they said stands."""
        self._fold()
        if self._began_as_message or not self._chars:
            self._began_as_message = True
            return self.feed(content)
        if self._held:
            said = content.strip()
            if said == self._held[-1].strip():
                return self._accept()
            if said == (self._held[0][: self._chars] + "".join(self._held)).strip():
                return self._release()
            return self.feed(content)
        if 2 * len(content) < self._chars or not content.lstrip().startswith(self._seen.strip()):
            return self.feed(content)
        self.trimmed += 1
        return self._go_on(content) if self._is_all_in(content) else ""

    def close(self, *, is_known_to_repeat: bool = False) -> str:
        """What is still held back when the answer has ended. `is_known_to_repeat`: its upstream did so before."""
        if not self._held:
            return ""
        # Two equal deltas may be two lines, also from one that has repeated.
        may_be = is_known_to_repeat and self._deltas == 1 and self._have_grown() > 0
        is_repeated = self._is_repeated() or may_be
        return self._accept() if is_repeated else self._release()

    def _feed_slowly(self, content: str) -> str:
        if not content:
            return ""
        if self._held:
            return self._feed_held(content)
        self._fold()
        if self._whole:
            if not self._is_all_in(content):
                raise RepeatedText(
                    "The upstream repeats the whole text in each delta, and changed what it had sent before. Ask it for"
                    " increments, such as `incremental_output: true`, if it has such a parameter."
                )
            self.trimmed += 1
            return self._go_on(content)
        if not self._chars or not self._is_all_in(content):
            return self._add(content)
        if len(content) == self._chars >= _REPLAYED_CHARACTERS and self._deltas >= _REPLAYED_DELTAS and _tells(content):
            self.trimmed += 1
            return ""
        self._held.append(content)
        self._plain_below = 0
        return ""

    def _feed_held(self, content: str) -> str:
        if not content.startswith(self._held[-1]):
            return self._release() + self.feed(content)
        self._held.append(content)
        if self._grows_surely():
            self._is_sure = self._deltas == 1
            return self._accept()
        return self.close() if len(self._held) == _MOST_HELD else ""

    def _grows_surely(self) -> bool:
        """Whether each of two deltas holds all before it and more, and the first of them says something."""
        return self._have_grown() > 1 and _tells(self._held[-2])

    def _is_repeated(self) -> bool:
        """Whether what is held back, after which nothing came, repeats the text."""
        if self._deltas == 1:
            return self._have_grown() > 1
        is_again = self._have_grown() > 1 or (
            len(self._held[-1]) == self._chars
            and any(self._deltas >= deltas and self._chars >= chars for deltas, chars in _LAST_REPLAYED)
        )
        return is_again and _tells(self._held[0][: self._chars])

    def _have_grown(self) -> int:
        """How many of the held deltas hold all before them and more."""
        return sum(after > before for before, after in pairwise([self._chars, *map(len, self._held)]))

    def _accept(self) -> str:
        """What the last of the held deltas adds to the text: each of them repeats all that was before it."""
        self.trimmed += len(self._held)
        last = self._held[-1]
        if self._have_grown() > 1:
            self._whole = last[: self._chars]
        self._held = []
        return self._go_on(last)

    def _release(self) -> str:
        """The held deltas as the text that they are."""
        text = "".join(self._held)
        self._pieces += self._held
        self._held = []
        self._fold()
        self._plain_below = min(self._chars, _SHORT_CHARACTERS)
        return text

    def _go_on(self, content: str) -> str:
        """What a delta adds that begins with all of the text."""
        new = content[self._chars :]
        if not self._whole:
            return self._add(new)
        self._whole, self._seen, self._chars = content, content[:_SEEN_CHARACTERS], len(content)
        return new

    def _add(self, text: str) -> str:
        if text:
            self._pieces.append(text)
        self._plain_below = min(self._chars + len(text), _SHORT_CHARACTERS)
        return text

    def _fold(self) -> None:
        """Count the last deltas in."""
        if not self._pieces:
            return
        text = "".join(self._pieces)
        self._deltas += len(self._pieces)
        self._chars += len(text)
        self._hash.update(_bytes(text))
        if len(self._seen) < _SEEN_CHARACTERS:
            self._seen = (self._seen + text)[:_SEEN_CHARACTERS]
        self._pieces.clear()

    def _is_all_in(self, content: str) -> bool:
        """Whether `content` begins with all of the text."""
        if len(content) < self._chars or not content.startswith(self._seen):
            return False
        if self._whole:
            return content.startswith(self._whole)
        return blake2b(_bytes(content[: self._chars]), digest_size=16).digest() == self._hash.digest()


def _tells(text: str) -> bool:
    """Whether a text is long and varied enough that the same again is no accident."""
    return len(text) >= _FEWEST_CHARACTERS and len(set(text[:4096])) >= _FEWEST_KINDS


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
