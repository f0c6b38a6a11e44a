"""What can go wrong between a worker and its upstream, and what it means for the job.

    UpstreamError
      + Unreachable               no connection, so nothing was asked and nothing is owed
        - NameNotFound
        - ConnectFailed
        - ConnectTimedOut
        - TLSFailed
      + CutMidStream              the connection broke before the answer was whole
      + EndedWithoutEnd           the body ended cleanly, and nothing says that the text is whole
        - Interrupted             as it does when the server dropped this request for another one
      + Aborted                   a finish_reason that says failure
      + ClockRanOut
        - NoFirstDelta
        - Stalled
        - TookTooLong             not retryable
      + RateLimited               the job waits, and no attempt is charged
        - TooLargeForLimit        this one request is more than the limit allows
      + ServerError               5xx, 408, 409, 425
        - Overloaded              and it says that it has too much to do
      + Rejected                  any other status: not retryable
        - Unauthorized            401, 403
        - QuotaSpent              out of credit: 402, or as the upstream's words say
      + ErrorInStream             an error object inside a 200
        - RejectedInStream        not retryable
      + NotAStream                a 200 whose body is neither an event stream nor a completion: HTML, anything
      + MalformedChunk            an event that is no chat.completion.chunk
        - RepeatedText            deltas that repeat the whole text, and change it
      + EmptyCompletion           the end, and no text
        - ReasoningUsedBudget     the token limit was reached before any text: not retryable
        - ContentFiltered         the upstream's filter kept back all of it: not retryable
      + Oversized                 not retryable
        - LineTooLong
        - TextTooLong
        - BodyTooLong
      + NotText                   content that is not text: not retryable
        - Refusal
        - ToolCalls

Callers catch `UpstreamError` and read its attributes; the branches are for readers and tests.
"""

# ruff: noqa: N818 - the names say what happened; that they are errors is what the tree says.

from collections.abc import Iterable
from enum import StrEnum
from typing import ClassVar

from worker.upstream.ending import Ending
from worker.upstream.rate_limits import RateLimit
from worker.upstream.text import make_storable

MAX_QUOTE = 300
"""At most this many characters of an upstream's own words go into a message."""


class Cause(StrEnum):
    """Who is at fault, and so who has to wait: this one job, or everything that goes to the same upstream."""

    JOB = "job"
    """The request or its answer. Only this is charged against `max_attempts`."""
    LIMIT = "limit"
    """The upstream takes fewer requests than it got: everybody slows down."""
    AWAY = "away"
    """The upstream cannot be reached, or fails whatever it is asked."""
    CREDIT = "credit"
    """The upstream's account is out of credit."""
    KEY = "key"
    """The upstream refuses the key."""


class UpstreamError(Exception):
    """The upstream gave no whole text. The message says what was wrong, where, and what to do.

    `code` is stored with the job. `cause` says who is at fault. `retryable` says whether the same request may well
    succeed later. `retry_after_seconds` is what the upstream asked for, None when it did not say. `status` is the HTTP
    status if that is the reason. `rate_limits` is what the answer's headers said of its limits. `ending` is what was
    known of the answer when it failed: its usage must be paid anyway.
    """

    code: ClassVar[str] = "upstream_error"
    cause: Cause = Cause.JOB
    retryable: bool = True

    def __init__(self, message: str, *, status: int | None = None, retry_after_seconds: float | None = None) -> None:
        super().__init__(make_storable(message))
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.rate_limits: tuple[RateLimit, ...] = ()
        self.ending: Ending | None = None

    @property
    def message(self) -> str:
        """The sentence for the person who reads it."""
        return str(self.args[0])

    def hide(self, secrets: Iterable[str]) -> None:
        """Take each of `secrets` out of the message: an upstream that refuses a key likes to quote it.

        A quote may have been cut inside a secret, so its beginnings of eight and more characters go too.
        """
        message = self.message
        for secret in secrets:
            for length in range(len(secret), min(len(secret), 8) - 1, -1):
                message = message.replace(secret[:length], "[hidden]")
        self.args = (message,)


class Unreachable(UpstreamError):
    """No connection to the upstream."""

    code = "upstream_unreachable"
    cause = Cause.AWAY


class NameNotFound(Unreachable):
    """The upstream's host name has no address."""

    code = "upstream_name_not_found"


class ConnectFailed(Unreachable):
    """The upstream refused the connection, or the network did."""

    code = "upstream_connect_failed"


class ConnectTimedOut(Unreachable):
    """The upstream did not accept the connection in time."""

    code = "upstream_connect_timeout"


class TLSFailed(Unreachable):
    """The upstream's certificate or its TLS cannot be trusted."""

    code = "upstream_tls_failed"


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


class RateLimited(UpstreamError):
    """The upstream asks to wait. The job did nothing wrong, so no attempt is charged."""

    code = "upstream_rate_limited"
    cause = Cause.LIMIT


class TooLargeForLimit(RateLimited):
    """This one request is more than the limit allows in a minute: the others need not wait for it."""

    code = "upstream_request_too_large"
    cause = Cause.JOB


class ServerError(UpstreamError):
    """The upstream failed, and says that it is its own fault or a matter of time."""

    code = "upstream_server_error"
    cause = Cause.AWAY


class Overloaded(ServerError):
    """The upstream has more to do than it can: everybody slows down, and no attempt is charged."""

    code = "upstream_overloaded"
    cause = Cause.LIMIT


class Rejected(UpstreamError):
    """The upstream will not take this request, now or later."""

    code = "upstream_rejected"
    retryable = False


class Unauthorized(Rejected):
    """The upstream does not know the key, or the key may not do this."""

    code = "upstream_unauthorized"
    cause = Cause.KEY


class QuotaSpent(Rejected):
    """The account has no credit left: a person must act, waiting does not help."""

    code = "upstream_quota_spent"
    cause = Cause.CREDIT


class ErrorInStream(UpstreamError):
    """The upstream answered 200 and then reported an error inside the stream."""

    code = "upstream_error_in_stream"


class RejectedInStream(ErrorInStream):
    """As `ErrorInStream`, and the error says that the request itself is at fault."""

    code = "upstream_rejected_in_stream"
    retryable = False


class NotAStream(UpstreamError):
    """The upstream answered 200 with something that is neither an event stream nor a completion."""

    code = "upstream_not_a_stream"


class MalformedChunk(UpstreamError):
    """An event is not JSON, or not of the shape of a chat.completion.chunk."""

    code = "upstream_malformed_chunk"


class RepeatedText(MalformedChunk):
    """Each delta repeats the whole text, and one changes what came before it."""

    code = "upstream_repeated_text"


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


class Refusal(NotText):
    """The model declined in the `refusal` field."""

    code = "upstream_refusal"


class ToolCalls(NotText):
    """The model called a tool, and nobody is there to answer it."""

    code = "upstream_tool_calls"


def quote(words: str | bytes) -> str:
    """The upstream's own words for a message: one line, at most `MAX_QUOTE` characters."""
    if isinstance(words, bytes):
        words = words[: MAX_QUOTE * 8].decode("utf-8", "replace")
    line = " ".join(words[: MAX_QUOTE * 8].split())
    return make_storable(line if len(line) <= MAX_QUOTE else line[: MAX_QUOTE - 1] + "…")
