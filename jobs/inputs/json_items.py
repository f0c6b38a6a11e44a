"""The objects of a JSON text, one for each request: one on each line, or one of the other ways in which people write
them.

A list of them, objects over several lines, comments between them and a comma after them are read as meant. Nothing is
parsed here: an object is cut out of the text by its brackets, and no more of it than `max_bytes` is kept.
"""

import io
import re
from collections.abc import Iterator

from jobs.inputs.mistakes import MistakeError, Notes, line_too_long
from jobs.inputs.table import Line

_READ_BYTES = 65536
_MARK = re.compile(rb'["{}\[\]]')
_STRING = re.compile(rb'(?:[^"\\]|\\.)*+("?)')
_TOKEN = re.compile(rb'["\\{}\[\],\n]')


def read_json_items(file: io.BufferedReader, max_bytes: int, notes: Notes) -> Iterator[Line | MistakeError]:
    """The objects of a text in UTF-8 with their lines, and what is wrong where there is none."""
    if file.peek(_READ_BYTES).lstrip().startswith(b"["):
        notes.add("list", "the file is one list, and each of its objects was read as a line")
        yield from _ListCutter(max_bytes).items(file)
        return
    lines = _numbered(file, max_bytes)
    for number, line in lines:
        if line is None:
            yield line_too_long(max_bytes, number)
        elif content := line.strip():
            if content.startswith((b"#", b"//")):
                notes.add("comment", "a comment was left out", number)
                continue
            yield from _items_from(number, line, lines, max_bytes, notes)


_Numbered = Iterator[tuple[int, bytes | None]]


def _items_from(
    number: int, line: bytes, lines: _Numbered, max_bytes: int, notes: Notes
) -> Iterator[Line | MistakeError]:
    """The object that begins in this line, and those that follow an unfinished one."""
    while True:
        content = line.strip()
        if content.endswith(b"},"):
            notes.add("comma", "a comma after an object was left out", number)
            content = content[:-1]
        if content.endswith(b"}") or not content.startswith(b"{"):
            yield Line(number, content)
            return
        whole, following = _gather(line, lines, max_bytes)
        if whole is not None:
            notes.add("pretty", "an object that stands over several lines was read as one", number)
            yield Line(number, whole)
            return
        reason = "not JSON: the object that begins here is not closed"
        yield MistakeError("invalid_json_line", reason, "write each request as one line of JSON", line=number)
        if following is None:
            return
        number, line = following


def _gather(first: bytes, lines: _Numbered, max_bytes: int) -> tuple[bytes | None, tuple[int, bytes] | None]:
    """The whole object that begins with this line. Without an end, None, and the line at which another one begins."""
    brackets = _Brackets()
    gathered = [first]
    size = len(first)
    if not brackets.feed(first):
        return None, None
    for number, line in lines:
        if line is None:
            return None, None
        if line.startswith(b"{") or not line.strip():
            return None, (number, line) if line.strip() else None
        gathered.append(line)
        size += len(line)
        if size > max_bytes or not brackets.feed(line):
            return None, None
        if brackets.depth == 0:
            return b"\n".join(gathered).strip().removesuffix(b","), None
    return None, None


class _Brackets:
    """How deep a JSON text is, line by line."""

    def __init__(self) -> None:
        self.depth = 0

    def feed(self, line: bytes) -> bool:
        """Whether the line can belong to JSON: no string of it goes on in the next one."""
        at = 0
        while found := _MARK.search(line, at):
            at = found.end()
            if found[0] == b'"':
                string = _STRING.match(line, at)
                if string is None or not string[1]:
                    return False
                at = string.end()
            else:
                self.depth += 1 if found[0] in b"{[" else -1
        return True


class _ListCutter:
    """Cuts a list into its items, of which it keeps no more than the one that it is in."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._depth = 0
        self._in_string = False
        # Where, in the piece that is read, the character stands that a backslash is before.
        self._escaped = -1
        self._line = 1
        # The item that is being read: its pieces, their length, and the line in which its first bracket stands.
        self._item: list[bytes] = []
        self._size = 0
        self._item_line: int | None = None

    def items(self, file: io.BufferedReader) -> Iterator[Line | MistakeError]:
        """The items, and what is wrong with those that are too long, or with the list."""
        while piece := file.read(_READ_BYTES):
            start = 0
            for found in _TOKEN.finditer(piece):
                at, mark = found.start(), found[0]
                if self._is_text(at, mark):
                    continue
                if mark in b"{[":
                    start = self._open(at, start)
                elif mark in b"}]":
                    self._depth -= 1
                    if self._depth == 0:
                        yield from self._end_item(piece[start:at])
                        yield from self._after(piece[at + 1 :], file)
                        return
                elif self._depth == 1:
                    yield from self._end_item(piece[start:at])
                    start = at + 1
            self._keep(piece[start:])
            self._escaped -= len(piece)
        yield MistakeError("invalid_json_line", "not JSON: the list is not closed", "end it with ]", line=self._line)

    def _is_text(self, at: int, mark: bytes) -> bool:
        """Whether a mark parts nothing: it is inside of a string or at its ends, or a line feed."""
        if mark == b"\n":
            self._line += 1
        elif self._in_string:
            if at != self._escaped:
                self._in_string = mark != b'"'
                self._escaped = at + 1 if mark == b"\\" else self._escaped
        elif mark == b'"':
            self._in_string = True
        else:
            return mark == b"\\"
        return True

    def _open(self, at: int, start: int) -> int:
        self._depth += 1
        if self._depth == 2 and self._item_line is None:
            self._item_line = self._line
        return at + 1 if self._depth == 1 else start

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._max_bytes + _READ_BYTES:
            self._item.append(piece)

    def _end_item(self, piece: bytes) -> Iterator[Line | MistakeError]:
        self._keep(piece)
        line, content = self._item_line or self._line, b"".join(self._item).strip()
        if self._size > self._max_bytes and len(content) > self._max_bytes:
            yield line_too_long(self._max_bytes, line)
        elif content:
            yield Line(line, content)
        self._item, self._size, self._item_line = [], 0, None

    def _after(self, rest: bytes, file: io.BufferedReader) -> Iterator[MistakeError]:
        while not rest.strip():
            self._line += rest.count(b"\n")
            rest = file.read(_READ_BYTES)
            if not rest:
                return
        self._line += rest[: len(rest) - len(rest.lstrip())].count(b"\n")
        remedy = "put every request into the list, or each on a line of its own"
        yield MistakeError("invalid_json_line", "something follows the list", remedy, line=self._line)


def _numbered(file: io.BufferedReader, max_bytes: int) -> _Numbered:
    """The lines with their numbers; of several with nothing in them, the first. None stands for one that is too long,
    and is not kept in memory either.
    """
    number, after_nothing = 0, False
    while piece := file.readline(max_bytes + 2):
        number += 1
        if piece in (b"\n", b"\r\n"):
            if not after_nothing:
                after_nothing = True
                yield number, b""
            continue
        after_nothing = False
        line: bytes | None = piece.removesuffix(b"\n").removesuffix(b"\r")
        if len(line or b"") > max_bytes:
            line = None
            while piece and not piece.endswith(b"\n"):
                piece = file.readline(_READ_BYTES)
        yield number, line
