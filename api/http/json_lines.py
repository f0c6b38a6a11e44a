"""JSON in one line, also for readers that split lines as Python and httpx do."""

import json
from typing import Any

# JSON Lines and server-sent events end a line at none of these, but `str.splitlines` does. Inside of JSON they can only
# stand in strings, so their escapes mean the same.
_SEPARATORS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085"))


def json_line(value: Any) -> bytes:
    """The value as a line of a JSON Lines file."""
    return one_line(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) + b"\n"


def one_line(encoded: bytes) -> bytes:
    """JSON without line breaks, with what some readers take for one escaped."""
    if encoded.isascii():
        return encoded
    for separator, escape in _SEPARATORS:
        if separator in encoded:
            encoded = encoded.replace(separator, escape)
    return encoded
