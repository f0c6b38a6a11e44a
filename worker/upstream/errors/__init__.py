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
      + Rejected                  any other status, with words of the API: not retryable
        - Unauthorized            401, 403
        - QuotaSpent              out of credit: 402, or as the upstream's words say
      + ErrorInStream             an error object inside a 200
        - RejectedInStream        not retryable
      + NotAStream                a 200 whose body is neither an event stream nor a completion: HTML, anything;
                                  a redirect, or a refusal that is a web page or nothing
      + MalformedChunk            an event that is no chat.completion.chunk
        - RepeatedText            deltas that repeat the whole text, and change it
      + Repetition                the model repeats itself without end
      + EmptyCompletion           the end, and no text
        - ReasoningUsedBudget     the token limit was reached before any text: not retryable
        - ContentFiltered         the upstream's filter kept back all of it: not retryable
      + Oversized                 not retryable
        - LineTooLong
        - TextTooLong
        - BodyTooLong
      + NotText                   content that is not text: not retryable
        - ModelRefused

    Longhand's own, stored as a job's error like those of its upstream:

      + InternalError             a fault of Longhand (`worker/finalize.py`)
        - CheckFailed             a whole text could not be checked
        - NotStoredError          the database refuses the text: not retryable
      + SchemaMismatch            the text is not what `response_format` asks for (these: `worker/answer_check.py`)
      + SchemaNotChecked          that check took too long: not retryable
      + NotAccepted               the text does not keep the rules of `accept`
      + NotChecked                that check took too long: not retryable

Callers catch `UpstreamError` and read its attributes; the branches are for readers and tests.
"""

from worker.upstream.errors.answering import (
    Aborted,
    BodyTooLong,
    ClockRanOut,
    ContentFiltered,
    CutMidStream,
    EmptyCompletion,
    EndedWithoutEnd,
    ErrorInStream,
    Interrupted,
    LineTooLong,
    MalformedChunk,
    ModelRefused,
    NoFirstDelta,
    NotAStream,
    NotText,
    Oversized,
    ReasoningUsedBudget,
    RejectedInStream,
    RepeatedText,
    Repetition,
    Stalled,
    TextTooLong,
    TookTooLong,
)
from worker.upstream.errors.reaching import (
    ConnectFailed,
    ConnectTimedOut,
    NameNotFound,
    Overloaded,
    QuotaSpent,
    RateLimited,
    Rejected,
    ServerError,
    TLSFailed,
    TooLargeForLimit,
    Unauthorized,
    Unreachable,
)
from worker.upstream.errors.tree import MAX_QUOTE, URL_SETTING, Cause, UpstreamError, quote

__all__ = [
    "MAX_QUOTE",
    "URL_SETTING",
    "Aborted",
    "BodyTooLong",
    "Cause",
    "ClockRanOut",
    "ConnectFailed",
    "ConnectTimedOut",
    "ContentFiltered",
    "CutMidStream",
    "EmptyCompletion",
    "EndedWithoutEnd",
    "ErrorInStream",
    "Interrupted",
    "LineTooLong",
    "MalformedChunk",
    "ModelRefused",
    "NameNotFound",
    "NoFirstDelta",
    "NotAStream",
    "NotText",
    "Overloaded",
    "Oversized",
    "QuotaSpent",
    "RateLimited",
    "ReasoningUsedBudget",
    "Rejected",
    "RejectedInStream",
    "RepeatedText",
    "Repetition",
    "ServerError",
    "Stalled",
    "TLSFailed",
    "TextTooLong",
    "TooLargeForLimit",
    "TookTooLong",
    "Unauthorized",
    "Unreachable",
    "UpstreamError",
    "quote",
]
