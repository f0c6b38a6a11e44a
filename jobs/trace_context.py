"""The W3C trace that a request belongs to: it is stored with what the request submits."""

import re
from contextvars import ContextVar

HEADER = "traceparent"

TRACEPARENT: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""That of the request that is being answered, also in the threads that work for it."""

_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def read_traceparent(value: str) -> str | None:
    """A good `traceparent`; None for any other value, which says nothing."""
    value = value.strip()
    return value if _FORM.fullmatch(value) else None
