"""The HTTP answers that are no completion: their heads, and errors in the words of those who really send them."""

import math
import secrets
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, NamedTuple

from longhand.simulator.wire_form import to_json

JSON = b"application/json"

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "invalid_request_error",
    429: "requests",
}
_ERROR_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
_HTML = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body><h1>Please sign in</h1></body></html>"
BODIES = {
    "json_error": (JSON, to_json({"error": {"message": "Something went wrong.", "type": "server_error"}})),
    "html": (b"text/html; charset=utf-8", _HTML),
    "bare_done": (b"text/event-stream; charset=utf-8", b"data: [DONE]\n\n"),
    "empty": (b"text/event-stream; charset=utf-8", b""),
}
"""What the order `body` answers with, with its content type."""


def make_head(
    status: int, content_type: bytes, length: int | None, headers: Iterable[tuple[str, str]], *, keep_alive: bool
) -> bytes:
    """The head of an answer; without a length its body comes in chunks."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Ordered"
    lines = [
        b"HTTP/1.1 %d %b" % (status, phrase.encode()),
        b"content-type: " + content_type,
        b"cache-control: no-cache",
        b"x-request-id: req_" + secrets.token_hex(16).encode(),
        b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length,
        *(f"{name}: {value}".encode("ascii") for name, value in headers),
    ]
    if not keep_alive:
        lines.append(b"connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n"


def ordered_error(status: int) -> bytes:
    """The body of a status that a request has ordered for itself."""
    return error_body(
        f"The simulator was ordered to answer {status}.",
        _ERROR_TYPES.get(status, "server_error"),
        _ERROR_CODES.get(status),
    )


def error_body(message: str, kind: str, code: Any = None, param: str | None = None) -> bytes:
    """An error in OpenAI's form."""
    return to_json({"error": {"message": message, "type": kind, "param": param, "code": code}})


class Refusal(NamedTuple):
    """A request that the provider does not serve, and why."""

    kind: str
    """For the stats: `outage`, `key`, `credit`, `too_large`, `in_flight`, `requests` or `tokens`."""
    status: int
    body: bytes
    wait_seconds: float | None = None
    """For a limit: when the same request would be accepted; infinite if never."""
    content_type: bytes = JSON


def refused_by_outage(status: int) -> Refusal:
    """What stands before a server that is away, or the server itself while it is loading, says."""
    if status in (502, 504):  # a reverse proxy's page
        phrase = HTTPStatus(status).phrase
        page = (
            f"<html>\r\n<head><title>{status} {phrase}</title></head>\r\n<body>{status} {phrase}</body>\r\n</html>\r\n"
        )
        return Refusal("outage", status, page.encode(), content_type=b"text/html")
    bodies = {
        503: to_json({"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}),
        529: to_json({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    }
    failed = error_body("The server had an error while processing your request. Sorry about that!", "server_error")
    return Refusal("outage", status, bodies.get(status, failed))


def refused_by_key() -> Refusal:
    message = "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys."
    return Refusal("key", 401, error_body(message, "invalid_request_error", "invalid_api_key"))


def refused_by_credit() -> Refusal:
    message = "You exceeded your current quota, please check your plan and billing details."
    return Refusal("credit", 429, error_body(message, "insufficient_quota", "insufficient_quota"))


def refused_by_limit(kind: str, what: str, limit: float, asked: float, wait_seconds: float) -> Refusal:
    """A limit is reached. `what` names it as OpenAI does: "requests per min (RPM)"."""
    of = "tokens" if "token" in what else "requests"
    if math.isinf(wait_seconds):
        message = (
            f"Request too large on {what}: Limit {limit:g}, Requested {asked:g}. The input or output tokens must be"
            " reduced in order to run successfully."
        )
    else:
        message = f"Rate limit reached on {what}: Limit {limit:g}, Requested {asked:g}. Please slow down."
    return Refusal(kind, 429, error_body(message, of, "rate_limit_exceeded"), wait_seconds)
