"""One tool call while it is read: its name, and its arguments from pieces."""

import json
from typing import Any

from worker.upstream.text import make_storable

_LONGEST_NAME = 1024
"""A name that comes in pieces is not put together beyond this."""


class ToolCall:
    """One call, as far as it has come."""

    __slots__ = ("_brackets", "_goes_on", "_length", "_repeats", "_scanned", "extras", "id", "kind", "name", "pieces")

    def __init__(self) -> None:
        self.id = ""
        self.kind = "function"
        self.name = ""
        self.pieces: list[str] = []
        self.extras: dict[str, Any] = {}
        """What else a call has, such as the signature that Gemini wants back with it."""
        self._length = 0
        self._repeats = True
        """Each piece so far begins with the one before it."""
        self._brackets = _Brackets()
        self._scanned = 0
        self._goes_on = False

    @property
    def says_something(self) -> bool:
        """With neither a name nor arguments it calls nothing: some gateways send such a call beside each text."""
        return bool(self.name or self.pieces)

    @property
    def arguments(self) -> str:
        """The arguments. Some upstreams repeat in each piece all that came before."""
        joined = "".join(self.pieces)
        repeats = len(self.pieces) > 1 and self._repeats
        if self.kind == "custom":  # any text, so no end tells which of the two it is
            repeats = repeats and 2 < len(self.pieces) == len(set(map(len, self.pieces)))
        return self.pieces[-1] if repeats and not _is_json(joined) else joined

    @property
    def goes_on(self) -> bool:
        """Whether more of the arguments must follow. Each piece is looked at once, however often this is asked."""
        if self._scanned < len(self.pieces):
            for piece in self.pieces[self._scanned :]:
                self._brackets.feed(piece)
            self._scanned = len(self.pieces)
            self._goes_on = self._brackets.are_open and not _is_json(self.pieces[-1])
        return self._goes_on

    @property
    def is_cut(self) -> bool:
        """Whether the arguments end in the middle. Without any they do not."""
        arguments = self.arguments
        if self.kind == "custom" or _is_json(arguments):
            return False
        brackets = _Brackets()
        brackets.feed(arguments)
        return brackets.are_open

    def is_again(self, arguments: str) -> bool:
        """Whether these are all of its arguments again. What is of another length is not put together for that."""
        if len(arguments) == self._length:
            return arguments == self.arguments
        return self._repeats and arguments == self.pieces[-1]

    def add(self, name: str, arguments: str) -> None:
        """Take the next piece. A name may come in pieces, or again with each piece of the arguments."""
        if name and name != self.name:
            if name.startswith(self.name):
                self.name = name
            elif not self.pieces and len(self.name) < _LONGEST_NAME:
                self.name += name
        if not arguments:
            return
        is_again = len(arguments) == self._length and self.kind != "custom" and _is_json(arguments)
        if is_again and arguments == "".join(self.pieces):
            return  # all of it again
        self._repeats = self._repeats and (not self.pieces or arguments.startswith(self.pieces[-1]))
        self.pieces.append(arguments)
        self._length += len(arguments)

    def as_function(self) -> dict[str, str]:
        """The name and the arguments, as OpenAI's object has them."""
        arguments = "input" if self.kind == "custom" else "arguments"
        return {"name": make_storable(self.name), arguments: make_storable(self.arguments)}


class _Brackets:
    """Follows the brackets and the strings of JSON that comes in pieces."""

    __slots__ = ("_depth", "_escaped", "_in_string")

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = self._escaped = False

    @property
    def are_open(self) -> bool:
        """Whether a bracket or a string is still open."""
        return self._depth > 0 or self._in_string

    def feed(self, piece: str) -> None:
        for character in piece:
            if self._escaped:
                self._escaped = False
            elif self._in_string:
                self._escaped = character == "\\"
                self._in_string = character != '"'
            elif character == '"':
                self._in_string = True
            elif character in "{[":
                self._depth += 1
            elif character in "}]":
                self._depth -= 1


def _is_json(text: str) -> bool:
    try:
        json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return False
    return True
