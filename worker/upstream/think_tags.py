"""Separates reasoning inside the content, between `<think>` and `</think>`, from the text after it."""

from collections.abc import Callable

_OPENING = ("<think>", "<thinking>", "<thought>", "<reasoning>")

_LONGEST_BEGINNING = 4096
"""Behind more white space than this no thoughts begin: it is held back and searched with each content."""


class ThinkTags:
    """Feed it content that may be cut anywhere, get the text without the thoughts that it begins with; these go to
    `on_thought`.

    Only at the beginning: an article may speak of these tags. White space before and after the thoughts goes with them.
    """

    def __init__(self, on_thought: Callable[[str], None] = lambda _: None) -> None:
        self._on_thought = on_thought
        self._waiting = ""
        self._closing = ""
        self._is_before = True
        self._is_after = False
        self._has_thought = False

    def feed(self, content: str) -> str:
        """The text in `content`; what may still become a tag is held back."""
        if not self._is_before and not self._closing:
            return self._after(content)
        self._waiting += content
        if self._is_before:
            beginning = self._waiting.lstrip()
            opening = next((tag for tag in _OPENING if beginning.startswith(tag)), None)
            if opening is not None:
                self._closing = f"</{opening[1:]}"
                self._waiting = beginning[len(opening) :]
            elif len(self._waiting) <= _LONGEST_BEGINNING and any(tag.startswith(beginning) for tag in _OPENING):
                return ""
            self._is_before = False
        if not self._closing:
            text, self._waiting = self._waiting, ""
            return text
        thoughts, found, text = self._waiting.partition(self._closing)
        if not found:
            held = _beginning_of(self._closing, thoughts)  # the tag may be cut
            self._think(thoughts[: len(thoughts) - held])
            self._waiting = thoughts[len(thoughts) - held :]
            return ""
        self._think(thoughts)
        self._waiting = self._closing = ""
        self._is_after = True
        return self._after(text)

    def close(self) -> str:
        """What was held back when the content has ended: a beginning that never became a tag."""
        waiting, self._waiting = self._waiting, ""
        if self._closing:
            self._think(waiting)
        return waiting if self._is_before else ""

    def _think(self, thoughts: str) -> None:
        if not self._has_thought:
            thoughts = thoughts.lstrip()
        if thoughts:
            self._has_thought = True
            self._on_thought(thoughts)

    def _after(self, text: str) -> str:
        if self._is_after:
            text = text.lstrip()
            self._is_after = not text
        return text


def _beginning_of(tag: str, text: str) -> int:
    """How many characters at the end of a text may be the beginning of a tag."""
    return next((size for size in range(min(len(tag) - 1, len(text)), 0, -1) if tag.startswith(text[-size:])), 0)
