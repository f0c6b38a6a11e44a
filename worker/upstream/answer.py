"""One answer while it is being read: takes payloads, gives text, and judges at the end what it was."""

from collections.abc import Callable, Mapping
from typing import Any

from worker.upstream.chunks import Choice, Chunk, chunk_of_completion, is_placeholder, read_chunk, read_usage
from worker.upstream.ending import Ending
from worker.upstream.errors import (
    EmptyCompletion,
    EndedWithoutEnd,
    ErrorInStream,
    NotText,
    Refusal,
    TextTooLong,
    ToolCalls,
    UpstreamError,
    quote,
)
from worker.upstream.sse import DONE
from worker.upstream.text import TextCleaner, make_storable

MAX_PIECE = 1 << 16
"""A text that comes whole is cut into deltas of this many characters."""

MAX_NOTED = 200
"""Ids and names are cut to this many characters: they are stored for people, and nothing depends on them."""

_NO_REASON = frozenset((None, "", "null"))
"""Instead of null, some upstreams send an empty or a quoted one in every chunk but the last."""


class Answer:
    """What the upstream has said so far."""

    def __init__(self, on_text: Callable[[str], None], max_text_bytes: int) -> None:
        self._on_text = on_text
        self._max_text_bytes = max_text_bytes
        self._cleaner = TextCleaner()
        self._text_bytes = 0
        self._usage: Any = None
        self._id: str | None = None
        self._model: str | None = None
        self._refusal = ""
        self._other_content: str | None = None
        self._called_tools = False
        self.finish_reason: str | None = None
        self.is_done = False
        """`[DONE]` was read: nothing after it counts."""

    def take(self, payload: bytes) -> bool:
        """Read one payload. True when it was progress: text, reasoning, or any other content.

        Raises the typed error that the payload holds, but not after the finish_reason: the text is whole by then.
        """
        if self.is_done:
            return False
        if payload[:1] != b"{" and payload.strip() in (DONE, b""):
            self.is_done = bool(payload.strip())
            return False
        try:
            chunk = read_chunk(payload)
        except UpstreamError:
            if self.finish_reason is None:
                raise
            return False
        self._note(chunk)
        choice = chunk.first_choice
        return choice is not None and self._take_choice(choice)

    def take_whole(self, completion: Mapping[str, Any]) -> None:
        """Take an answer that came whole. Its JSON has ended, which is as good as `[DONE]`: nothing can be missing."""
        chunk = chunk_of_completion(completion)
        self._note(chunk)
        choice = chunk.first_choice
        if choice is not None:
            self._give_in_pieces(choice)
            self._take_choice(choice)
        self.is_done = True

    def ending(self) -> Ending:
        """What is known so far."""
        return Ending(self.finish_reason, read_usage(self._usage), self._id, self._model)

    def finish(self) -> Ending:
        """Judge the answer at its end. Raises unless it is complete and a text."""
        if not self.is_whole:
            raise EndedWithoutEnd(
                "The upstream ended its answer with neither a finish_reason nor [DONE], so the text is likely cut."
            )
        self._give(self._cleaner.close())
        if self._called_tools:
            raise ToolCalls("The model called a tool, and a job has none to offer. Take `tools` out of the request.")
        if self._refusal:
            raise Refusal(f"The model refused: {quote(self._refusal)}")
        if self._other_content is not None:
            raise NotText(f"The model answered with content of type {quote(self._other_content)}, which is not text.")
        if self.finish_reason == "error":
            raise ErrorInStream('The upstream ended its answer with finish_reason "error" and gave no reason.')
        if not self._text_bytes and self.finish_reason not in ("length", "content_filter"):
            reason = f" (finish_reason {quote(self.finish_reason)})" if self.finish_reason else ""
            raise EmptyCompletion(f"The upstream completed its answer{reason} without any text.")
        return self.ending()

    @property
    def is_whole(self) -> bool:
        """A finish_reason or `[DONE]` was read."""
        return self.is_done or self.finish_reason is not None

    def _note(self, chunk: Chunk) -> None:
        # Some upstreams repeat a running total in every chunk: the last one counts. It is read only once, at the end.
        if chunk.usage is not None and not is_placeholder(chunk.usage):
            self._usage = chunk.usage
        if self._id is None and isinstance(chunk.id, str):
            self._id = make_storable(chunk.id[:MAX_NOTED])
        if self._model is None and isinstance(chunk.model, str):
            self._model = make_storable(chunk.model[:MAX_NOTED])

    def _take_choice(self, choice: Choice) -> bool:
        delta = choice.delta
        is_progress = False
        if delta is not None:
            content = delta.content
            if content:
                is_progress = True
                self._give(self._cleaner.feed(content if isinstance(content, str) else self._text_of(content)))
            if delta.refusal:
                is_progress = True
                self._refusal = (self._refusal + delta.refusal)[: 2 * MAX_NOTED]
            if delta.tool_calls or delta.function_call:
                is_progress = self._called_tools = True
            if delta.reasoning_content or delta.reasoning:
                is_progress = True
        if choice.finish_reason not in _NO_REASON:
            self.finish_reason = make_storable(str(choice.finish_reason)[:MAX_NOTED])
        return is_progress

    def _give_in_pieces(self, choice: Choice) -> None:
        """Give the text of a whole answer as deltas that the channel can carry; what else it holds stays."""
        if choice.delta is not None and isinstance(choice.delta.content, str):
            content, choice.delta.content = choice.delta.content, None
            for start in range(0, len(content), MAX_PIECE):
                self._give(self._cleaner.feed(content[start : start + MAX_PIECE]))

    def _text_of(self, parts: list[Any]) -> str:
        """The text of content that comes as a list of parts. A part that is neither text nor thinking is remembered."""
        texts = []
        for part in parts:
            kind = part.get("type", "text") if isinstance(part, dict) else "text"
            text = part.get("text") if isinstance(part, dict) else part
            if kind in ("text", "output_text") and isinstance(text, str):
                texts.append(text)
            elif kind not in ("text", "output_text", "thinking", "reasoning"):
                self._other_content = str(kind)
        return "".join(texts)

    def _give(self, text: str) -> None:
        if not text:
            return
        self._text_bytes += len(text) if text.isascii() else len(text.encode())
        if self._text_bytes > self._max_text_bytes:
            raise TextTooLong(
                f"The text is longer than {self._max_text_bytes} bytes; LONGHAND_MAX_TEXT_BYTES sets this limit."
            )
        self._on_text(text)
