"""Separates reasoning inside the content, between `<think>` and `</think>`, from the text after it."""

_OPENING = ("<think>", "<thinking>", "<thought>", "<reasoning>")


class ThinkTags:
    """Feed it content that may be cut anywhere, get the text without the thoughts that it begins with.

    Only at the beginning: an article may speak of these tags. White space before and after the thoughts goes with them.
    """

    def __init__(self) -> None:
        self._waiting = ""
        self._closing = ""
        self._is_before = True
        self._is_after = False

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
            elif any(tag.startswith(beginning) for tag in _OPENING):
                return ""
            self._is_before = False
        if not self._closing:
            text, self._waiting = self._waiting, ""
            return text
        thoughts, found, text = self._waiting.partition(self._closing)
        if not found:
            self._waiting = thoughts[-len(self._closing) :]  # the tag may be cut
            return ""
        self._waiting = self._closing = ""
        self._is_after = True
        return self._after(text)

    def close(self) -> str:
        """What was held back when the content has ended: a beginning that never became a tag."""
        waiting, self._waiting = self._waiting, ""
        return waiting if self._is_before else ""

    def _after(self, text: str) -> str:
        if self._is_after:
            text = text.lstrip()
            self._is_after = not text
        return text
