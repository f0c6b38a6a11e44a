"""The text of an answer, and its reasoning: the new part of each piece, cleaned and limited in length."""

from collections.abc import Callable

from worker.upstream.errors import TextTooLong
from worker.upstream.repeats import Repeats
from worker.upstream.text import TextCleaner
from worker.upstream.think_tags import ThinkTags

MAX_PIECE = 1 << 16
"""A text that comes whole is cut into deltas of this many characters: each must fit in one message of the channel."""


class TextOutput:
    """Feed it each content; it calls `on_text` with what is to be stored. `close` gives what was held back.

    `kind` is what its errors call it. `on_thought` is given what stands in think tags, if they are looked for.
    """

    def __init__(
        self,
        on_text: Callable[[str], None],
        max_text_bytes: int,
        *,
        kind: str = "text",
        think_tags: bool = False,
        on_thought: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._on_text = on_text
        self._max_text_bytes = max_text_bytes
        self._kind = kind
        self._repeats = repeats = Repeats()
        # Bound once, not for each delta.
        self._new_of: Callable[[str], str] = repeats.feed
        self._new_of_message: Callable[[str], str] = repeats.feed_message
        self._think_tags = ThinkTags(on_thought) if think_tags else None
        self._cleaner = TextCleaner()
        self.bytes = 0
        """How much has been given."""

    @property
    def trimmed(self) -> int:
        """How many deltas repeated the text before them."""
        return self._repeats.trimmed

    @property
    def is_cumulative(self) -> bool:
        """Whether it is beyond doubt that each delta repeats the whole text."""
        return self._repeats.is_cumulative

    def feed(self, content: str) -> None:
        """Take what a delta holds."""
        self._take(self._new_of(content))

    def feed_message(self, content: str) -> None:
        """Take what a whole `message` holds, which may be all of the text again."""
        self._take(self._new_of_message(content))

    def close(self, *, is_known_to_repeat: bool = False) -> None:
        """Give what was held back, now that nothing more comes. `is_known_to_repeat`: its upstream did so before."""
        rest = self._repeats.close(is_known_to_repeat=is_known_to_repeat)
        if self._think_tags is not None:
            rest = self._think_tags.feed(rest) + self._think_tags.close()
        self._give(self._cleaner.feed(rest) + self._cleaner.close())

    def _take(self, new: str) -> None:
        if self._think_tags is not None:
            new = self._think_tags.feed(new)
        if new:
            self._give(self._cleaner.feed(new))

    def _give(self, text: str) -> None:
        if not text:
            return
        self.bytes += len(text) if text.isascii() else len(text.encode())
        if self.bytes > self._max_text_bytes:
            raise TextTooLong(
                f"The {self._kind} is longer than {self._max_text_bytes} bytes;"
                " LONGHAND_MAX_TEXT_BYTES sets this limit."
            )
        if len(text) <= MAX_PIECE:
            self._on_text(text)
            return
        for start in range(0, len(text), MAX_PIECE):
            self._on_text(text[start : start + MAX_PIECE])
