"""What goes wrong with an answer that has begun."""

# ruff: noqa: N818 - the names say what happened; that they are errors is what the tree says.

from typing import Literal

from worker.upstream.errors.tree import Cause, UpstreamError


class CutMidStream(UpstreamError):
    """The connection broke before the answer was whole."""

    code = "upstream_cut"


class EndedWithoutEnd(UpstreamError):
    """The body ended cleanly, with neither a finish_reason nor [DONE]: the text is likely cut."""

    code = "upstream_ended_without_end"


class Interrupted(EndedWithoutEnd):
    """The answer ended early while other requests ran: a server that writes one at a time drops the older one."""

    code = "upstream_interrupted"
    cause = Cause.LIMIT


class Aborted(UpstreamError):
    """The upstream ended its answer with a finish_reason that says failure: the text is likely cut."""

    code = "upstream_aborted"


class ClockRanOut(UpstreamError):
    """One of the three clocks ran out."""

    code = "upstream_timeout"


class NoFirstDelta(ClockRanOut):
    """Nothing was written within the first-delta clock."""

    code = "upstream_no_first_delta"


class Stalled(ClockRanOut):
    """Nothing more was written within the between-deltas clock, whether or not comments came."""

    code = "upstream_stalled"


class TookTooLong(ClockRanOut):
    """The answer was still being written when the total clock ran out. Another attempt would take as long."""

    code = "upstream_took_too_long"
    retryable = False


class ErrorInStream(UpstreamError):
    """The upstream answered 200 and then reported an error inside the stream."""

    code = "upstream_error_in_stream"


class RejectedInStream(ErrorInStream):
    """As `ErrorInStream`, and the error says that the request itself is at fault."""

    code = "upstream_rejected_in_stream"
    retryable = False


class NotAStream(UpstreamError):
    """What answers is no API of this kind: a page, a redirect, or a 200 that is neither a stream nor a completion."""

    code = "upstream_not_a_stream"
    is_of_url: bool = False
    """No request brings this about. A page in place of another answer may be a firewall's, for one prompt."""


class MalformedChunk(UpstreamError):
    """An event is not JSON, or not of the shape of a chat.completion.chunk."""

    code = "upstream_malformed_chunk"


class RepeatedText(MalformedChunk):
    """Each delta repeats the whole text, and one changes what came before it."""

    code = "upstream_repeated_text"


class Repetition(UpstreamError):
    """The model repeats itself without end. Of its text or its reasoning (`kind`) the first `kept` bytes are kept."""

    code = "repetition"

    def __init__(self, message: str, *, kind: Literal["text", "reasoning"], kept: int) -> None:
        super().__init__(message)
        self.kind = kind
        self.kept = kept

    def cut(self, text: bytes, reasoning: bytes) -> tuple[bytes, bytes]:
        """What is kept of both."""
        return (text[: self.kept], reasoning) if self.kind == "text" else (text, reasoning[: self.kept])


class EmptyCompletion(UpstreamError):
    """The answer is complete and holds no text: never stored as a success."""

    code = "upstream_empty_completion"


class ReasoningUsedBudget(EmptyCompletion):
    """The token limit was reached before any text was written. The same request would most likely end so again."""

    code = "upstream_reasoning_used_budget"
    retryable = False


class ContentFiltered(EmptyCompletion):
    """The upstream's content filter kept back the whole text."""

    code = "upstream_content_filtered"
    retryable = False


class Oversized(UpstreamError):
    """More than a job may hold."""

    code = "upstream_oversized"
    retryable = False


class LineTooLong(Oversized):
    """One line or one event of the stream is over its cap."""

    code = "upstream_line_too_long"


class TextTooLong(Oversized):
    """The text is over its cap."""

    code = "upstream_text_too_long"


class BodyTooLong(Oversized):
    """The upstream cannot stream, and its whole answer is over the cap."""

    code = "upstream_body_too_long"


class NotText(UpstreamError):
    """The answer holds something that is not text, which a job cannot store."""

    code = "upstream_not_text"
    retryable = False


class ModelRefused(NotText):
    """The model declined in the `refusal` field."""

    code = "upstream_refusal"
