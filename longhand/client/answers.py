"""What a client takes of an answer: everything that it keeps is bounded, and what no Longhand sends is one error.

The server may be another program, an old one, or one that means harm: it must not fill the memory, nor end a program
with an error that says nothing.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from longhand.client.errors import StrangeAnswerError

MOST_ANSWER_BYTES = 64 * 1024 * 1024
"""Of an answer that is read whole, and of a line of results. The longest text is by default 16 MiB."""
MOST_REFUSAL_BYTES = 1024 * 1024
"""Of an answer that reports an error."""
LONGEST_WAIT_SECONDS = 3600.0
"""However long the server asks a client to wait."""

ENCODINGS = ("gzip", "deflate")
"""Of these a piece of 64 KiB cannot become more than some 64 MB."""

WRONG_FORM = (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
"""What Python raises when a value has not the form that was expected."""


class AnswerBody:
    """Takes a body piece by piece. Raises `StrangeAnswerError` as soon as it is longer than any answer."""

    def __init__(self, most_bytes: int = MOST_ANSWER_BYTES) -> None:
        self._most = most_bytes
        self._taken = bytearray()

    def add(self, piece: bytes) -> None:
        """Take the next piece."""
        if len(self._taken) + len(piece) > self._most:
            raise StrangeAnswerError(f"it is longer than {self._most} bytes")
        self._taken += piece

    def whole(self) -> bytes:
        """All of it."""
        return bytes(self._taken)


def require_readable(response: httpx.Response) -> None:
    """Raises `StrangeAnswerError` for an encoding that few bytes of could fill the memory."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", *ENCODINGS):
        raise StrangeAnswerError(f"its encoding is {encoding[:60]!r}")


def json_of(text: bytes | str) -> Any:
    """The JSON of an answer. Raises `StrangeAnswerError`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise StrangeAnswerError("it is not JSON") from None


@contextmanager
def expecting(what: str) -> Iterator[None]:
    """Turn what Python raises for a value of another form into a `StrangeAnswerError` that names what it should be."""
    try:
        yield
    except WRONG_FORM as error:
        raise StrangeAnswerError(f"it holds no {what} as this version knows it") from error


def typed(value: Any, *kinds: type | None) -> Any:
    """The value. Raises `TypeError` if it is of no such kind."""
    if not any(value is None if kind is None else type(value) is kind for kind in kinds):
        raise TypeError(type(value).__name__)
    return value
