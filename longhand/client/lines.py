"""Whole lines, out of the chunks of an answer that streams."""

from longhand.client.answers import MOST_ANSWER_BYTES
from longhand.client.errors import StrangeAnswerError


class LineSplitter:
    """Feed it bytes, get the lines that they complete. Not `splitlines`: U+2028 may stand inside a text."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that are not empty."""
        if len(self._pending) + len(chunk) > MOST_ANSWER_BYTES:
            raise StrangeAnswerError(f"a line is longer than {MOST_ANSWER_BYTES} bytes")
        self._pending += chunk
        if b"\n" not in chunk:
            return []
        *lines, rest = bytes(self._pending).split(b"\n")
        self._pending[:] = rest
        return [line for line in lines if line]

    def close(self) -> list[bytes]:
        """The last line, if no newline ended it."""
        return [bytes(self._pending)] if self._pending else []
