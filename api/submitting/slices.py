"""The parts of a large JSON text, cut out one by one and not decoded.

A decoder in C holds the interpreter until it is done: the 60 MB of a batch would stop every watcher for seconds. Here
each step is short, so other threads run in between, and what is too much is known before it takes any memory.
"""

import json
import re
from collections.abc import Iterator

MOST_VALUES = 100_000
"""How many values one job may have, nested ones included. Decoding them holds the interpreter for some 50 ms."""

_BYTES_AT_ONCE = 256 * 1024
"""How far one search goes before another thread can run."""

_IN_STRING = rb'(?:[^"\\]{1,4096}+|\\.){0,64}+'
_REST = re.compile(_IN_STRING + rb'("?)', re.DOTALL)
_TOKEN = re.compile(rb'[\[\]{},]|"' + _IN_STRING + rb'("?)', re.DOTALL)
_NAME = re.compile(rb'[ \t\r\n]*+("(?:[^"\\]|\\.){0,300}+")[ \t\r\n]*+:', re.DOTALL)
_SPACE = re.compile(rb"[ \t\r\n]*+")
_CLOSING, _COMMA = b"]}", ord(",")


class TooManyValuesError(Exception):
    """The text has more values than are allowed."""


class Slices:
    """Reads one JSON text from its beginning to its end: `fields`, and for each its `value` or its `items`.

    Raises `TooManyValuesError` once it has come past more than `most` values, and ValueError where the text is not
    JSON. The inside of a value is not checked.
    """

    def __init__(self, text: bytes, most: int) -> None:
        self._text = memoryview(text)
        self._left = most
        self._at = 0

    def is_at(self, opening: bytes) -> bool:
        """Whether what comes next begins like this: `{`, an object, or `[`, a list."""
        self._skip_space()
        return self._text[self._at : self._at + 1] == opening

    def fields(self) -> Iterator[str]:
        """The names of an object's fields. Read what each one has before asking for the next."""
        for _ in self._parts(b"{", b"}"):
            named = _NAME.match(self._text, self._at)
            if named is None:
                raise ValueError(f"there is no field's name at byte {self._at}")
            self._at = named.end()
            yield json.loads(named[1])

    def items(self) -> Iterator[memoryview]:
        """The items of a list, each as it came."""
        for _ in self._parts(b"[", b"]"):
            yield self.value()

    def value(self) -> memoryview:
        """The value that comes next, as it came."""
        start, depth = self._at, 0
        for place in _marks(self._text, start):
            mark = self._text[place]
            if mark in _CLOSING:
                depth -= 1
                if depth < 0:
                    break
                continue
            if mark == _COMMA and depth == 0:
                break
            depth += mark != _COMMA
            self._left -= 1
            if self._left < 0:
                raise TooManyValuesError
        else:
            raise ValueError("it ends in the middle")
        self._at = place
        return self._text[start:place]

    def require_end(self) -> None:
        """Raises ValueError when more follows."""
        self._skip_space()
        if self._at < len(self._text):
            raise ValueError(f"it has ended at byte {self._at}, and more follows")

    def _parts(self, opening: bytes, closing: bytes) -> Iterator[None]:
        """Stops before each part of an object or a list."""
        self._take(opening)
        if not self.is_at(closing):
            yield
            while self.is_at(b","):
                self._at += 1
                yield
        self._take(closing)

    def _take(self, mark: bytes) -> None:
        if not self.is_at(mark):
            raise ValueError(f"{mark.decode()!r} is missing at byte {self._at}")
        self._at += 1

    def _skip_space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at


def require_few_values(text: bytes) -> None:
    """Raises `TooManyValuesError` when a text has more than `MOST_VALUES` values."""
    # A prompt may have any number of commas and brackets inside its strings: only then are they told apart, one by one.
    if len(text) > MOST_VALUES and _count_marks(text) > MOST_VALUES:
        left = MOST_VALUES
        for place in _marks(memoryview(text), 0):
            left -= text[place] not in _CLOSING
            if left < 0:
                raise TooManyValuesError


def count_values(text: bytes) -> int:
    """How many values a JSON text has, nested ones included."""
    return sum(text[place] not in _CLOSING for place in _marks(memoryview(text), 0))


def _marks(text: memoryview, start: int) -> Iterator[int]:
    """The places of the brackets and commas that are not inside a string."""
    at = start
    while at < len(text):
        found = _TOKEN.search(text, at, at + _BYTES_AT_ONCE)
        if found is None:
            at += _BYTES_AT_ONCE
            continue
        at = found.end()
        if found[1] is None:
            yield at - 1
            continue
        ended = found[1] or at >= len(text)
        while not ended and (found := _REST.match(text, at)):
            ended = found[1] or found.end() == at  # a backslash is the last byte of all
            at = found.end()


def _count_marks(text: bytes) -> int:
    """How many commas and opening brackets there are, also inside of strings."""
    pieces = (text[start : start + _BYTES_AT_ONCE] for start in range(0, len(text), _BYTES_AT_ONCE))
    return sum(piece.count(b",") + piece.count(b"[") + piece.count(b"{") for piece in pieces)
