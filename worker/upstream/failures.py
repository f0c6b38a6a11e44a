"""What an answer without text means: from an HTTP status, an error object or a strange body to the typed error.

Upstreams disagree on where they put an error and on what they call it. So words are compared in lower case, and a word
that is not known never makes an error final.
"""

import json
from collections.abc import Mapping
from typing import Any

from worker.upstream.errors import (
    ErrorInStream,
    NotAStream,
    QuotaSpent,
    RateLimited,
    Rejected,
    RejectedInStream,
    ServerError,
    Unauthorized,
    UpstreamError,
    quote,
)

_OUT_OF_CREDIT = frozenset(
    ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance", "quota_exceeded")
)
_RATE_LIMITED = frozenset(
    ("rate_limit_exceeded", "rate_limit_error", "rate_limit_reached", "rate_limited", "too_many_requests")
)
_UNAUTHORIZED = frozenset(
    ("authentication_error", "invalid_api_key", "permission_error", "permission_denied", "unauthorized", "forbidden")
)
_REJECTED = frozenset(
    (
        "invalid_request",
        "invalid_request_error",
        "bad_request",
        "badrequesterror",
        "bad_request_error",
        "context_length_exceeded",
        "string_above_max_length",
        "content_filter",
        "content_policy_violation",
        "model_not_found",
        "not_found",
        "not_found_error",
        "notfounderror",
        "unsupported_parameter",
        "unsupported_value",
        "unprocessable_entity",
        "validation_error",
    )
)
_TRY_AGAIN = frozenset((408, 409, 425))


def error_of_status(
    status: int, body: bytes, *, retry_after_seconds: float | None, location: str | None, asked_for_usage: bool
) -> UpstreamError:
    """The error of an answer other than 2xx. `location` is where a redirect points to."""
    words = _words_of(parse(body))
    said = f": {quote(body)}" if body.strip() else ", and nothing more"
    if status == 402 or (status == 429 and words & _OUT_OF_CREDIT):
        return QuotaSpent(f"The upstream's account is out of credit (HTTP {status}){said}", status=status)
    if status == 429:
        return RateLimited(
            f"The upstream limits its rate (HTTP 429){said}", status=429, retry_after_seconds=retry_after_seconds
        )
    if status >= 500 or status in _TRY_AGAIN:
        return ServerError(
            f"The upstream failed (HTTP {status}){said}", status=status, retry_after_seconds=retry_after_seconds
        )
    if status in (401, 403):
        return Unauthorized(
            f"The upstream refuses the key (HTTP {status}); check LONGHAND_UPSTREAM_API_KEY{said}", status=status
        )
    if 300 <= status < 400:
        return Rejected(
            f"The upstream redirects (HTTP {status}) to {quote(location or 'nowhere')}, and redirects are not followed."
            " Set LONGHAND_UPSTREAM_URL to the final address.",
            status=status,
        )
    if asked_for_usage and (b"stream_options" in body or b"include_usage" in body):
        return Rejected(
            f"The upstream does not take stream_options.include_usage (HTTP {status})."
            f" Set LONGHAND_UPSTREAM_USAGE=false; the tokens are then counted here. It said{said}",
            status=status,
        )
    if status == 404:
        return Rejected(
            f"The upstream knows no such model, or LONGHAND_UPSTREAM_URL lacks its path, such as /v1 (HTTP 404){said}",
            status=404,
        )
    return Rejected(f"The upstream rejected the request (HTTP {status}){said}", status=status)


def error_of_object(error: object) -> UpstreamError:
    """The error of an error object that came inside a 200; it may be a mapping, a string or anything else."""
    words, status = _words_of(error), _status_of(error)
    said = quote(_sentence_of(error))
    if status == 402 or words & _OUT_OF_CREDIT:
        return QuotaSpent(f"The upstream's account is out of credit, it said inside the stream: {said}", status=status)
    if status == 429 or words & _RATE_LIMITED:
        return RateLimited(f"The upstream limits its rate, it said inside the stream: {said}", status=status)
    if status in (401, 403) or words & _UNAUTHORIZED:
        return Unauthorized(
            f"The upstream refuses the key; check LONGHAND_UPSTREAM_API_KEY. It said inside the stream: {said}",
            status=status,
        )
    if words & _REJECTED or (status is not None and 400 <= status < 500 and status not in _TRY_AGAIN):
        return RejectedInStream(f"The upstream rejected the request inside the stream: {said}", status=status)
    return ErrorInStream(f"The upstream reported an error inside the stream: {said}", status=status)


def error_of_body(content_type: str, body: bytes, parsed: object) -> UpstreamError:
    """The error of a 200 whose body is neither an event stream nor a completion; `parsed` is its JSON."""
    error = find_error(parsed) if isinstance(parsed, Mapping) else None
    if error is not None:
        return error_of_object(error)
    what = "an HTML page" if body.lstrip()[:1] == b"<" else f"a body of type {quote(content_type) or 'unknown'}"
    return NotAStream(
        f"The upstream answered 200 with {what} instead of an event stream."
        " Check where LONGHAND_UPSTREAM_URL points."
        + (f" It began: {quote(body)}" if body.strip() else " It was empty.")
    )


def find_error(found: Mapping[str, Any]) -> object | None:
    """The error in a JSON object: `{"error": ...}`, `{"object": "error", ...}`, or a bare `message` or `detail`."""
    if found.get("error"):
        return found["error"]  # type: ignore[no-any-return]  # whatever the upstream put there
    if found.get("object") == "error" or ("choices" not in found and (found.get("message") or found.get("detail"))):
        return found
    return None


def parse(body: bytes | bytearray) -> object:
    """The JSON in a body; None when there is none."""
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _words_of(error: object) -> set[str]:
    if isinstance(error, Mapping):
        inner = error.get("error")
        if isinstance(inner, Mapping):
            error = inner
        return {str(error[name]).lower() for name in ("type", "code", "status") if error.get(name) is not None}
    return {error.lower()} if isinstance(error, str) else set()


def _status_of(error: object) -> int | None:
    if not isinstance(error, Mapping):
        return None
    for name in ("code", "status", "status_code"):
        digits = str(error.get(name))
        if len(digits) == 3 and digits.isascii() and digits.isdigit() and digits >= "400":
            return int(digits)
    return None


def _sentence_of(error: object) -> str:
    if isinstance(error, str):
        return error
    if isinstance(error, Mapping):
        sentence = error.get("message") or error.get("detail")
        if isinstance(sentence, str):
            named = [f"{name} {error[name]}" for name in ("type", "code") if isinstance(error.get(name), str | int)]
            return sentence + (f" ({', '.join(named)})" if named else "")
    try:
        return json.dumps(error)
    except (ValueError, RecursionError):
        return "an error that cannot be read"
