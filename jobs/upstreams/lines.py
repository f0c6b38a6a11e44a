"""Finds the line of a key or a value in a TOML file, which Python's own reader does not report."""

import re
import tomllib
from bisect import bisect_left

Place = tuple[str | int, ...]
"""The way to a value: names of tables and keys, and numbers in arrays, such as `("upstream", 0, "models", 2)`."""

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACES = re.compile(r"[ \t]*")
_STRING = re.compile(
    r""""{3}(?:[^\\]|\\.)*?"{3,5} | '{3}.*?'{3,5} | "(?:[^"\\\n]|\\.)*" | '[^'\n]*' """, re.DOTALL | re.VERBOSE
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}\n#]*")


def find_lines(text: str) -> dict[Place, int]:
    """The line, counted from 1, of every table, key and array element.

    The text must be one that `tomllib` takes: this looks for places only, and checks nothing.
    """
    return _Scan(text.replace("\r\n", "\n")).read()


class _Scan:
    """One walk through the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._breaks = [found.start() for found in re.finditer("\n", text)]
        self._arrays: dict[Place, int] = {}
        self._lines: dict[Place, int] = {}

    def read(self) -> dict[Place, int]:
        table: Place = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._read_header()
            else:
                self._read_pair(table)
            self._skip(_BLANK)
        return self._lines

    def _read_header(self) -> Place:
        line, is_array = self._line(), self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        *parents, last = self._read_key()
        self._at += 2 if is_array else 1
        table: Place = ()
        for name in parents:
            table = self._inside((*table, name), line)
        table = (*table, last)
        if is_array:
            self._arrays[table] = self._arrays.get(table, 0) + 1
        return self._inside(table, line)

    def _inside(self, table: Place, line: int) -> Place:
        """The table itself, or, of an array of tables, the last one."""
        self._note(table, line)
        if table in self._arrays:
            table = (*table, self._arrays[table] - 1)
            self._note(table, line)
        return table

    def _read_pair(self, table: Place) -> None:
        line = self._line()
        for name in self._read_key():
            table = (*table, name)
            self._note(table, line)
        self._at += 1  # the equals sign
        self._skip(_SPACES)
        self._read_value(table)

    def _read_key(self) -> list[str]:
        names = []
        while True:
            self._skip(_SPACES)
            quoted = _STRING.match(self._text, self._at)
            name = self._skip(_STRING if quoted else _BARE_KEY)
            names.append(tomllib.loads(f"name = {name}")["name"] if quoted else name)
            self._skip(_SPACES)
            if self._text[self._at] != ".":
                return names
            self._at += 1

    def _read_value(self, place: Place) -> None:
        first = self._text[self._at]
        if first == "[":
            self._read_array(place)
        elif first == "{":
            self._read_inline_table(place)
        else:
            self._skip(_STRING if first in "\"'" else _BARE_VALUE)

    def _read_array(self, place: Place) -> None:
        self._at += 1
        self._skip(_BLANK)
        number = 0
        while self._text[self._at] != "]":
            self._note((*place, number), self._line())
            self._read_value((*place, number))
            number += 1
            self._pass_comma()
        self._at += 1

    def _read_inline_table(self, place: Place) -> None:
        self._at += 1
        self._skip(_BLANK)
        while self._text[self._at] != "}":
            self._read_pair(place)
            self._pass_comma()
        self._at += 1

    def _pass_comma(self) -> None:
        self._skip(_BLANK)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_BLANK)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise ValueError(f"line {self._line()} is not TOML")
        self._at = found.end()
        return found.group()

    def _note(self, place: Place, line: int) -> None:
        self._lines.setdefault(place, line)

    def _line(self) -> int:
        return bisect_left(self._breaks, self._at) + 1
