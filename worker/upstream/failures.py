"""What an answer without text means: from an HTTP status, an error object or a strange body to the typed error.

Upstreams disagree on where they put an error and on what they call it. The words that are known are data
(`dialects/error_words.py`); a word that is not known never makes an error final.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from worker.upstream.dialects.error_words import (
    Trouble,
    say_what_was_refused,
    troubles_of_codes,
    troubles_of_words,
)
from worker.upstream.dialects.shapes import find_error, parameters_of, sentence_of, sentences_of, status_of, words_of
from worker.upstream.dialects.unknown_paths import names_path, says_only_not_found
from worker.upstream.errors import (
    URL_SETTING,
    Cause,
    ErrorInStream,
    NotAStream,
    Overloaded,
    QuotaSpent,
    RateLimited,
    Rejected,
    RejectedInStream,
    ServerError,
    TooLargeForLimit,
    Unauthorized,
    UpstreamError,
    quote,
)
from worker.upstream.own_words import NO_WORDS, OwnWords, without_own_objects
from worker.upstream.retry_after import read_wait_of_body

_TRY_AGAIN = frozenset((408, 409, 425))

_OF_SIZE = frozenset((413, 414, 431))
"""Said of one request, often by a page of the server in front."""

_OF_PATH = (404, 405)
"""Said where there is no such path, or of a model."""


class _Evidence:
    """What the words of an error say, by its codes and by its sentences.

    What would be bad for everybody (`by_code`, `by_words`) is not taken from words that stand in the request, which
    the error may repeat. What would be good for everybody may be (`by_any_...`): it costs at most this one job.
    """

    def __init__(self, found: object, own: OwnWords, body: bytes = b"") -> None:
        found = without_own_objects(found, own)
        words = words_of(found)
        # A code that is a sentence, such as an error that is nothing but a string, is read as one.
        said = " ".join(sentences_of(found)) if found is not None else body[:4096].decode("utf-8", "replace")
        self.by_any_code = troubles_of_codes(words)
        # A number stands in many a prompt, and is no user's word where the upstream has its codes.
        sure = {code for code in words if code.isdigit() or (troubles_of_codes({code}) and not own.have(code))}
        self.by_code = troubles_of_codes(sure)
        self.by_any_words = troubles_of_words(said)
        self.by_words = troubles_of_words(said, own.have) if self.by_any_words else set()
        self.wait_seconds = read_wait_of_body(found, body, datetime.now(UTC), own)
        self.status = status_of(found)
        parameters = parameters_of(found)
        self._is_about_model = say_what_was_refused(words) or "model" in parameters
        self.has_parameters = bool(parameters)
        self.is_about_part = self._is_about_model or self.has_parameters
        """The upstream says by a code, or by a parameter's name, what of the request it refuses."""

    def says(self, trouble: Trouble) -> bool:
        return trouble in self.by_code or trouble in self.by_words

    def may_say(self, trouble: Trouble) -> bool:
        """The same, be it in the request's own words."""
        return trouble in self.by_any_code or trouble in self.by_any_words

    def is_credit(self, status: int | None) -> bool:
        """Some call a minute's limit by the word of an empty account, and explain it by the words of one."""
        if Trouble.RATE_LIMITED in self.by_any_words:
            return False
        if Trouble.OUT_OF_CREDIT in self.by_code:
            return True
        says_limit = Trouble.RATE_LIMITED in self.by_any_code or self.wait_seconds is not None
        return Trouble.OUT_OF_CREDIT in self.by_words and not says_limit and not self._is_refused(status)

    def refuses_key(self, status: int | None) -> bool:
        """A 401 is about the key, unless a code or `param` says that it is the model; some name the key in `param`."""
        if status == 401:
            return not self._is_about_model
        return (status == 403 and not self.is_about_request) or self._names_key(status)

    def _names_key(self, status: int | None) -> bool:
        if self.is_about_request:
            return False
        named = Trouble.KEY_REFUSED in self.by_words and not self._is_refused(status)
        return named or Trouble.KEY_REFUSED in self.by_code

    @property
    def is_about_request(self) -> bool:
        """A 403 is not always about the key: some refuse a model, a region, a length or a content with it."""
        return self.is_about_part or self.may_say(Trouble.TOO_LARGE) or Trouble.REJECTED in self.by_any_words

    def _is_refused(self, status: int | None) -> bool:
        """Whether the upstream says, in more than a sentence, that it is the request."""
        return status == 404 or self.is_about_part


def error_of_status(
    status: int,
    body: bytes,
    *,
    retry_after_seconds: float | None,
    location: str | None,
    own: OwnWords = NO_WORDS,
) -> UpstreamError:
    """The error of an answer other than 2xx. `location` is where a redirect points to, and `own` are the words of the
    request, which the answer may repeat.
    """
    evidence = _Evidence(parse(body), own, body)
    said = f": {quote(body)}" if body.strip() else ", and nothing more"
    wait = retry_after_seconds if retry_after_seconds is not None else evidence.wait_seconds
    if status == 402 or (status < 500 and evidence.is_credit(status)):
        return QuotaSpent(f"The upstream's account is out of credit (HTTP {status}){said}", status=status)
    if status == 429 or (status == 403 and Trouble.RATE_LIMITED in evidence.by_code):
        if evidence.may_say(Trouble.TOO_LARGE):
            return TooLargeForLimit(
                f"This request is larger than the upstream's limit allows (HTTP {status}){said}", status=status
            )
        return RateLimited(
            f"The upstream limits its rate (HTTP {status}){said}", status=status, retry_after_seconds=wait
        )
    if status >= 500 or status in _TRY_AGAIN:
        # A 503 is the upstream's in any case, and to be busy is the milder reading.
        says = evidence.may_say if status == 503 else evidence.says
        is_busy = status == 529 or says(Trouble.OVERLOADED) or says(Trouble.RATE_LIMITED)
        return (Overloaded if is_busy else ServerError)(
            f"The upstream failed (HTTP {status}){said}", status=status, retry_after_seconds=wait
        )
    if evidence.refuses_key(status):
        return Unauthorized(
            f"The upstream refuses the key (HTTP {status}); check it, and what it may do{said}", status=status
        )
    if 300 <= status < 400:
        redirect = NotAStream(
            f"The upstream redirects (HTTP {status}) to {quote(location or 'nowhere')}, and redirects are not followed."
            f" Set {URL_SETTING} to the final address.",
            status=status,
        )
        redirect.is_of_url = True
        return redirect
    is_of_another = not evidence.is_about_request and _is_of_another_server(status, body)
    if is_of_another or (status in _OF_PATH and not evidence.has_parameters and _knows_no_path(parse(body), own)):
        return _wrong_url(status, said)
    if status == 404 and not evidence.may_say(Trouble.REJECTED):
        return Rejected(
            f"The upstream knows no such model, or its URL lacks its path, such as /v1; check {URL_SETTING}"
            f" (HTTP 404){said}",
            status=404,
        )
    rejected = Rejected(f"The upstream rejected the request (HTTP {status}){said}", status=status)
    rejected.is_too_large = evidence.may_say(Trouble.TOO_LARGE)
    return rejected


def _wrong_url(status: int, said: str) -> NotAStream:
    error = NotAStream(
        f"The upstream does not answer as an OpenAI-compatible API does (HTTP {status}): its URL is wrong or lacks"
        f" its path, such as /v1, or a page stands in for it; check {URL_SETTING}{said}",
        status=status,
    )
    error.is_of_url = status in (*_OF_PATH, 200)
    return error


def _knows_no_path(found: object, own: OwnWords) -> bool:
    return names_path(found, own) or says_only_not_found(found, own)


def _is_of_another_server(status: int, body: bytes) -> bool:
    """Whether a refusal is none of this API: it has an error object, and a web page or nothing at all is none."""
    if status in _OF_SIZE:
        return False
    text = body.strip()
    # Where there is no such path, some servers say so in plain words; others say so of a model.
    is_plain = status in _OF_PATH and b"model" not in text.lower() and parse(body) is None
    return not text or text[:1] == b"<" or is_plain


def error_of_object(error: object, own: OwnWords = NO_WORDS) -> UpstreamError:
    """The error of an error object that came inside a 200; it may be a mapping, a string or anything else."""
    evidence = _Evidence(error, own)
    status = evidence.status
    said = quote(sentence_of(error))
    if status == 402 or evidence.is_credit(status):
        return QuotaSpent(f"The upstream's account is out of credit, it said inside the stream: {said}", status=status)
    if evidence.may_say(Trouble.TOO_LARGE):
        too_large = RejectedInStream(f"The upstream rejected the request inside the stream: {said}", status=status)
        too_large.is_too_large = True
        return too_large
    if (
        status == 429
        or Trouble.RATE_LIMITED in evidence.by_code
        or (status is None and Trouble.RATE_LIMITED in evidence.by_words)
    ):
        return RateLimited(
            f"The upstream limits its rate, it said inside the stream: {said}",
            status=status,
            retry_after_seconds=evidence.wait_seconds,
        )
    if evidence.refuses_key(status):
        return Unauthorized(f"The upstream refuses the key; check it. It said inside the stream: {said}", status=status)
    is_fault_of_request = status is not None and 400 <= status < 500 and status not in _TRY_AGAIN
    if evidence.may_say(Trouble.REJECTED) or is_fault_of_request:
        return RejectedInStream(f"The upstream rejected the request inside the stream: {said}", status=status)
    reported = ErrorInStream(f"The upstream reported an error inside the stream: {said}", status=status)
    says_so = Trouble.OVERLOADED in evidence.by_code or (status == 503 and evidence.may_say(Trouble.OVERLOADED))
    if status == 529 or says_so:
        reported.cause = Cause.LIMIT
    reported.retry_after_seconds = evidence.wait_seconds
    return reported


def error_of_body(content_type: str, body: bytes, parsed: object, own: OwnWords = NO_WORDS) -> UpstreamError:
    """The error of a 200 whose body is neither an event stream nor a completion; `parsed` is its JSON."""
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    error = find_error(parsed) if isinstance(parsed, Mapping) else None
    if error is not None and names_path(error, own):  # LM Studio says 200 of a path that it does not know
        return _wrong_url(200, f": {quote(sentence_of(error))}")
    if error is not None:
        return error_of_object(error, own)
    what = "an HTML page" if body.lstrip()[:1] == b"<" else f"a body of type {quote(content_type) or 'unknown'}"
    return NotAStream(
        f"The upstream answered 200 with {what} instead of an event stream."
        f" Check {URL_SETTING}." + (f" It began: {quote(body)}" if body.strip() else " It was empty.")
    )


def parse(body: bytes | bytearray) -> object:
    """The JSON in a body; None when there is none."""
    try:
        return json.loads(body.decode("utf-8", "replace"), strict=False)  # some escape no control characters
    except (ValueError, RecursionError):
        return None
