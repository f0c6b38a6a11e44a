"""Reasoning: what a model thinks while it writes, by each of the names that upstreams have for it."""

from collections.abc import Callable, Mapping

from worker.upstream.chunks import TextDelta
from worker.upstream.errors import RepeatedText
from worker.upstream.text_output import TextOutput

_INSIDE = ("text", "thinking", "summary", "reasoning", "reasoning_content", "content")
"""Where an object of reasoning may hold its text. Encrypted reasoning holds none."""

_DEEPEST = 20


def reasoning_of(delta: TextDelta) -> str:
    """The reasoning in a delta. Several names for it in one delta hold the same, so the first one counts."""
    return (
        text_inside(delta.reasoning_content)
        or text_inside(delta.reasoning)
        or text_inside(delta.reasoning_text)
        or text_inside(delta.thinking)
        or text_inside(delta.reasoning_details)
        or text_inside(delta.thinking_blocks)
    )


def text_inside(value: object, depth: int = 0) -> str:
    """Strings in objects in lists, as deep as any upstream nests them."""
    if isinstance(value, str):
        return value
    if depth > _DEEPEST:
        return ""
    if isinstance(value, list):
        return "".join(text_inside(each, depth + 1) for each in value[:1000])
    if isinstance(value, Mapping):
        return next((text for name in _INSIDE if (text := text_inside(value.get(name), depth + 1))), "")
    return ""


class ReasoningOutput(TextOutput):
    """The reasoning, as a text. It stands beside the article, so it never fails the attempt for repeating itself oddly:
    an upstream that takes back what it has sent of it is not heard any more.
    """

    def __init__(self, on_reasoning: Callable[[str], None], max_bytes: int) -> None:
        super().__init__(on_reasoning, max_bytes, kind="reasoning")
        self._new_of = self._hear(self._new_of)
        self._new_of_message = self._hear(self._new_of_message)

    def _hear(self, new_of: Callable[[str], str]) -> Callable[[str], str]:
        def heard(content: str) -> str:
            try:
                return new_of(content) if content else ""
            except RepeatedText:
                self._new_of = self._new_of_message = lambda _: ""
                return ""

        return heard
